"""Cameras, streams and videos through OpenCV."""

import os

import cv2

from rig.capture.cameras import BadFrame, CameraError, EndOfFrames, Settings, Shot
from rig.images import image_of_capture

# name: OpenCV's property. Opening asks in this order; resolution before rate, as drivers want it.
PROPERTIES = {
    "width_px": cv2.CAP_PROP_FRAME_WIDTH,
    "height_px": cv2.CAP_PROP_FRAME_HEIGHT,
    "fps": cv2.CAP_PROP_FPS,
    "autofocus": cv2.CAP_PROP_AUTOFOCUS,
    "focus": cv2.CAP_PROP_FOCUS,
    "auto_exposure": cv2.CAP_PROP_AUTO_EXPOSURE,
    "exposure": cv2.CAP_PROP_EXPOSURE,
    "gain": cv2.CAP_PROP_GAIN,
    "auto_white_balance": cv2.CAP_PROP_AUTO_WB,
    "white_balance_k": cv2.CAP_PROP_WB_TEMPERATURE,
}
OPEN_MS, READ_MS = 5000, 5000
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's own words about broken frames: ours suffice


class OpenCvCamera:
    """`device`: an index, a stream's URL or a video file.

    OpenCV scales a stream whose resolution changes back to its first one without a word, so for these a change
    shows only where the camera is opened again; rig.capture.stream reads MJPEG without that.
    """

    def __init__(self, device: int | str, source: str, is_live: bool):
        self.source, self.is_live, self._device = source, is_live, device
        self._capture: cv2.VideoCapture | None = None

    def open(self, asked: Settings) -> Settings:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        if isinstance(self._device, int):
            capture = cv2.VideoCapture(self._device)
        else:
            patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS]
            capture = cv2.VideoCapture(self._device, cv2.CAP_FFMPEG, patience)
        if not capture.isOpened():
            capture.release()
            what = "cannot be opened" if self.is_live else "is no video that can be read"
            raise CameraError(what, where=self.source)
        self._capture = capture
        if isinstance(self._device, int):
            for name in [name for name in PROPERTIES if name in asked]:
                capture.set(PROPERTIES[name], asked[name])
        shown = [name for name in PROPERTIES if name in asked or name in ("width_px", "height_px", "fps")]
        return {name: float(capture.get(PROPERTIES[name])) for name in shown}

    def read(self) -> Shot:
        given, pixels = self._capture.read()
        if not given:
            if not self.is_live:
                raise EndOfFrames
            raise CameraError("gives no more frames", where=self.source)
        image = image_of_capture(pixels)
        if image is None:
            raise BadFrame("the camera sent what is no picture", where=self.source)
        elapsed_s = None if self.is_live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return Shot(image, elapsed_s)

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
