"""Hands that tamper with a copy of a run."""

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl

from rig.images import content_hash, encode_png


def quiet(*_) -> None:
    pass


class Tampered:
    """A run folder and ways to change what it says, each leaving everything else consistent."""

    def __init__(self, path: Path):
        self.path = path

    def json(self, name: str, change) -> None:
        path = self.path / name
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def state(self, change) -> None:
        self.json("run.json", change)

    def metrics(self, change) -> None:
        self.json("metrics.json", change)

    def rows(self, change) -> None:
        parts = sorted(self.path.glob("trials/part-*.parquet"))
        table = change(pl.concat([pl.read_parquet(part) for part in parts], how="diagonal"))
        for part in parts:
            part.unlink()
        table.write_parquet(self.path / "trials" / "part-all.parquet")
        self.seal()

    def seal(self) -> None:
        """Hashes of parts as if those that are there now had been written by the run."""
        digests = {part: hashlib.sha256(part.read_bytes()).hexdigest() for part in self.path.glob("*/*.parquet")}
        lines = [f"{digest}  {part.relative_to(self.path)}\n" for part, digest in sorted(digests.items())]
        lines = "".join(line for line in lines if "  attack/" not in line)
        (self.path / "hashes.sha256").write_text(lines)
        self.state(lambda state: state["parts"].update(sha256=hashlib.sha256(lines.encode()).hexdigest()))

    def predict(self, label: str, *where: pl.Expr) -> None:
        """These rows say `label`, consistently in every column but the probabilities."""
        outcome = {"red": "target", "plain": "correct"}.get(label, "other_wrong")
        self.put(pl.all_horizontal(*where), predicted=pl.lit(label), outcome=pl.lit(outcome))

    def put(self, where: pl.Expr, **values: pl.Expr) -> None:
        """Other values in these columns of these rows."""
        self.rows(
            lambda rows: rows.with_columns(
                pl.when(where).then(value).otherwise(pl.col(name)).alias(name) for name, value in values.items()
            )
        )

    def paint(self, artefact: str, texture: np.ndarray, honest: bool = True) -> None:
        """Another picture; `honest`: artefact.json states its hash."""
        folder = f"artefacts/{artefact}"
        (self.path / folder / "texture.png").write_bytes(encode_png(texture))
        if honest:
            self.json(f"{folder}/artefact.json", lambda record: record.update(texture_sha256=content_hash(texture)))
