"""Whether the parts of a run are those that were written: by the hashes that were kept before each got its name."""

import hashlib

from rig import part_hashes
from rig.errors import RunError
from rig.metrics.load import Run

OLDER = "parts carry no hashes (an older version of rig wrote them), so an edit in all columns at once cannot be seen"


def parts_problem(run: Run) -> str:
    """ "" where every part is as it was written; the parts concerned by name. Older runs have no hashes, and no problem."""
    if run.record.parts is None:
        return ""
    compared, is_done = part_hashes.compare(run.path), run.record.status == "done"
    if compared.edited:
        return _of("edited since it was written", compared.edited)
    if compared.unlisted:
        return _of("not written by this run", compared.unlisted)
    if is_done and compared.missing:  # before that, rig resume makes what is missing
        return _of("missing though it was written", compared.missing)
    if is_done and run.record.parts.sha256 != _hash(run):
        return f"{part_hashes.NAME} is not the file whose hash run.json holds"
    return ""


def require_parts(run: Run) -> None:
    """For reports without an audit. Raises RunError naming the first part that is not as it was written."""
    if problem := parts_problem(run):
        raise RunError(problem, where=run.path, hint="its figures are not those of the run; run it again elsewhere")


def _of(what: str, parts: tuple[str, ...]) -> str:
    others = f", and {len(parts) - 1} more" if len(parts) > 1 else ""
    return f"{parts[0]} is {what}{others}"


def _hash(run: Run) -> str | None:
    path = run.path / part_hashes.NAME
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
