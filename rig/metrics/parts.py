"""The files that a run's trials lie in; those of the same columns are read together, as one table."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rig.errors import RunError

AT_ONCE = 256  # files: what a reader notes of each costs more memory than their rows


@dataclass(frozen=True)
class Part:
    """Files of the same columns and types, in the order of their names; `path` is the first of them."""

    path: Path
    rows: pl.DataFrame

    def having(self, columns: Iterable[str]) -> pl.DataFrame:
        """The rows. Raises RunError where one of these columns is missing."""
        if missing := [name for name in columns if name not in self.rows.columns]:
            hint = "was it written by another version of rig?"
            raise RunError(f"column {missing[0]} is missing", where=self.path, hint=hint)
        return self.rows


def read_parts(folder: Path) -> list[Part]:
    """Every part-*.parquet of a folder. Raises RunError naming a file that cannot be read."""
    alike: dict[tuple, list[Path]] = {}
    for path in sorted(folder.glob("part-*.parquet")):
        alike.setdefault(tuple(_columns_of(path).items()), []).append(path)
    return [Part(paths[0], _together(paths)) for paths in alike.values()]


def _columns_of(path: Path) -> dict:
    try:
        return pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path) from error


def _together(paths: list[Path]) -> pl.DataFrame:
    try:
        return _read(paths)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(next((path for path in paths if not _is_readable(path)), paths[0])) from error


def _is_readable(path: Path) -> bool:
    try:
        return _read([path]) is not None
    except (pl.exceptions.PolarsError, OSError):
        return False


def _read(paths: list[Path]) -> pl.DataFrame:
    read = [
        pl.read_parquet(paths[i : i + AT_ONCE], glob=False, hive_partitioning=False)
        for i in range(0, len(paths), AT_ONCE)
    ]
    return pl.concat([rows.rechunk() for rows in read]).rechunk()


def _unreadable(path: Path) -> RunError:
    return RunError("not a readable parquet file", where=path, hint="delete it and run: rig resume")
