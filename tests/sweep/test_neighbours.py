"""Neighbouring views against SciPy's rotation angles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from rig.contracts import View
from rig.geometry import orbit_camera
from rig.sweep.neighbours import angle_between_deg, neighbour, ring, turned

ANGLES = {
    "azimuth_deg": st.floats(-180, 180),
    "elevation_deg": st.floats(-89.9, 89.9),
    "roll_deg": st.floats(-180, 180),
}


def axes(azimuth_deg, elevation_deg, roll_deg):
    return orbit_camera(azimuth_deg, elevation_deg, roll_deg, 1.0)[:3, :3]


@given(st.fixed_dictionaries(ANGLES), st.floats(0, 170), st.floats(-360, 360))
def test_the_camera_turns_by_the_angle_and_no_further(start, angle_deg, bearing_deg):
    before, after = axes(**start), axes(*turned(**start, angle_deg=angle_deg, bearing_deg=bearing_deg))
    assert np.degrees(Rotation.from_matrix(after @ before.T).magnitude()) == pytest.approx(angle_deg, abs=1e-4)
    towards = -after[:, 2] + before[:, 2] * np.cos(np.radians(angle_deg))  # the part across the old axis
    in_image = before.T @ towards
    expected = np.sin(np.radians(angle_deg)) * np.array(
        [np.cos(np.radians(bearing_deg)), -np.sin(np.radians(bearing_deg))]
    )
    np.testing.assert_allclose(in_image, [*expected, 0], atol=1e-6)


def test_right_on_the_equator_is_azimuth_and_up_is_elevation():
    np.testing.assert_allclose(turned(10, 0, 0, 5, 0), (15, 0, 0), atol=1e-9)
    np.testing.assert_allclose(turned(10, 20, 0, 5, 90), (10, 25, 0), atol=1e-9)
    np.testing.assert_allclose(turned(10, 85, 0, 10, 90), (-170, 85, 180), atol=1e-9)  # over the pole, upside down


def test_only_where_the_camera_stands_changes():
    values = {"azimuth_deg": 30.0, "elevation_deg": 40.0, "roll_deg": 5.0, "distance_m": 2.5, "noise_std": 0.1}
    view = View("eval-000001", "eval", values, 7)
    moved = neighbour(view, 3.0, 45.0)
    assert angle_between_deg(view, moved) == pytest.approx(3.0)
    assert (moved.seed, moved.split) == (7, "eval") and moved.id != view.id
    assert {name for name in values if moved.values[name] != values[name]} == {
        "azimuth_deg",
        "elevation_deg",
        "roll_deg",
    }
    assert ring(view, 0, np.array([0, 90])) == [view]
    around = ring(view, 20.0, np.arange(0, 360, 90))
    assert len({one.id for one in around}) == 4
    assert [angle_between_deg(view, one) for one in around] == pytest.approx([20] * 4)
    assert angle_between_deg(around[0], around[2]) == pytest.approx(40)
