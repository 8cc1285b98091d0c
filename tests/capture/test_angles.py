"""Angles of a camera against the function that places one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.capture.angles import angles_of, field_of_view_deg
from rig.geometry import apply, intrinsics_from_fov, invert, orbit_camera, project


@given(st.floats(-179.9, 179.9), st.floats(-89.9, 89.9), st.floats(-179.9, 179.9), st.floats(0.05, 50))
def test_angles_are_those_that_orbit_camera_was_given(azimuth_deg, elevation_deg, roll_deg, distance_m):
    found = angles_of(orbit_camera(azimuth_deg, elevation_deg, roll_deg, distance_m))
    assert found.distance_m == pytest.approx(distance_m)
    assert found.elevation_deg == pytest.approx(elevation_deg, abs=1e-6)
    assert found.azimuth_deg == pytest.approx(azimuth_deg, abs=1e-4)
    assert found.roll_deg == pytest.approx(roll_deg, abs=1e-4)


def test_an_object_beside_the_centre_is_seen_from_where_the_camera_is():
    """A camera turned about its own place sees the same side of the object."""
    straight = orbit_camera(30, 20, 10, 2.0)
    turned = straight.copy()
    angle = np.radians(12)
    turned[:3, :3] = straight[:3, :3] @ [
        [np.cos(angle), 0, np.sin(angle)],
        [0, 1, 0],
        [-np.sin(angle), 0, np.cos(angle)],
    ]
    found = angles_of(turned)
    assert (found.azimuth_deg, found.elevation_deg, found.distance_m) == pytest.approx((30, 20, 2.0))
    assert found.roll_deg == pytest.approx(10, abs=1e-6), "that turn is the smallest there is"


def test_the_field_of_view_is_vertical():
    camera = intrinsics_from_fov(640, 480, 50)
    assert field_of_view_deg(camera) == pytest.approx(50)
    upper_edge = project(camera, apply(invert(orbit_camera(0, 0, 0, 1)), np.array([0, 0, np.tan(np.radians(25))])))
    assert upper_edge[1] == pytest.approx(-0.5)
