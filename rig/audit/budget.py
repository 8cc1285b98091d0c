"""Check 5: budgets measured again on the 8-bit files. Tolerance: none for texels and pixels; for a mean, its own error."""

import numpy as np
import polars as pl

from rig.attack.printable import printable_of
from rig.attack.settings import AttackSettings
from rig.audit.evidence import PIXEL, TEXTURE, Evidence
from rig.audit.finding import Verdict, met, not_applicable, unmet, unsure
from rig.errors import RigError
from rig.images import content_hash, read_image

MOST_FILES = 4000  # decoded; of more, evenly chosen ones


def within_budget(evidence: Evidence) -> Verdict:
    if evidence.job == PIXEL:
        return _pixels_changed(evidence)
    if other := other_pictures(evidence):
        return unmet(
            f"texture.png of {', '.join(other)} is not the picture whose hash artefact.json holds.", files=other
        )
    if evidence.job == TEXTURE:
        return _textures(evidence)
    return not_applicable("nothing was made in this run; budgets stand in the runs that made the artefacts")


def other_pictures(evidence: Evidence) -> list[str]:
    records = {name: one.texture_sha256 for name, one in evidence.run.artefacts.items() if one.texture_sha256}
    return [name for name, said in records.items() if content_hash(evidence.texture(name)) != said]


def _textures(evidence: Evidence) -> Verdict:
    """Linf over all texels, texels outside the mask, and Delta-E over object pixels of stored views."""
    pictures = {name: evidence.texture(name).astype(int) for name in evidence.run.artefacts}
    clean = pictures.pop("clean", None)
    made = [name for name in pictures if name.startswith("adversarial")]
    if clean is None or not made:
        return unmet("The clean texture or the attack's is not stored, so no budget can be measured.")
    linf = {name: int(np.abs(picture - clean).max()) for name, picture in pictures.items()}
    epsilon = evidence.settings.epsilon
    over = [
        f"{name} by {linf[name]}/255 of {epsilon:g} allowed"
        for name in made
        if epsilon is not None and linf[name] > epsilon
    ]
    if over:
        return unmet(f"Linf is exceeded: {', '.join(over)}.", linf_255=linf)
    if said := unprintable(evidence.settings, pictures, clean):
        return unmet(said, linf_255=linf)
    try:
        return _on_the_object(evidence, pictures, linf)
    except RigError as error:
        changed = {name: float(np.abs(picture - clean).mean()) for name, picture in pictures.items()}
        why = f"Delta-E cannot be measured here, the scene does not load: {error}"
        return unsure(why, linf_255=linf, mean_change_255=changed)


def unprintable(settings: AttackSettings, pictures: dict[str, np.ndarray], clean: np.ndarray | None = None) -> str:
    """ "" where all that is painted, controls included, lies within the gamut that the settings ask for, if any."""
    printable = printable_of(settings)
    for name, picture in pictures.items() if printable else ():
        painted = True if clean is None else (picture != clean).any(axis=2)
        if n := int((printable.gamut.outside(picture) & painted).sum()):
            return f"{n} painted texels of {name} lie outside the gamut of {printable.gamut.name}."
    return ""


def _on_the_object(evidence: Evidence, pictures: dict[str, np.ndarray], linf: dict[str, int]) -> Verdict:
    (scene,) = evidence.scenes.values()
    clean = evidence.texture("clean")
    if not np.array_equal(clean, scene.mesh.texture):
        return unmet("The stored clean texture is not the object's own, so distances from it say nothing.")
    masked = {name: int((picture != clean).any(2)[~scene.paintable].sum()) for name, picture in pictures.items()}
    if outside := [name for name, n in masked.items() if n]:
        return unmet(f"{masked[outside[0]]} texels outside the paintable area changed in {outside[0]}.", masked=masked)
    measured = {name: evidence.distances[name] for name in pictures}
    figures = {name: {"delta_e": one.mean, "se": one.se, "n_views": one.n_views} for name, one in measured.items()}
    looked_at = {"linf_255": linf, "delta_e": figures, "texels_outside_mask": 0}
    budgets = {name: evidence.budget(name) for name in pictures if name.startswith("adversarial")}
    budgets = {name: most for name, most in budgets.items() if most is not None}
    held_on = evidence.settings.validation_views
    surely = [name for name, most in budgets.items() if measured[name].is_over(most, held_on)]
    if surely:
        return unmet(f"Mean Delta-E is exceeded: {_words(surely, measured, budgets)}.", **looked_at)
    perhaps = [name for name, most in budgets.items() if measured[name].mean > most]
    if perhaps:
        why = "over the budget by no more than the sampling error of the views"
        return unsure(f"Mean Delta-E is {why}: {_words(perhaps, measured, budgets)}.", **looked_at)
    epsilon = evidence.settings.epsilon
    said = [f"mean Delta-E {_words(budgets, measured, budgets)}"] if budgets else []
    said += (
        [f"Linf at most {max(linf[name] for name in evidence.attacks)}/255 of {epsilon:g}"]
        if epsilon is not None
        else []
    )
    said += ["every painted texel is printable"] if evidence.settings.printable else []
    said = said or ["no budget is stated, and none is needed"]
    return met(f"From the 8-bit files: {'; '.join(said)}; no texel outside the paintable area.", **looked_at)


def _words(names, measured: dict, budgets: dict) -> str:
    each = [f"{name} {measured[name].mean:.2f} ± {1.96 * measured[name].se:.2f} of {budgets[name]:g}" for name in names]
    return ", ".join(each)


def _pixels_changed(evidence: Evidence) -> Verdict:
    """L0 of each saved image against its clean one."""
    own = evidence.attacked.filter(pl.col("model") == pl.col("found_on"))
    rows = own.gather_every(max(1, -(-len(own) // MOST_FILES))).to_dicts()
    over, differ = [], []
    for row in rows:
        n = _changed_pixels(evidence, row)
        over += [f"{row['artefact']} / {row['object']}: {n} of {row['pixels']}"] if n > row["pixels"] else []
        differ += [f"{row['artefact']} / {row['object']}: {n}, stored {row['l0']}"] if n != row["l0"] else []
    if over:
        return unmet(
            f"{len(over)} of {len(rows)} images have more pixels changed than allowed: {over[0]}.", over=over[:20]
        )
    if differ:
        return unmet(
            f"{len(differ)} of {len(rows)} trials state another number of pixels: {differ[0]}.", differ=differ[:20]
        )
    return met(
        f"In all {len(rows)} saved images no more pixels differ from the clean file than were allowed.",
        n_files=len(rows),
    )


def _changed_pixels(evidence: Evidence, row: dict) -> int:
    folder, name = evidence.run.path / "artefacts", f"{row['object']}.png"
    clean, changed = (read_image(folder / one / name) for one in ("clean", row["artefact"]))
    return clean.shape[0] * clean.shape[1] if clean.shape != changed.shape else int((clean != changed).any(2).sum())
