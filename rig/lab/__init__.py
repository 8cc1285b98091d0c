"""A virtual lab: a rendered desk behind a network camera, every truth known.

An object stands on a plain mat on a ChArUco board that lies flat on a turntable; or the board alone is held before the camera; or a
printed chart is. `Desk` photographs it in process; `rig lab SCENE --serve` puts it behind HTTP on 127.0.0.1.

Every route wants the query `token=`; without it the answer is 403 and one line.

    GET  /stream.mjpg     multipart/x-mixed-replace, boundary "frame"; each part is a JPEG with Content-Length,
                          X-Frame-Number and X-Time (seconds of the server's monotonic clock). 503 while unplugged.
    GET  /frame.jpg       the current frame, with the same two headers
    GET  /truth           JSON about the current frame; /truth?frame=N about one of the last 300
    POST /control         JSON, see rig.lab.control; answers {"ok": true}, or 422 and one line

The truth of a frame (matrices are 4 x 4, row by row, metres; null where it does not apply):

    frame, time_s         number from 1 and middle of the exposure
    show                  object | board | chart
    object, artefact      the scene's name, and clean | adversarial
    azimuth_deg           where the camera stands, seen from the object: counter-clockwise from its +x; it grows while
                          the plate turns clockwise. elevation_deg, distance_m: from the object's centre
    moving                whether the plate turned during the exposure
    camera_from_board, camera_from_object, board_from_object, object_radius_m, mat_radius_m
    size_px, lens         [width, height] as served; fx_px fy_px cx_px cy_px k1 k2 p1 p2 k3 (OpenCV), of lens_size_px
    exposure, light       as set
    printer               what the printer made of a colour, see rig.lab.settings.Printer
    chart_corners_px      the sheet's corners, from upper left clockwise
    faults                those active, e.g. ["freeze"]

OpenCV's reader resamples a stream whose size changes to the size it began with, and shows a frozen stream as frames
like any other: whoever wants to notice either looks at the JPEGs or at X-Frame-Number.
"""

from rig.lab.desk import Desk, Photo

__all__ = ["Desk", "Photo"]
