"""MJPEG over HTTP, part by part: a broken picture or another resolution is seen as what it is.

(OpenCV's FFmpeg scales a changed resolution back and fills half pictures up, silently; `rig.capture.opencv`.)
"""

from collections.abc import Iterator

import cv2
import httpx

from rig.capture.cameras import BadFrame, Camera, CameraError, Settings, Shot
from rig.capture.opencv import OpenCvCamera
from rig.images import decode_jpeg

PATIENCE_S = 5.0  # to connect, and for the next bytes
MAX_PART = 64_000_000  # bytes
JPEG_END = b"\xff\xd9"


class HttpCamera:
    """A multipart MJPEG stream; whatever else a URL holds is left to OpenCV."""

    is_live = True

    def __init__(self, url: str, source: str, is_live: bool = True):
        self.source, self._url = source, url
        self._response: httpx.Response | None = None
        self._other: Camera | None = None
        # No proxies: a camera is on this network, and its URL holds its secret.
        self._client = httpx.Client(timeout=PATIENCE_S, trust_env=False, follow_redirects=True)

    def open(self, asked: Settings) -> Settings:
        try:
            self._response = self._client.send(self._client.build_request("GET", self._url), stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CameraError(f"no answer ({_words(error)})", where=self.source) from error
        if self._response.status_code != 200:
            status = self._response.status_code
            self.close()
            hint = "is the token in the URL right?" if status in (401, 403) else None
            raise CameraError(f"answered HTTP {status}", where=self.source, hint=hint)
        kind, _, boundary = self._response.headers.get("content-type", "").partition("boundary=")
        if not kind.startswith("multipart/"):
            self.close()
            self._other = OpenCvCamera(self._url, self.source, is_live=True)
            return self._other.open(asked)
        self._parts = parts(self._response.iter_raw(), boundary.strip(' "').encode())
        return {}

    def read(self) -> Shot:
        if self._other is not None:
            return self._other.read()
        try:
            part = next(self._parts, None)
        except httpx.HTTPError as error:
            raise CameraError(f"the stream broke off ({_words(error)})", where=self.source) from error
        if part is None:
            raise CameraError("the stream ended", where=self.source)
        return Shot(self._decoded(part))

    def _decoded(self, part: bytes):
        if JPEG_END not in part[-32:]:  # decoders fill a picture that is cut short with grey
            raise BadFrame("the camera sent a picture that is not whole", where=self.source)
        try:
            return decode_jpeg(part)
        except cv2.error as error:
            raise BadFrame("the camera sent what is no picture", where=self.source) from error

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
        if self._other is not None:
            self._other.close()
            self._other = None


def parts(chunks: Iterator[bytes], boundary: bytes) -> Iterator[bytes]:
    """Bodies of a multipart stream, by their Content-Length or, without one, up to the next boundary."""
    dashes = b"--" + boundary.lstrip(b"-")
    buffer = b""

    def up_to(end: bytes) -> bytes | None:
        """What comes before `end`, which is taken away, too; None where the stream ends first."""
        nonlocal buffer
        searched = 0
        while (at := buffer.find(end, searched)) < 0:
            searched = max(0, len(buffer) - len(end))
            if not more():
                return None
        found, buffer = buffer[:at], buffer[at + len(end) :]
        return found

    def more() -> bool:
        nonlocal buffer
        chunk = next(chunks, None)
        if chunk is None:
            return False
        buffer += chunk
        if len(buffer) > MAX_PART:
            raise CameraError("a part of the stream does not end", got=f"{len(buffer)} bytes")
        return True

    while up_to(dashes) is not None and (head := up_to(b"\r\n\r\n")) is not None:
        length = _content_length(head)
        if length is None:
            body = up_to(b"\r\n" + dashes)
            if body is None:
                return
            buffer = dashes + buffer
        else:
            while len(buffer) < length:
                if not more():
                    return
            body, buffer = buffer[:length], buffer[length:]
        yield body


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
