"""A network camera in a few lines: MJPEG over HTTP from pictures given, and the faults that cameras have."""

import contextlib
import http.server
import threading
import time

from rig.images import encode_jpeg

TOKEN = "s3cret"


class NetworkCamera:
    """`fault`: None, unplug, freeze, stall, garbage, half, resize or no-length. Frames repeat from the start."""

    def __init__(self, images, fps=25.0):
        self.fps, self.fault, self.number = fps, None, 0
        self._jpegs = [encode_jpeg(image, 95) for image in images]
        self._small = [encode_jpeg(image[::2, ::2], 95) for image in images]

    def bodies(self):
        while self.fault != "unplug":
            if self.fault == "stall":
                time.sleep(0.02)
                continue
            if self.fault != "freeze":
                self.number += 1
            at = self.number % len(self._jpegs)
            jpeg = self._small[at] if self.fault == "resize" else self._jpegs[at]
            yield {"garbage": bytes(range(256)) * 40, "half": jpeg[: len(jpeg) // 2]}.get(self.fault, jpeg)
            time.sleep(1 / self.fps)


def handler(camera: NetworkCamera):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *words):
            pass

        def do_GET(self):
            if self.path != f"/stream.mjpg?token={TOKEN}" or camera.fault == "unplug":
                self.send_error(503 if camera.fault == "unplug" else 403)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(OSError):
                for body in camera.bodies():
                    length = b"" if camera.fault == "no-length" else b"Content-Length: %d\r\n" % len(body)
                    self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + body + b"\r\n")

    return Handler


@contextlib.contextmanager
def served(camera: NetworkCamera):
    """Gives the stream's URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(camera))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream.mjpg?token={TOKEN}"
    finally:
        camera.fault = "unplug"
        server.shutdown()
        server.server_close()
