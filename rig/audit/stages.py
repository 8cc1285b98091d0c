"""Check 19: what between texture and logits has no slope, and how the gradient passes it."""

from rig.audit.evidence import PIXEL, Evidence
from rig.audit.finding import Verdict, met, not_applicable, unmet
from rig.contracts import POSE_DIMENSIONS
from rig.render.sensor import STRAIGHT_THROUGH

EXACT = "exact slope"
DRAWN = "EOT: drawn anew for every view"
IDENTITY = "BPDA: identity backwards"
TREATMENTS = {  # of every dimension that a scene can let vary, by the start of its name
    **dict.fromkeys(POSE_DIMENSIONS, DRAWN),
    **dict.fromkeys(("light_", "background_", "noise_std"), DRAWN),
    **dict.fromkeys(("sensor_", "blur_px", "resolution_frac", "print_"), f"{DRAWN}; {EXACT}"),
    "jpeg_quality": f"{DRAWN}; {IDENTITY}",
}


def listed(evidence: Evidence) -> Verdict:
    """Every stage that this run's frames passed, by name, with its treatment."""
    if evidence.unchanged:
        return not_applicable("no gradient was used in this run")
    if evidence.job == PIXEL:
        return not_applicable("pixels are set in the 8-bit image that the model is given; no stage lies between")
    ranges = evidence.run.record.threat_model.distribution.dimensions
    varied = [name for name, pair in ranges.items() if isinstance(pair, list) and pair[0] < pair[1]]
    stages = {name: _treatment(name) for name in varied}
    unknown = [name for name, treatment in stages.items() if treatment is None]
    stages |= _always(evidence, "jpeg_quality" in ranges)
    if unknown:
        return unmet(f"No treatment is known for: {', '.join(unknown)}.", stages=stages)
    hard = [f"{name} ({treatment})" for name, treatment in stages.items() if IDENTITY in treatment]
    said = f"{len(stages)} stages listed; without a slope: {', '.join(hard)}"
    return met(f"{said}; visibility is fixed by the view and does not depend on the texture.", stages=stages)


def _treatment(dimension: str) -> str | None:
    return next((how for name, how in TREATMENTS.items() if dimension.startswith(name)), None)


def _always(evidence: Evidence, has_jpeg: bool) -> dict[str, str]:
    """What every frame passes, whatever the scene lets vary."""
    through = {name: IDENTITY for name in STRAIGHT_THROUGH if has_jpeg or name != "JPEG"}
    return through | {
        "8-bit texture": "the attack moves floats; only 8-bit files are validated and scored",
        "rasterisation": "depends on the view alone",
        "resizing to the model's input": EXACT,
        "the model": f"gradient by: {evidence.road or 'unknown'}",
    }
