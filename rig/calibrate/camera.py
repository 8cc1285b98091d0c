"""The whole of `rig calibrate camera`: photographs in, camera profile and picture out."""

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

import rig
from rig.calibrate.board import Board
from rig.calibrate.coverage import missing, tilt_deg
from rig.calibrate.detect import Detection, detect, why_unseen
from rig.calibrate.fit import Fit, calibrate, held_out_rms_px
from rig.calibrate.picture import draw
from rig.calibrate.pose import PoseError, solve_pose
from rig.calibrate.profile import CameraProfile, Quality, ViewRecord
from rig.calibrate.sources import Photograph, read_photographs
from rig.errors import CalibrationError
from rig.images import encode_png
from rig.runs import write_atomically

MIN_MOVE_FRAC = 0.03  # of the image's width: a video's frame counts once the board has moved that far since any taken
UNSEEN_KEPT = 2  # images looked at again, to say why no board was found


def calibrate_camera(paths: list[Path], board: Board, out: Path) -> CameraProfile:
    """Writes the profile to `out` (.toml) and its picture beside it (.png)."""
    out = out if out.suffix == ".toml" else Path(f"{out}.toml")
    taken, detections = _views(paths, board)
    fit = calibrate(board, detections)
    profile = _profile(board, taken, detections, fit)
    picture = encode_png(draw(board, detections, fit, profile))
    write_atomically(out.with_suffix(".png"), lambda partial: partial.write_bytes(picture))
    write_atomically(out, lambda partial: partial.write_text(profile.to_toml(), encoding="utf-8"))
    return profile


def _views(paths: list[Path], board: Board) -> tuple[list[Photograph], list[Detection]]:
    """Photographs on which the board is seen, without their pixels, and what is seen."""
    taken: list[Photograph] = []
    detections: list[Detection] = []
    unseen, looked_at = [], 0
    for photograph in read_photographs(paths):
        looked_at += 1
        seen = detect(board, photograph.image)
        if seen is None:
            unseen = [*unseen, photograph.image][:UNSEEN_KEPT]
        elif not stands_still(seen, detections):
            taken.append(Photograph(photograph.name, np.empty(0), photograph.sha256))
            detections.append(seen)
    if not looked_at:
        raise CalibrationError("no images given", expected="image files, a folder of them, or a video")
    if not detections:
        hint = why_unseen(board, unseen)
        raise CalibrationError(
            "the board was seen in none of the images", got=f"{looked_at} images", expected=board, hint=hint
        )
    return taken, detections


def stands_still(seen: Detection, earlier: list[Detection]) -> bool:
    """Whether an earlier view shows nearly the same: it would count the same errors twice."""
    return any(_moved_px(seen, other) < MIN_MOVE_FRAC * seen.size_px[0] for other in earlier)


def _moved_px(seen: Detection, other: Detection) -> float:
    """The farthest that any corner seen in both has moved."""
    _, here, there = np.intersect1d(seen.ids, other.ids, return_indices=True)
    if not len(here):
        return np.inf
    return float(np.linalg.norm(seen.corners_px[here] - other.corners_px[there], axis=1).max())


def _profile(board: Board, taken: list[Photograph], detections: list[Detection], fit: Fit) -> CameraProfile:
    used = [detections[view] for view in fit.views]
    quality = Quality(
        rms_px=fit.rms_px,
        held_out_rms_px=held_out_rms_px(board, detections, fit.views),
        views=len(used),
        dropped_views=len(detections) - len(used),
        corners=sum(len(seen.ids) for seen in used),
        missing=tuple(missing(used, list(fit.camera_from_board))),
    )
    width_px, height_px = detections[0].size_px
    return CameraProfile(
        schema=1,
        date=datetime.now(UTC).replace(microsecond=0),
        rig=rig.__version__,
        opencv=cv2.__version__,
        width_px=width_px,
        height_px=height_px,
        lens=fit.lens,
        standard_deviation=fit.standard_deviation,
        quality=quality,
        board=board,
        views=tuple(
            _record(board, *pair, number, fit) for number, pair in enumerate(zip(taken, detections, strict=True))
        ),
    )


def _record(board: Board, photograph: Photograph, seen: Detection, number: int, fit: Fit) -> ViewRecord:
    """A view that was dropped gets the error it has with the camera found without it."""
    if number in fit.views:
        at = fit.views.index(number)
        rms_px, camera_from_board = fit.view_rms_px[at], fit.camera_from_board[at]
    else:
        try:
            pose = solve_pose(seen.points_m(board), seen.corners_px, fit.lens)[0]
        except PoseError:
            rms_px, camera_from_board = -1.0, None
        else:
            rms_px, camera_from_board = pose.rms_px, pose.camera_from_board
    return ViewRecord(
        name=photograph.name,
        sha256=photograph.sha256,
        corners=len(seen.ids),
        rms_px=rms_px,
        tilt_deg=0.0 if camera_from_board is None else tilt_deg(camera_from_board),
        used=number in fit.views,
    )
