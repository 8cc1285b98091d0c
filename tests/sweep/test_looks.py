"""Frames that EOT pixels are judged by: the same that carriers give, view by view, condition by condition."""

import numpy as np
import pytest

from rig.attack.pixel.change import PixelChange
from rig.render import Renderer
from rig.scene import load_scene
from rig.sweep.carriers import sensor_fixed, surface_fixed
from rig.sweep.looks import REACH_DEG, draw_looks, sensor_looks, surface_looks
from rig.sweep.neighbours import angle_between_deg
from rig.views import draw_views

CHANGE = PixelChange(np.array([[24, 20, 255, 0, 255], [30, 30, 0, 255, 0]]))


@pytest.fixture(scope="module")
def renderer():
    return Renderer(load_scene("baseball", texture_px=128), (48, 48))


@pytest.fixture(scope="module")
def drawn(renderer):
    return draw_looks(draw_views(renderer.scene.config, 1, 0, "eval")[0], seed=0, n=6)


def test_the_first_look_is_the_frame_itself_and_the_others_lie_within_reach(renderer, drawn):
    view = draw_views(renderer.scene.config, 1, 0, "eval")[0]
    assert drawn[0][0] == view and drawn[0][1].name == "none"
    angles = [angle_between_deg(view, beside) for beside, _ in drawn[1:]]
    assert min(angles) > 0 and max(angles) <= REACH_DEG and len(set(angles)) == 5
    assert sum(condition.name != "none" for _, condition in drawn) == 3
    assert draw_looks(view, seed=0, n=6) == drawn != draw_looks(view, seed=1, n=6)


@pytest.mark.parametrize("reading", ["sensor", "surface"])
def test_looks_are_the_carriers_frames_in_their_conditions(renderer, drawn, reading):
    prepared = [renderer.prepare(view) for view, _ in drawn]
    clean = np.stack([frame.image for frame in renderer.frames(renderer.scene.mesh.texture, prepared)])
    if reading == "sensor":
        looks, carrier = sensor_looks(renderer, drawn), sensor_fixed(CHANGE, "a")
    else:
        looks = surface_looks(renderer, prepared[0], drawn, dot_px=2)
        carrier = surface_fixed(CHANGE, "a", renderer, prepared[0], dot_px=2)
    frames = carrier.frames(prepared, clean)
    found = looks.frames(CHANGE.pixels, slice(0, 6))
    assert (looks.frames(CHANGE.pixels, slice(2, 4)) == found[2:4]).all()
    assert looks.n == len(found) == 6
    for i, (view, condition) in enumerate(drawn):
        assert (found[i] == condition.applied(frames[i : i + 1], view.seed)[0]).all()
    assert (found[0] != clean[0]).any()
