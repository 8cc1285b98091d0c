"""`rig export`: every frame of a run once, as PNG files in a layout that other tools read."""

import hashlib
from pathlib import Path

from rig.errors import RigError
from rig.images import encode_png
from rig.interop.coco import Coco
from rig.interop.folder import NewFolder
from rig.interop.frames import RunFrames
from rig.interop.imagefolder import ImageFolder
from rig.runs import Progress

LAYOUTS = {"imagefolder": ImageFolder, "coco": Coco}


def export(path: Path, layout: str, out: Path, progress: Progress) -> dict:
    """What was written: folder, format, how many frames and trials. Raises RigError; `out` is then not there."""
    if layout not in LAYOUTS:
        raise RigError("unknown format", where="--format", got=layout, expected=" or ".join(LAYOUTS))
    frames = RunFrames(path)
    folder = NewFolder(out, _key(frames, layout))
    files = LAYOUTS[layout](frames)
    for done, seen in enumerate(frames.seen(frames.pictures), start=1):
        folder.write(files.add(seen), encode_png(seen.image))
        progress(done, len(frames.pictures), f"frames as {layout}")
    for name, content in files.finish().items():
        folder.write(name, content)
    counts = {"frames": len(frames.pictures), "trials": len(frames.trials)}
    return {"out": str(folder.finish()), "format": layout} | counts


def _key(frames: RunFrames, layout: str) -> str:
    asked = f"{frames.run.path.resolve()}\n{frames.run.record.started}\n{layout}"
    return hashlib.sha256(asked.encode("utf-8", "surrogateescape")).hexdigest()[:8]
