"""Check 24: what a camera saw against the same views rendered, paired, uncropped condition present."""

import polars as pl

from rig.audit.evidence import SESSION, Evidence
from rig.audit.finding import Verdict, met, not_applicable, unmet, unsure

UNCROPPED = "full"


def sim_against_real(evidence: Evidence) -> Verdict:
    if evidence.job != SESSION:
        return not_applicable("nothing was captured: every frame of this run is simulated")
    rows = evidence.trials
    crops = sorted(set(rows["crop"]))
    if UNCROPPED not in crops:
        return unmet(
            f"Frames were judged cropped only ({', '.join(crops)}): scale and angle effects are hidden.", crops=crops
        )
    if rows.filter(pl.col("source") == "render").is_empty():
        return unsure("no twins were rendered: rig sweep SESSION --twins", crops=crops)
    if evidence.metrics is None:
        return unsure("no metrics.json: write it with rig report", crops=crops)
    gaps = evidence.metrics.get("gaps", [])
    if not gaps:
        return unmet("No gap between captured and rendered frames is stated.", crops=crops)
    for gap in gaps:
        if problem := _gap_problem(rows, gap):
            return unmet(f"{gap['artefact']}, crop {gap['crop']}: {problem}.", gap=gap)
    worn = [gap for gap in gaps if gap["crop"] == UNCROPPED]
    each = "; ".join(f"{gap['artefact']} {_points(gap['fooled'])} over {gap['fooled']['n']} views" for gap in worn)
    others = ", ".join(name for name in crops if name != UNCROPPED) or "no crop"
    said = f"Uncropped beside {others}; fooled, captured minus rendered: {each}."
    return met(said, crops=crops, n_gaps=len(gaps))


def _points(figure: dict) -> str:
    return f"{100 * figure['difference']:+.1f} points [{100 * figure['low']:+.1f}, {100 * figure['high']:+.1f}]"


def _gap_problem(rows: pl.DataFrame, gap: dict) -> str:
    """The paired counts again from the rows; the interval must be there."""
    mine = rows.filter(*(pl.col(name) == gap[name] for name in ("object", "model", "crop", "artefact")))
    taken, drawn = (mine.filter(pl.col("source") == source) for source in ("capture", "render"))
    both = taken.join(drawn.select("view", rendered="fooled"), on="view", how="inner")
    again = (len(both), int(both["fooled"].sum()), int(both["rendered"].sum()))
    stated = tuple(gap["fooled"][name] for name in ("n", "k_first", "k_second"))
    if stated != again:
        said = f"{stated[1]} captured and {stated[2]} rendered of {stated[0]} stated"
        return f"{said}, {again[1]} and {again[2]} of {again[0]} recounted"
    return "" if gap["fooled"]["low"] is not None else "the difference has no paired interval"
