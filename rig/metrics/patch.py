"""Figures of a patch run beside those of any run: rates over the views that show the patch, and by how much they show."""

import json

import polars as pl
from pydantic import BaseModel, ValidationError

from rig.errors import RunError
from rig.metrics.load import Run
from rig.metrics.rates import rate_of, rates
from rig.scene.sticker import StickerSettings
from rig.settings import validated

PATCH_JOB = "attack patch"
SHARE = "patch_frac"  # a trial's column: of the frame's pixels, how many show the patch
VISIBLE_FRAC = 0.01  # of the frame, from where on a view counts as showing it
SHARE_STEPS = (0.0, VISIBLE_FRAC, 0.02, 0.05, 0.1, 1.0)


class PatchRecord(BaseModel):
    """What artefact.json says of a patch on the run's first object."""

    size_mm: tuple[float, float]
    area_mm2: float  # of the surface under it
    outline_mm2: float  # of the patch itself, laid flat
    texel_mm: float
    object_pixels_frac: float  # mean over the scored views
    frame_pixels_frac: float


def patch_metrics(run: Run, evaluated: pl.DataFrame) -> dict:
    """For metrics.json. evaluated: rig.metrics.summary.evaluation. Raises RunError."""
    if SHARE not in evaluated.columns:
        raise RunError(f"column {SHARE} is missing", where=run.path / "trials", hint="was the patch's sweep damaged?")
    return {
        "visible_frac": VISIBLE_FRAC,
        "visible": rates(visible(evaluated)),
        "by_share": [
            {"object": object_name, "model": model, "bins": _by_share(group)}
            for (object_name, model), group in evaluated.partition_by(
                "object", "model", as_dict=True, maintain_order=True
            ).items()
        ],
    }


def visible(trials: pl.DataFrame) -> pl.DataFrame:
    return trials.filter(pl.col(SHARE) >= VISIBLE_FRAC)


def patch_record(run: Run, artefact: str) -> PatchRecord | None:
    """None for what is no patch, as the clean object. Raises RunError."""
    record = run.artefacts.get(artefact)
    if record is None or record.kind != "patch":
        return None
    try:
        return PatchRecord.model_validate((record.model_extra or {}).get("patch"))
    except ValidationError as error:
        first = error.errors()[0]
        where = run.path / "artefacts" / artefact / "artefact.json"
        got = json.dumps(first.get("input"), default=str)[:80]
        raise RunError(f"patch.{'.'.join(map(str, first['loc']))}: {first['msg']}", where=where, got=got) from error


def sticker_settings(run: Run) -> StickerSettings:
    """What was asked of the sticker. Raises RigError."""
    return validated(StickerSettings, run.record.config.get("sticker") or {}, f"{run.path}/run.json [sticker]")


def _by_share(group: pl.DataFrame) -> list[dict]:
    """Rates of one object x model for each step of the patch's share of the frame; a step without views is left out."""
    found = []
    for low, high in zip(SHARE_STEPS[:-1], SHARE_STEPS[1:], strict=True):
        rows = group.filter((pl.col(SHARE) >= low) & (pl.col(SHARE) < high))
        parts = rows.partition_by("artefact", as_dict=True, maintain_order=True).items()
        each = {
            name: {"adversariality": rate_of(part, "fooled"), "accuracy": rate_of(part, "correct")}
            for (name,), part in parts
        }
        found += [{"low": low, "high": high, "n": rows["view"].n_unique(), "artefacts": each}] if each else []
    return found
