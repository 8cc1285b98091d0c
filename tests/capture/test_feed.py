"""Cameras of every kind through the feed, and all that cameras do wrong."""

import itertools
import time

import cv2
import numpy as np
import pytest
from mjpeg import NetworkCamera, served

from rig.capture import feed as feed_module
from rig.capture.cameras import CameraError, open_camera
from rig.capture.feed import Feed
from rig.capture.stream import HttpCamera, parts
from rig.images import encode_png


def pictures(n, size=(48, 64)):
    """Each as different from the next as day and night, also after JPEG."""
    return [np.full((*size, 3), (37 * number) % 256, np.uint8) for number in range(n)]


@pytest.fixture
def opened():
    """opened(text): a feed that reads; closed at the end."""
    feeds = []

    def start(text):
        feeds.append(Feed(open_camera(str(text)), {}))
        feeds[-1].start()
        return feeds[-1]

    yield start
    for one in feeds:
        one.close()


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(feed_module, "FROZEN_S", 0.3)
    monkeypatch.setattr(feed_module, "SILENT_S", 0.4)
    monkeypatch.setattr(feed_module, "PAUSES_S", (0.05, 0.1))
    camera = NetworkCamera(pictures(7))
    with served(camera) as url:
        yield camera, url


def until(feed, kind, seconds=8.0):
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        reading = feed.read(0.05)
        if feed.health.kind == kind and (kind != "live" or reading is not None):
            return feed.health.words
    raise AssertionError(f"still {feed.health}, not {kind}")


def test_a_folder_gives_every_picture_once_by_name(opened, tmp_path):
    for number, image in enumerate(pictures(5)):
        (tmp_path / f"{number}.png").write_bytes(encode_png(image))
    (tmp_path / "notes.txt").write_text("no picture")
    feed = opened(tmp_path)
    time.sleep(0.2)  # nobody asks for a while: nothing may get lost
    readings = list(itertools.takewhile(lambda reading: reading is not None, (feed.read(2) for _ in range(9))))
    assert [int(reading.image[0, 0, 0]) for reading in readings] == [0, 37, 74, 111, 148]
    assert feed.health.kind == "ended"


def test_a_folders_broken_picture_is_named_and_passed_over(opened, tmp_path):
    for number, image in enumerate(pictures(3)):
        (tmp_path / f"{number}.png").write_bytes(encode_png(image) if number != 1 else b"\x89PNG\r\n\x1a\nno")
    feed = opened(tmp_path)
    assert [int(feed.read(2).image[0, 0, 0]) for _ in range(2)] == [0, 74]
    assert feed.n_bad == 1
    assert "1.png: not a readable image" in feed.last_bad


def test_a_video_gives_every_frame_with_its_own_time(opened, tmp_path):
    path = str(tmp_path / "film.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for image in pictures(6):
        writer.write(image)
    writer.release()
    feed = opened(path)
    readings = [feed.read(5) for _ in range(6)]
    np.testing.assert_allclose([reading.image.mean() for reading in readings], np.arange(6) * 37, atol=2)
    elapsed_s = [(reading.time - readings[0].time).total_seconds() for reading in readings]
    np.testing.assert_allclose(elapsed_s, np.arange(6) / 10, atol=1e-3)
    assert feed.read(2) is None
    assert feed.health.kind == "ended"


def test_a_network_camera_gives_its_newest_frame(network, opened):
    camera, url = network
    feed = opened(url)
    assert feed.read(5).image.shape == (48, 64, 3)
    time.sleep(0.5)
    before = camera.number
    reading = feed.read(1)
    assert feed.read(0) is None, "a frame is given out once"
    assert before - reading.number <= 3, "frames pile up"


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("unplug", "lost", "answered HTTP 503"),
        ("freeze", "frozen", "has not changed"),
        ("stall", "silent", "no frame from the camera"),
        ("garbage", "bad", "not whole"),
        ("half", "bad", "not whole"),
    ],
)
def test_a_fault_is_told_and_the_feed_goes_on_after_it(network, opened, fault, kind, words):
    camera, url = network
    feed = opened(url)
    until(feed, "live")
    camera.fault = fault
    until(feed, kind)
    time.sleep(0.3)
    assert words in feed.health.words
    assert feed.read(0.1) is None, "no frame of a camera in this state may be taken for one"
    camera.fault = None
    until(feed, "live")


def test_another_resolution_arrives_as_what_it_is(network, opened):
    camera, url = network
    feed = opened(url)
    assert feed.read(5).image.shape == (48, 64, 3)
    camera.fault = "resize"
    deadline = time.monotonic() + 5
    while feed.read(1).image.shape != (24, 32, 3):
        assert time.monotonic() < deadline


def test_asking_never_waits_longer_than_said(network, opened):
    camera, url = network
    feed = opened(url)
    until(feed, "live")
    camera.fault = "stall"
    time.sleep(0.2)
    feed.read(0.1)
    began_s = time.monotonic()
    assert feed.read(0.2) is None
    assert time.monotonic() - began_s < 1.0


@pytest.mark.parametrize("text", ["97", "no/such/place", "http://127.0.0.1:9/x", "rtsp://127.0.0.1:9/x", "http://["])
def test_a_camera_that_does_not_exist_is_one_line(text, capfd):
    with pytest.raises(CameraError) as error:
        open_camera(text).open({})
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


def test_a_wrong_token_is_told_without_the_token(network):
    with pytest.raises(CameraError, match="HTTP 403; is the token in the URL right") as error:
        open_camera(network[1] + "x").open({})
    assert "s3cret" not in str(error.value)


def test_a_file_that_is_no_video_is_one_line(tmp_path, capfd):
    (tmp_path / "film.mp4").write_bytes(b"no film")
    with pytest.raises(CameraError, match=r"film.mp4: is no video"):
        open_camera(str(tmp_path / "film.mp4")).open({})
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("with_length", [True, False])
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_parts_of_a_stream_do_not_depend_on_how_it_is_cut(with_length, step):
    bodies = [b"first", b"with --frame inside" if with_length else b"other", b"x" * 100]
    stream = b"preamble\r\n"
    for body in bodies:
        length = b"Content-Length: %d\r\n" % len(body) if with_length else b""
        stream += b"--frame\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + body + b"\r\n"
    stream += b"--frame--\r\n"
    cut = (stream[at : at + step] for at in range(0, len(stream), step))
    assert list(parts(cut, b"--frame")) == bodies


def test_a_part_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("rig.capture.stream.MAX_PART", 1000)
    head = b"--frame\r\nContent-Length: 999999999\r\n\r\n"
    with pytest.raises(CameraError, match="does not end"):
        list(parts(itertools.chain([head], itertools.repeat(b"x" * 100)), b"frame"))


def test_what_is_no_multipart_stream_is_left_to_opencv(tmp_path, network):
    with pytest.raises(CameraError):
        HttpCamera("http://127.0.0.1:9/film.mp4", "film").open({})
