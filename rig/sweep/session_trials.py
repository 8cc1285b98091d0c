"""One trial of a session: a frame that a camera took, or its rendered twin, cropped one way, judged by one model."""

import numpy as np
import pyarrow as pa

from rig.capture import Captured, Row
from rig.contracts import POSE_DIMENSIONS, TRIAL_COLUMNS
from rig.geometry import direction
from rig.sweep.trials import ARROW_TYPES

# beside TRIAL_COLUMNS, whose `view` is session and frame; a render's clean twin is the same view, a frame's is `twin`
STRINGS = ("pass", "crop", "twin")
MEASURED = ("blur_px", "mean_frac", "over_frac", "under_frac")  # of the frame taken; null for renders
NUMBERS = ("frame", "time_s", "rms_px", "twin_deg", *MEASURED)
COLUMNS = TRIAL_COLUMNS | dict.fromkeys(STRINGS, "string") | dict.fromkeys(NUMBERS, "float64")
SCHEMA = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in COLUMNS.items()])

TWIN_DEG = 10.0  # a clean frame from farther off is no twin
TWIN_DISTANCE_FRAC = 0.15


def session_columns(captured: Captured, row: Row, twins: dict[int, tuple[str, float]], crop: str) -> dict:
    """What a trial says of its frame, beyond what every trial says."""
    twin, twin_deg = twins.get(row.frame, ("", None))
    first = captured.rows[0].time
    numbers = {
        "frame": float(row.frame),
        "time_s": (row.time - first).total_seconds(),
        "rms_px": row.pose and row.pose.rms_px,
        "twin_deg": twin_deg,
    }
    return {"pass": row.pass_, "crop": crop, "twin": twin, **numbers}


def pose_values(captured: Captured, row: Row) -> dict[str, float | None]:
    values = captured.values(row)
    return {name: values[name] for name in POSE_DIMENSIONS}


def clean_twins(captured: Captured) -> dict[int, tuple[str, float]]:
    """By frame number: the clean frame nearest in direction, and how many degrees off. A clean frame is its own.

    Frames without a pose have none, nor have those with no clean frame within TWIN_DEG and TWIN_DISTANCE_FRAC.
    """
    posed = [row for row in captured.rows if row.pose is not None]
    clean = [row for row in posed if row.artefact == "clean"]
    found = {row.frame: (captured.view_id(row), 0.0) for row in clean}
    if clean:
        directions, distances = _places(clean)
        for row in posed:
            if row.artefact != "clean":
                found |= _nearest(captured, row, clean, directions, distances)
    return found


def _nearest(captured: Captured, row: Row, clean: list[Row], directions, distances) -> dict[int, tuple[str, float]]:
    (towards,), (distance_m,) = _places([row])
    angles_deg = np.degrees(np.arccos(np.clip(directions @ towards, -1, 1)))
    near = np.abs(distances / distance_m - 1) <= TWIN_DISTANCE_FRAC
    best = int(np.argmin(np.where(near, angles_deg, np.inf)))
    if not near[best] or angles_deg[best] > TWIN_DEG:
        return {}
    return {row.frame: (captured.view_id(clean[best]), float(angles_deg[best]))}


def _places(rows: list[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Directions (N, 3) and distances (N,) of the camera from the object."""
    angles = np.array([[row.pose.azimuth_deg, row.pose.elevation_deg] for row in rows])
    return direction(angles[:, 0], angles[:, 1]), np.array([row.pose.distance_m for row in rows])
