"""Sessions on disk: kills, torn lines, a full disk, two writers, names; and how they are read back."""

import json
import multiprocessing
import os
import re
import resource
import signal
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from rig.capture import read_session
from rig.capture.record import SessionError
from rig.capture.session import open_session
from rig.errors import RigError
from rig.images import content_hash


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture
def session(tmp_path, header, one_pass):
    opened = open_session(tmp_path / "desk", header)
    opened.begin(one_pass())
    yield opened
    if not opened._lock_file.closed:
        opened.close()


def test_a_session_gives_back_what_was_taken(session, header, row_of):
    taken = [session.append(picture(number), **row_of(picture(number))) for number in range(3)]
    found = read_session(session.path)
    assert list(found.rows) == taken
    assert found.header.board == header.board
    for number, (_, frame) in enumerate(found.frames()):
        np.testing.assert_array_equal(frame.image, picture(number))
        assert (frame.source, frame.session, frame.view.values["azimuth_deg"]) == ("capture", "desk", None)


def test_undo_flags_the_last_kept_frame_and_keeps_its_file(session, row_of):
    for number in range(3):
        session.append(picture(number), **row_of(picture(number)))
    assert [session.undo("clean-1").frame, session.undo("clean-1").frame] == [2, 1]
    session.note(" a scratch on the shell \n")
    found = read_session(session.path)
    assert [row.frame for row in found.rows] == [0]
    assert found.undone == {1, 2}
    assert (found.notes[0].note, found.notes[0].frame) == ("a scratch on the shell", 0)
    assert session.append(picture(9), **row_of(picture(9))).frame == 3, "an undone frame's number is not used again"
    assert len(list((session.path / "frames").glob("*.png"))) == 4
    assert session.undo("another pass") is None


def test_closing_writes_a_flat_table(tmp_path, header, one_pass, row_of):
    session = open_session(tmp_path / "desk", header)
    session.begin(one_pass())
    for number in range(2):
        session.append(picture(number), **row_of(picture(number)))
    session.note("look here")
    session.undo("clean-1")
    session.close()
    table = pq.read_table(tmp_path / "desk" / "frames.parquet").to_pylist()
    assert [(row["file"], row["undone"], row["note"]) for row in table] == [
        ("frames/000000.png", False, ""),
        ("frames/000001.png", True, "look here"),
    ]


def test_a_second_writer_is_refused(session, header):
    with pytest.raises(SessionError, match=f"another rig capture is writing.*process {os.getpid()}"):
        open_session(session.path, header)


def test_another_board_is_refused(session, header):
    session.close()
    other = header.model_copy(update={"board": header.board.model_copy(update={"square_mm": 20.0})})
    with pytest.raises(SessionError, match="holds a session of another board"):
        open_session(session.path, other)


def test_a_pass_keeps_its_artefact(session, one_pass):
    assert session.begin(one_pass()) == session.header.passes[0]
    with pytest.raises(SessionError, match="pass clean-1 has another artefact; got adversarial; expected clean"):
        session.begin(one_pass(artefact="adversarial"))


def test_what_a_kill_left_of_a_last_line_does_not_count(tmp_path, header, one_pass, row_of):
    session = open_session(tmp_path / "desk", header)
    session.begin(one_pass())
    for number in range(2):
        session.append(picture(number), **row_of(picture(number)))
    session.close()
    journal = tmp_path / "desk" / "frames.jsonl"
    whole = journal.read_bytes()
    (tmp_path / "desk" / "frames" / "000002.png").write_bytes(b"taken, never acknowledged")
    for cut in range(whole.index(b"\n") + 1, len(whole)):
        journal.write_bytes(whole[:cut])
        assert [row.frame for row in read_session(tmp_path / "desk").rows] == [0]
    again = open_session(tmp_path / "desk", header)
    assert again.append(picture(3), **row_of(picture(3))).frame == 3, "no file is written over"
    again.close()
    assert [row.frame for row in read_session(tmp_path / "desk").rows] == [0, 3]
    assert (tmp_path / "desk" / "frames" / "000002.png").read_bytes() == b"taken, never acknowledged"


