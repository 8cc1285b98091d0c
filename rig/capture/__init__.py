"""DESK -> FRAME: cameras, what is seen in each frame, sessions on disk, the live page.

A session folder, `sessions/<name>/`:

    session.json     schema, object, scene (resolved config or null), board, camera profile, and the passes so far: name,
                     artefact, board_from_object, camera (source, settings asked and got)
    frames.jsonl     the truth: one line an event, appended and synced. A frame (`Row`: number, time, pass, artefact,
                     trigger, content hash, pose or why there is none, blur, exposure), an undo or a note
    frames/*.png     000000.png ...: what the camera gave, lossless, never written over
    frames.parquet   the same rows flat, for other tools, written when a session is closed

A frame counts once its line is on disk; its picture is there before. A kill at any time leaves a whole session, and the
same command goes on with it. Undone frames stay, flagged.

    captured = read_session(Path("sessions/desk"))     # also while it is being written
    for row, frame in captured.frames():               # contracts.Frame, source "capture"; undone ones left out
        row.artefact, row.pass_, row.time              # "clean" beside "adversarial"; a pass is one go round the object
        captured.camera_from_object(row)               # None where the board was not seen: view values are None, too
    captured.header.profile.lens, captured.header.scene    # rig.scene.rebuilt(scene) is the object as a Scene

Angles: azimuth, elevation and distance of the camera's place in the object frame (rig.capture.angles).
"""

from rig.capture.read import Captured, read_session
from rig.capture.record import Header, Row, SessionError

__all__ = ["Captured", "Header", "Row", "SessionError", "read_session"]
