import cv2
import numpy as np

from rig.images import video_frames


def test_frames_of_a_video_are_rgb_and_evenly_spaced(tmp_path):
    path = tmp_path / "v.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(12):
        video.write(np.full((48, 64, 3), (20 * number, 0, 200), np.uint8))  # red stays, blue grows
    video.release()
    found = list(video_frames(path, 4))
    assert [number for number, _ in found] == [0, 3, 6, 9]
    for number, image in found:
        np.testing.assert_allclose(image.mean((0, 1)), (200, 0, 20 * number), atol=8)


def test_what_is_no_video_has_no_frames(tmp_path):
    (tmp_path / "v.mp4").write_text("hello")
    assert list(video_frames(tmp_path / "v.mp4", 4)) == []