def write_on(path, header, pipe, file_bytes=resource.RLIM_INFINITY):
    """A process of its own: takes frames until it is killed or the disk is full, and says which it acknowledged."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    session = open_session(path, header)
    while True:
        image = picture(session._next)
        values = {"time": "2026-11-23T00:00:00Z", "pass": "clean-1", "artefact": "clean", "trigger": "continuous"}
        values |= {"hash": content_hash(image), "n_corners": 0, "pose": None, "blur_px": None}
        try:
            row = session.append(image, **values, mean_frac=0.5, over_frac=0.0, under_frac=0.0)
        except SessionError as error:
            os.write(pipe, f"stopped {error}\n".encode())
            return
        os.write(pipe, f"{row.frame}\n".encode())


def writer(path, header, *limits):
    """The process, and what it says."""
    says, pipe = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=write_on, args=(path, header, pipe, *limits))
    process.start()
    os.close(pipe)
    return process, os.fdopen(says)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_kill_9_loses_no_acknowledged_frame(tmp_path, header, one_pass):
    path = tmp_path / "desk"
    session = open_session(path, header)
    session.begin(one_pass())
    session.close()
    acknowledged = []
    for n_frames, delay_s in ((1, 0.0), (8, 0.011), (7, 0.023), (6, 0.004)):
        process, says = writer(path, header)
        acknowledged += [int(says.readline()) for _ in range(n_frames)]
        time.sleep(delay_s)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        acknowledged += [int(line) for line in says.read().splitlines()]
    found = read_session(path)
    frames = [row.frame for row in found.rows]
    assert len(acknowledged) >= 22
    assert set(acknowledged) <= set(frames)
    assert len(set(frames)) == len(frames)
    for row, frame in found.frames():  # each picture is whole, and the one that was taken
        np.testing.assert_array_equal(frame.image, picture(row.frame))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_full_disk_is_one_line_and_the_session_stays_whole(tmp_path, header, one_pass):
    """The kernel lets no file grow beyond 16,000 bytes: at some frame, the journal would."""
    path = tmp_path / "desk"
    session = open_session(path, header)
    session.begin(one_pass())
    session.close()
    process, says = writer(path, header, 16_000)
    *acknowledged, last = says.read().splitlines()
    process.join()
    assert re.fullmatch(r"stopped .*frames.jsonl: cannot write \(.+\); nothing was half-written", last)
    assert len(acknowledged) > 20
    content = (path / "frames.jsonl").read_bytes()
    assert content.endswith(b"\n")
    assert len(content) <= 16_000
    assert [row.frame for row in read_session(path).rows] == [int(line) for line in acknowledged]
    assert len(list((path / "frames").iterdir())) == len(acknowledged), "the frame that did not fit left nothing behind"


@pytest.mark.parametrize("name", ["..", "a/..", "<b>", "-x", "a\nb", ".hidden"])
def test_a_session_is_named_as_files_are(tmp_path, header, name):
    with pytest.raises(RigError, match="not a name|holds no session"):
        open_session(tmp_path / "sessions" / name, header)
    assert not list(tmp_path.rglob("session.json"))


def test_a_folder_of_something_else_is_left_alone(tmp_path, header):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SessionError, match="not empty and holds no session"):
        open_session(tmp_path, header)
    assert [found.name for found in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("session.json", "", "not valid JSON"),
        ("session.json", "[]", "holds no table"),
        ("session.json", '{"schema": 2}', "schema"),
        ("frames.jsonl", "nonsense\n", "line 1: not valid JSON"),
        ("frames.jsonl", "[]\n", "line 1: not a row"),
        ("frames.jsonl", '{"frame": -1}\n', "frames.jsonl line 1"),
        ("frames.jsonl", '{"undo": "../../etc/passwd", "time": "2026-11-23T00:00:00Z"}\n', "line 1 undo"),
    ],
)
def test_a_damaged_session_is_one_line(session, file, content, message):
    session.close()
    (session.path / file).write_text(content)
    with pytest.raises(SessionError, match=re.escape(message)) as error:
        read_session(session.path)
    assert "\n" not in str(error.value)


def test_a_changed_picture_is_noticed(session, row_of):
    row = session.append(picture(0), **row_of(picture(0)))
    other = session.append(picture(1), **row_of(picture(1)))
    (session.path / other.file).rename(session.path / row.file)
    with pytest.raises(SessionError, match="not the one that was taken"):
        read_session(session.path).image(row)


def test_a_frame_of_an_unknown_pass_is_refused(session, row_of):
    session.append(picture(0), **row_of(picture(0), pass_name="clean-2"))
    with pytest.raises(SessionError, match="pass is not in session.json; got pass clean-2"):
        read_session(session.path)


def test_a_placement_that_mirrors_is_refused(session):
    state = json.loads((session.path / "session.json").read_text())
    state["passes"][0]["board_from_object"][0][0] = -1.0
    (session.path / "session.json").write_text(json.dumps(state))
    with pytest.raises(SessionError, match="no rigid transform"):
        read_session(session.path)
