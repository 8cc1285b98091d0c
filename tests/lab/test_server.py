"""The lab over real HTTP: a uvicorn server on a free port, read by OpenCV and httpx."""

import itertools
import json
import signal
import subprocess
import sys
import time

import cv2
import httpx
import numpy as np
import pytest

from rig.calibrate.detect import detect
from rig.calibrate.lens import Lens
from rig.errors import RigError
from rig.images import decode_jpeg
from rig.lab import Desk
from rig.lab.feed import HISTORY, Feed
from rig.lab.server import listening, require_token, served
from rig.lab.settings import LENS, LabCamera

TOKEN = "a-token_of-the-tests"


class Client:
    """What a program on the same machine does with the lab."""

    def __init__(self, address: str, desk):
        self.address, self.desk, self.http = address, desk, httpx.Client(base_url=address, timeout=20)

    def get(self, route: str, **query) -> httpx.Response:
        return self.http.get(route, params={"token": TOKEN} | query)

    def control(self, **control) -> httpx.Response:
        return self.http.post("/control", params={"token": TOKEN}, json=control)

    def stream(self) -> str:
        return f"{self.address}/stream.mjpg?token={TOKEN}"


@pytest.fixture(scope="module")
def module_client(turtle, board):
    half = LENS.model_copy(update={name: getattr(LENS, name) / 2 for name in ("fx_px", "fy_px", "cx_px", "cy_px")})
    desk = Desk(turtle, board, LabCamera(width_px=320, height_px=240, lens=half, fps=30, noise_std=0.004))
    with served(Feed(desk), TOKEN) as address:
        yield Client(address, desk)


@pytest.fixture
def client(module_client):
    yield module_client
    module_client.control(fault="none", show="object", turn_deg_per_s=0)


@pytest.mark.parametrize("route", ["/stream.mjpg", "/frame.jpg", "/truth", "/control", "/", "/docs", "/openapi.json"])
def test_nothing_is_answered_without_the_token(client, route):
    method = "POST" if route == "/control" else "GET"
    for query in ({}, {"token": ""}, {"token": TOKEN[:-1]}, {"token": f"{TOKEN}x"}, {"tokens": TOKEN}):
        answer = client.http.request(method, route, params=query, json={"fault": "unplug"})
        assert (answer.status_code, answer.text) == (403, "wrong or missing token\n")
    assert client.get("/truth").json()["faults"] == []


def test_opencv_reads_the_stream_and_every_frame_differs(client):
    video = cv2.VideoCapture(client.stream())
    frames = [video.read() for _ in range(4)]
    video.release()
    assert all(whole and frame.shape == (240, 320, 3) for whole, frame in frames)
    assert all((one != two).any() for (_, one), (_, two) in itertools.pairwise(frames))


def test_each_part_of_the_stream_is_a_jpeg_whose_truth_is_known_by_its_number(client):
    """Taken while the plate turns: a truth of another frame would not fit."""
    client.control(show="object", turn_to_deg=0.0, turn_deg_per_s=700.0, distance_m=0.35, elevation_deg=60.0)
    time.sleep(0.6)
    client.control(turn_deg_per_s=15.0)
    head, jpegs = client.http.stream("GET", "/stream.mjpg", params={"token": TOKEN}), []
    with head as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
        jpegs = list(itertools.islice(parts(answer.iter_bytes()), 4))
    numbers = [int(lines["x-frame-number"]) for lines, _ in jpegs]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    azimuths_deg, n_seen = [], 0
    for lines, jpeg in jpegs:
        truth = client.get("/truth", frame=lines["x-frame-number"]).json()
        assert truth["frame"] == int(lines["x-frame-number"]) and truth["moving"]
        assert truth["time_s"] == pytest.approx(float(lines["x-time"]), abs=1e-6)
        azimuths_deg.append(truth["azimuth_deg"])
        n_seen += fits(client.desk, decode_jpeg(jpeg), truth)
    assert len(set(azimuths_deg)) == 4
    assert n_seen >= 2


def fits(desk, image, truth) -> bool:
    """Whether the board is seen at all; where it is, it must be where the truth says."""
    seen = detect(desk.board, image)
    if seen is None:
        return False
    projected = desk.camera.lens.project(seen.points_m(desk.board), np.array(truth["camera_from_board"]))
    assert np.median(np.linalg.norm(seen.corners_px - projected, axis=1)) < 0.4
    return True


def parts(chunks):
    """(headers, content) of a multipart stream."""
    held = b""
    for chunk in chunks:
        held += chunk
        while b"\r\n\r\n" in held:
            head, _, rest = held.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ") for line in lines)}
            length = int(headers["content-length"])
            if len(rest) < length + 2:
                break
            assert first == "--frame"
            held = rest[length + 2 :]
            yield headers, rest[:length]


def test_the_single_frame_is_the_one_its_number_says(client):
    client.control(show="board", board_pose={"tilt_deg": 25.0, "towards_deg": 45.0, "distance_m": 0.4})
    answer = client.get("/frame.jpg")
    truth = client.get("/truth", frame=answer.headers["x-frame-number"]).json()
    assert answer.headers["content-type"] == "image/jpeg"
    assert truth["show"] == "board" and truth["object"] is None
    assert fits(client.desk, decode_jpeg(answer.content), truth)


