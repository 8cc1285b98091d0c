"""Names from a run as names of files and folders: any text in, something that every file system takes out."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

MAX_CHARS = 60
RESERVED = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}  # Windows'
LIKE_A_DIGEST = "-[0-9a-f]{8}$"  # what another name may have been given


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """A name of a-z, 0-9, - and _ for each name; different names stay different where case is not told apart, too."""
    plain = {name: _plain(name) for name in names}
    taken = Counter(plain.values())
    alone = {word for word, n in taken.items() if n == 1 and not re.search(LIKE_A_DIGEST, word)}
    return {name: word if word in alone else f"{word}-{_digest(name)}" for name, word in plain.items()}


class FrameNames:
    """Of the files of these trials' frames: object, view and the frame's hash, in a folder for each artefact."""

    def __init__(self, rows: Iterable[dict]):
        rows = list(rows)
        self._groups = safe_names({group_of(row) for row in rows})
        self._objects = safe_names({row["object"] for row in rows})
        self._views = safe_names({row["view"] for row in rows})

    def group(self, row: dict) -> str:
        return self._groups[group_of(row)]

    def file(self, row: dict) -> str:
        return f"{self._objects[row['object']]}-{self._views[row['view']]}-{row['frame_hash']}.png"


def group_of(row: dict) -> str:
    """What trials are counted together: those of an artefact; of a session also of a source and a crop."""
    return f"{row['source']}/{row['crop']}/{row['artefact']}" if "crop" in row else row["artefact"]


def _plain(name: str) -> str:
    """As much of a name as is letters and digits."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    word = re.sub(r"[^a-z0-9_]+", "-", ascii_only).strip("-")
    word = word[:MAX_CHARS].rstrip("-") or "name"
    return f"_{word}" if word in RESERVED else word


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
