"""The lab over HTTP on 127.0.0.1. The contract stands in rig.lab."""

import contextlib
import hmac
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from rig.errors import RigError
from rig.lab.control import parse_control
from rig.lab.feed import HISTORY, Feed, Shot, Unplugged

HOST = "127.0.0.1"
BOUNDARY = "frame"
MAX_BODY = 10_000  # bytes of a control


def lab_app(feed: Feed, token: str) -> FastAPI:
    app = FastAPI(title="rig lab", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(OnlyWithToken, token=token)

    @app.exception_handler(Unplugged)
    def unplugged(request: Request, error: Unplugged) -> Response:
        return PlainTextResponse("the camera is unplugged\n", 503)

    @app.exception_handler(RigError)
    def refused(request: Request, error: RigError) -> Response:
        return PlainTextResponse(f"{error}\n", 422)

    @app.get("/stream.mjpg")
    def stream() -> Response:
        feed.now()  # unplugged, it answers 503
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return StreamingResponse(_parts(feed), media_type=kind, headers={"Cache-Control": "no-store"})

    @app.get("/frame.jpg")
    def frame() -> Response:
        shot = feed.now()
        return Response(shot.sent, media_type="image/jpeg", headers=_headers(shot) | {"Cache-Control": "no-store"})

    @app.get("/truth")
    def truth(request: Request) -> Response:
        found = feed.truth(_frame_number(request.query_params.get("frame")))
        if found is None:
            return PlainTextResponse(f"no such frame; the last {HISTORY} are kept\n", 404)
        return JSONResponse(found)

    @app.post("/control")
    async def control(request: Request) -> Response:
        await run_in_threadpool(feed.control, parse_control(await _body(request)))  # may wait for a frame
        return JSONResponse({"ok": True})

    return app


class OnlyWithToken:
    """Refuses whatever comes without the token, known route or not."""

    def __init__(self, app, token: str):
        self._app, self._token = app, token.encode()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            given = parse_qs(scope["query_string"]).get(b"token", [b""])
            if not hmac.compare_digest(given[-1], self._token):
                await PlainTextResponse("wrong or missing token\n", 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _parts(feed: Feed) -> Iterator[bytes]:
    """MJPEG without end, or until the camera is unplugged."""
    frame = 0
    with contextlib.suppress(Unplugged):
        while True:
            shot = feed.after(frame)
            frame = shot.frame
            lines = {"Content-Type": "image/jpeg", "Content-Length": str(len(shot.sent))} | _headers(shot)
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            yield f"--{BOUNDARY}\r\n{head}\r\n".encode() + shot.sent + b"\r\n"


def _headers(shot: Shot) -> dict[str, str]:
    return {"X-Frame-Number": str(shot.frame), "X-Time": f"{shot.time_s:.6f}"}


def _frame_number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isdecimal() and len(text) < 12):
        raise RigError("not a frame number", where="frame", got=repr(text[:40]))
    return int(text)


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise RigError("too long", where="control", expected=f"at most {MAX_BODY} bytes")
    return body


def require_token(token: str) -> str:
    """A token that stands in a URL as it is. Raises RigError."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{8,200}", token):
        raise RigError("not a token", where="--token", expected="8 to 200 letters, digits, _ or -")
    return token


def listening(port: int) -> socket.socket:
    """A socket on the loopback; port 0 is any free one. Raises RigError."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
        found.listen()  # whoever comes before the server is up waits
    except OSError as error:
        found.close()
        raise RigError(f"cannot listen ({error.strerror})", where=f"--port {port}", hint="try another") from error
    return found


def server_of(feed: Feed, token: str) -> uvicorn.Server:
    """Open streams do not hold up its end for longer than a second."""
    config = uvicorn.Config(
        lab_app(feed, token), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def served(feed: Feed, token: str) -> Iterator[str]:
    """A server on a free port in a thread of its own; gives its address, without the token."""
    with listening(0) as sock:
        server = server_of(feed, token)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield "http://{}:{}".format(*sock.getsockname())
        finally:
            server.should_exit = True
            thread.join()
