"""Patches that ought not to work, of the same size at the same place: noise, one view's own, a picture of the target."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import cv2
import numpy as np

from rig.attack.controls import SINGLE_VIEW_STEPS, random_phases
from rig.attack.patch import PatchAttack, Worn
from rig.attack.poses import FixedViews
from rig.attack.settings import AttackSettings
from rig.attack.texture import State
from rig.images import read_image
from rig.render import PreparedView
from rig.runs import Progress, RunFolder

N_IMAGENET = 1000


def random_patch(patch: np.ndarray, seed: int) -> np.ndarray:
    """Each channel's own values, put where noise of the patch's spatial spectrum has that rank: as strong, without meaning.

    Amplitude-adjusted surrogates (Theiler et al., Physica D 58, 1992). Noise alone lies nearer to the clean object than a
    patch whose colours are at the ends of their range.
    """
    noise = random_phases(patch - patch.mean(axis=(0, 1)), np.random.default_rng(seed)).reshape(-1, 3)
    ranks = noise.argsort(axis=0).argsort(axis=0)
    return np.take_along_axis(np.sort(patch.reshape(-1, 3), axis=0), ranks, axis=0).reshape(patch.shape)


def single_view_patch(
    worn: list[Worn],
    views: list[PreparedView],
    settings: AttackSettings,
    start: np.ndarray,
    run: RunFolder,
    progress: Progress,
) -> State:
    """The same attack without expectation over transformation: one view of each object, seen by every network."""
    alone = [
        dataclasses.replace(
            one,
            stage=dataclasses.replace(one.stage, validation=[view]),
            poses=FixedViews([view] * len(one.stage.models)),
        )
        for one, view in zip(worn, views, strict=True)
    ]
    fewer = settings.model_copy(update={"steps": min(settings.steps, SINGLE_VIEW_STEPS), "views_per_step": 1})
    return PatchAttack(alone, fewer, "control_single_view", start).run(run, progress)


def picture_patch(path: Path, patch_px: tuple[int, int]) -> np.ndarray:
    """The middle of a picture, cut to the patch's proportions and brought to its size (height, width)."""
    image = read_image(path)
    height, width = image.shape[:2]
    scale = min(height / patch_px[0], width / patch_px[1])
    cut_h, cut_w = (max(1, round(scale * side)) for side in patch_px)
    top, left = (height - cut_h) // 2, (width - cut_w) // 2
    cut = image[top : top + cut_h, left : left + cut_w]
    way = cv2.INTER_AREA if scale >= 1 else cv2.INTER_CUBIC
    return cv2.resize(cut, patch_px[::-1], interpolation=way)


def sample_picture(target: int | None, n_classes: int) -> Path | None:
    """foolbox's own sample image of an ImageNet class, where the package is installed and has one."""
    spec = importlib.util.find_spec("foolbox") if target is not None and n_classes == N_IMAGENET else None
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    named = {int(found[1]): file for file in sorted(folder.glob("imagenet_*")) if (found := _LABEL.search(file.name))}
    return named.get(target)


_LABEL = re.compile(r"imagenet_\d+_(\d+)\.")