def test_a_command_to_turn_ends_at_its_azimuth(client):
    client.control(turn_to_deg=-35.0, turn_deg_per_s=700.0)
    until_s = time.monotonic() + 20
    while client.get("/truth").json()["moving"] and time.monotonic() < until_s:
        time.sleep(0.05)
    assert client.get("/truth").json()["azimuth_deg"] == pytest.approx(-35)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"turn_to_deg": "north"}', "control turn_to_deg: input should be a valid number; got 'north'\n"),
        (
            b'{"light": {"ambient": -1}}',
            "control [light] ambient: input should be greater than or equal to 0; got -1\n",
        ),
        (b'{"show": "chart"}', "control show: this lab has no chart\n"),
        (b"{", 'control: not valid JSON; expected such as {"turn_to_deg": 90}\n'),
        (b" " * 20_000, "control: too long; expected at most 10000 bytes\n"),
    ],
)
def test_a_bad_control_is_422_and_one_line(client, body, message):
    answer = client.http.post("/control", params={"token": TOKEN}, content=body)
    assert (answer.status_code, answer.text) == (422, message)


@pytest.mark.parametrize(("frame", "status"), [("0", 404), ("999999", 404), ("one", 422), ("-1", 422), ("9" * 50, 422)])
def test_a_frame_that_is_not_known_is_said_to_be(client, frame, status):
    answer = client.get("/truth", frame=frame)
    assert answer.status_code == status and answer.text.count("\n") == 1


def test_an_unplugged_camera_ends_its_stream_and_refuses_until_plugged_in(client):
    video = cv2.VideoCapture(client.stream())
    assert video.read()[0]
    client.control(fault="unplug")
    assert not all(video.read()[0] for _ in range(20))
    video.release()
    for route in ("/frame.jpg", "/stream.mjpg"):
        answer = client.get(route)
        assert (answer.status_code, answer.text) == (503, "the camera is unplugged\n")
    assert client.get("/truth").json()["faults"] == ["unplug"]
    client.control(fault="none")
    assert client.get("/frame.jpg").status_code == 200


def test_a_frozen_camera_sends_the_same_picture_and_number(client):
    client.control(turn_deg_per_s=90.0)
    client.control(fault="freeze")
    one = client.get("/frame.jpg")
    time.sleep(0.1)
    two = client.get("/frame.jpg")
    assert one.content == two.content and one.headers["x-frame-number"] == two.headers["x-frame-number"]
    assert client.get("/truth").json()["faults"] == ["freeze"]
    client.control(fault="none")
    time.sleep(2 / client.desk.camera.fps)  # until then the last frame is still the current one
    assert client.get("/frame.jpg").content != one.content


def test_a_stalled_camera_sends_nothing_until_it_goes_on(client):
    with client.http.stream("GET", "/stream.mjpg", params={"token": TOKEN}, timeout=1.0) as answer:
        stream = parts(answer.iter_bytes())
        next(stream)
        client.control(fault="stall")
        with pytest.raises(httpx.ReadTimeout):
            list(itertools.islice(stream, 10))  # a few may be on their way
    client.control(fault="none")
    assert client.get("/frame.jpg").status_code == 200


def test_garbage_is_noise_or_half_a_jpeg_or_one_with_noise_in_it(client):
    client.control(fault="garbage")
    kinds = set()
    for _ in range(3):
        time.sleep(0.1)
        sent = client.get("/frame.jpg").content
        kinds.add((sent.startswith(b"\xff\xd8"), sent.endswith(b"\xff\xd9")))
    assert kinds == {(False, False), (True, False), (True, True)}
    client.control(fault="none")
    time.sleep(0.1)
    answer = client.get("/frame.jpg")
    assert fits(
        client.desk, decode_jpeg(answer.content), client.get("/truth", frame=answer.headers["x-frame-number"]).json()
    )


def test_another_resolution_is_served_and_stated(client):
    client.control(fault="resize")
    time.sleep(0.1)
    answer = client.get("/frame.jpg")
    truth = client.get("/truth", frame=answer.headers["x-frame-number"]).json()
    assert decode_jpeg(answer.content).shape == (120, 160, 3)
    assert truth["size_px"] == [160, 120] and truth["lens_size_px"] == [320, 240]


def test_two_watchers_see_the_same_frames_and_old_truths_are_forgotten(desk_of):
    seconds = itertools.count(0.0, 1.0)
    lens = Lens(fx_px=64, fy_px=64, cx_px=31.5, cy_px=31.5)
    feed = Feed(desk_of(width_px=64, height_px=64, lens=lens), clock=lambda: next(seconds))
    first = feed.after(0)
    assert feed.after(first.frame - 1) is first
    frames = [first] + [feed.after(number) for number in range(first.frame, first.frame + HISTORY)]
    assert [shot.frame for shot in frames] == list(range(first.frame, first.frame + HISTORY + 1))
    assert feed.truth(first.frame) is None
    assert all(feed.truth(shot.frame) == shot.truth for shot in frames[1:])


def test_a_port_in_use_is_one_line():
    with listening(0) as sock, pytest.raises(RigError, match="cannot listen"):
        listening(sock.getsockname()[1])


@pytest.mark.parametrize("token", ["", "short", "with space in it", "a/b/c/d/e/f", "x" * 300])
def test_a_token_that_does_not_fit_a_url_is_refused(token):
    with pytest.raises(RigError, match="not a token"):
        require_token(token)


def test_the_command_prints_its_addresses_serves_and_ends_on_ctrl_c():
    command = [sys.executable, "-m", "rig", "lab", "turtle", "--serve", "--token", TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        addresses = [process.stdout.readline().strip() for _ in range(4)]
        try:
            assert [address.rpartition("/")[2].partition("?")[0] for address in addresses] == [
                "stream.mjpg",
                "frame.jpg",
                "truth",
                "control",
            ]
            assert all(address.startswith("http://127.0.0.1:") for address in addresses)
            assert json.loads(httpx.get(addresses[2], timeout=60).text)["object"] == "turtle"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == ""
