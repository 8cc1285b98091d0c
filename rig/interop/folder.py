"""A folder written whole or not at all: filled beside its place under a name of its own, then moved there."""

import os
from pathlib import Path

from rig.errors import RunError
from rig.runs import write_atomically


class NewFolder:
    """What is to become the folder `out`. After a kill the same export starts again, in the same hidden folder.

    `key` tells this export from others into the same place.
    """

    def __init__(self, out: Path, key: str):
        self.out = out.absolute()
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunError("there is something already", where=out, hint="choose another --out, or remove it")
        self.partial = self.out.with_name(f".{self.out.name}.{key}.partial")

    def write(self, name: str, content: bytes) -> None:
        write_atomically(self.partial / name, lambda file: file.write_bytes(content))

    def finish(self) -> Path:
        try:
            os.replace(self.partial, self.out)
        except OSError as error:
            hint = f"the whole export is in {self.partial}"
            raise RunError(f"cannot put the export there ({error.strerror})", where=self.out, hint=hint) from error
        return self.out
