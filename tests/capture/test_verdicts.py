"""Live predictions: what is shown to a model, and what its answer counts as."""

import time
from datetime import UTC, datetime

import numpy as np
import pytest

from rig.calibrate.lens import Lens
from rig.calibrate.pose import BoardPose
from rig.capture.crops import MARGIN
from rig.capture.feed import Reading
from rig.capture.quality import Exposure
from rig.capture.sight import Sight
from rig.capture.verdicts import Judge, Watch, object_crop
from rig.errors import RigError
from rig.geometry import apply, invert, orbit_camera
from rig.model import Labels

LENS = Lens(fx_px=600, fy_px=600, cx_px=319.5, cy_px=239.5)


def sight_of(image, camera_from_board=None):
    pose = None if camera_from_board is None else BoardPose(camera_from_board, 0.1, 70)
    reading = Reading(1, datetime.now(UTC), image)
    return Sight(reading, None, pose, None, "", True, Exposure(0.5, 0, 0), None, 0.0)


class BrightnessModel:
    """A network in one line: dark is class 0, middling class 1, bright class 2."""

    labels = Labels(["night", "dusk", "day"])

    class card:
        name = "brightness"

    def predict(self, images):
        level = images.mean(axis=(1, 2, 3))[:, None] / 255
        return -50 * (level - np.array([0.0, 0.5, 1.0])) ** 2


def test_the_crop_holds_the_whole_bounding_sphere_and_little_more():
    camera_from_object = invert(orbit_camera(40, 30, 0, 0.5))
    image = np.zeros((480, 640, 3), np.uint8)
    directions = np.random.default_rng(0).normal(size=(4000, 3))
    ball_m = 0.07 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    pixels = np.rint(LENS.project(ball_m, camera_from_object)).astype(int)
    image[pixels[:, 1], pixels[:, 0]] = 255
    crop, words = object_crop(sight_of(image, camera_from_object), np.eye(4), 0.07, LENS)
    assert words == "square about the object"
    assert crop.sum() == image.sum(), "part of the object is cut off"
    assert abs(crop.shape[0] - crop.shape[1]) <= 1
    width_px = np.ptp(pixels[:, 0])
    assert crop.shape[1] == pytest.approx(MARGIN * width_px, abs=2)


def test_without_pose_or_scene_the_whole_picture_is_shown():
    image = np.zeros((48, 64, 3), np.uint8)
    for sight, radius_m in ((sight_of(image), 0.07), (sight_of(image, invert(orbit_camera(0, 0, 0, 1))), None)):
        assert object_crop(sight, np.eye(4), radius_m, LENS) == (image, "whole picture")


def test_an_object_outside_the_picture_is_not_cropped():
    image = np.zeros((48, 64, 3), np.uint8)
    aside = np.eye(4)
    aside[:3, 3] = (5, 0, 1)
    assert apply(aside, np.zeros(3))[0] == 5
    assert object_crop(sight_of(image, aside), np.eye(4), 0.07, LENS)[1] == "whole picture"


@pytest.mark.parametrize(
    ("true", "target", "level", "outcome", "fooled"),
    [
        (("night",), None, 0, "correct", False),
        (("night",), None, 255, "other_wrong", True),
        (("night",), "day", 255, "target", True),
        (("night",), "day", 128, "other_wrong", False),
        ((), None, 128, "", False),
        ((), "day", 255, "target", True),
    ],
)
def test_outcomes(true, target, level, outcome, fooled):
    judge = Judge(BrightnessModel(), true, target)
    found = judge.predict(np.full((4, 4, 3), level, np.uint8), "whole picture")
    assert (found.outcome, judge.is_fooled(found.outcome)) == (outcome, fooled)
    assert found.label == ("night", "dusk", "day")[round(level / 127.5)]


def test_a_target_that_is_true_is_refused():
    with pytest.raises(RigError, match="true label"):
        Judge(BrightnessModel(), ("night",), "night")


def test_every_taken_frame_is_judged_and_the_newest_is_shown():
    judge = Judge(BrightnessModel(), ("night",), None)
    watch = Watch([judge], lambda sight: (sight.reading.image, "whole picture"))
    watch.start()
    for frame in range(20):
        watch.taken(frame, sight_of(np.full((4, 4, 3), 255 * (frame % 2), np.uint8)))
    watch.show(sight_of(np.full((4, 4, 3), 128, np.uint8)))
    deadline = time.monotonic() + 20
    while not (len(watch.judged) == 20 and watch.latest[0].label == "dusk"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    watch.close()
    assert watch.judged == {frame: bool(frame % 2) for frame in range(20)}
