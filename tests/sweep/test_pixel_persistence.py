"""Carried pixels judged by a planted network that sees magenta, so that every outcome is known in advance."""

import numpy as np
import polars as pl
import pytest

from rig.attack.goal import Goal
from rig.attack.pixel.change import PixelChange
from rig.render import Renderer
from rig.scene import load_scene
from rig.sweep.carriers import SENSOR_FIXED, SURFACE_FIXED, footprints_of, paint, sensor_fixed, surface_fixed
from rig.sweep.conditions import Condition
from rig.sweep.pixel_persistence import ANGLE, Item, angle_rows, condition_rows, image_rows
from rig.views import draw_views

SIDE_PX, DISTANCE = 64, 2.5
MAGENTA = (255, 0, 255)
HORIZON_DEG = np.degrees(np.arccos(1 / DISTANCE))  # a ball's point is seen up to this angle from right above it


class SeesMagenta:
    """Class 1 where a pixel is magenta, else class 2 in a bright frame, else class 0."""

    labels = ["ball", "magenta", "glare"]

    def predict(self, images):
        red, green, blue = np.moveaxis(images.astype(int), -1, 0)
        magenta = ((red - green > 60) & (blue - green > 60)).any(axis=(1, 2))
        bright = images.mean(axis=(1, 2, 3)) > 200
        return np.stack([np.full(len(images), 1.0), 3.0 * magenta, 2.0 * bright], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def renderer():
    level = [f"views.{name}=0" for name in ("azimuth_deg", "elevation_deg", "roll_deg", "offset_frac")]
    settings = (*level, f"views.distance_m={DISTANCE}", "views.fov_deg=50", "background.color=0.3")
    return Renderer(load_scene("baseball", settings, texture_px=512), (SIDE_PX, SIDE_PX))


@pytest.fixture(scope="module")
def view(renderer):
    return draw_views(renderer.scene.config, 1, 0, "eval")[0]


def pixel(row, column, color=MAGENTA):
    return PixelChange(np.array([[row, column, *color]]))


def item_of(view, *carriers, goal=Goal((0,), None)):  # noqa: B008
    return Item("one", view, goal, carriers)


MIDDLE = pixel(SIDE_PX // 2, SIDE_PX // 2)


def test_a_sensor_fixed_pixel_is_everywhere_and_a_printed_dot_goes_over_the_horizon(renderer, view):
    printed = surface_fixed(MIDDLE, "a", renderer, renderer.prepare(view), dot_px=6)
    item = item_of(view, sensor_fixed(MIDDLE, "a"), printed)
    angles = (0.0, 30.0, 55.0, HORIZON_DEG + 8, 120.0)
    rows = pl.DataFrame(angle_rows(item, renderer, SeesMagenta(), 0, angles, bearings=3))
    assert len(rows) == 2 * (1 + 4 * 3) and set(rows["condition"]) == {ANGLE}
    assert rows["clean_correct"].all() and (rows["clean_predicted"] == "ball").all()
    assert rows.filter(pl.col("reading") == SENSOR_FIXED)["fooled"].all()
    surface = rows.filter(pl.col("reading") == SURFACE_FIXED)
    assert surface["fooled"].to_list() == (surface["value"] < HORIZON_DEG).to_list()
    assert rows["view"].n_unique() == 13


def test_a_dot_is_printed_for_the_light_it_is_found_in():
    dim = load_scene("baseball", ("light.ambient=0.5", "light.directional=0"), texture_px=64)
    lit = Renderer(dim, (SIDE_PX, SIDE_PX))
    (view,) = draw_views(dim.config, 1, 0, "eval")
    texture, dots = paint(pixel(32, 32, (100, 50, 25)).pixels, lit, lit.prepare(view), footprints_of(lit, view), 3)
    row, column = dots[0].texels[0]
    linear = ((np.array([100, 50, 25]) / 255 + 0.055) / 1.055) ** 2.4 / 0.5
    np.testing.assert_allclose(texture[row, column], 255 * (1.055 * linear ** (1 / 2.4) - 0.055), atol=1)


def test_pixels_beside_the_object_print_nothing(renderer, view):
    prepared = renderer.prepare(view)
    assert surface_fixed(pixel(1, 1), "a", renderer, prepared) is None
    both = PixelChange(np.array([[1, 1, *MAGENTA], [32, 32, *MAGENTA]]))
    carrier = surface_fixed(both, "a", renderer, prepared)
    assert len(carrier.dots) == 1 and carrier.n_pixels == 2


def test_what_a_condition_ends_and_what_it_ends_for_the_clean_twin_too(renderer, view):
    item = item_of(view, sensor_fixed(MIDDLE, "a"))
    tried = (("none", 0.0), ("blur_px", 3.0), ("shift_down_px", 1.0), ("exposure_stops", 3.0), ("noise_std", 0.005))
    rows = condition_rows(item, renderer, SeesMagenta(), tuple(Condition(*one) for one in tried))
    found = {row["condition"]: (row["fooled"], row["clean_correct"]) for row in rows}
    expected = {
        "none": (True, True),
        "blur_px": (False, True),
        "shift_down_px": (True, True),
        "exposure_stops": (True, False),  # glare: the clean twin is lost as well
        "noise_std": (True, True),
    }
    assert found == expected
    assert next(row for row in rows if row["condition"] == "blur_px")["correct"]


def test_a_targeted_goal_is_reached_by_its_target_only(view):
    clean = np.full((32, 32, 3), 90, np.uint8)
    for target, fooled in ((1, True), (2, False)):
        item = item_of(view, sensor_fixed(pixel(3, 4), "a"), goal=Goal((0,), target))
        (row,) = image_rows(item, clean, [pixel(3, 4).applied(clean)], SeesMagenta(), (Condition("none", 0),))
        assert (row["fooled"], row["correct"], row["predicted"]) == (fooled, False, "magenta")
