"""The page on 127.0.0.1: its picture, its addresses, and the gate that every one of them is behind."""

import asyncio
import contextlib
import hmac
import secrets
import socket
import threading
import warnings
from collections.abc import AsyncIterator, Callable

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse
from nicegui import ui

from rig.capture.page.picture import Picture
from rig.capture.page.view import View
from rig.capture.station import Station
from rig.errors import RigError
from rig.scene import Scene

HOST = "127.0.0.1"
POLL_S = 0.02
# NiceGUI's own scripts are inline and compile templates; nothing may come from, or go to, anywhere else.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {b"content-security-policy": POLICY.encode(), b"referrer-policy": b"no-referrer"}
REFUSED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>rig capture</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<body style="font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1.5rem">
<h1 style="font-size:1.4rem">Wrong address</h1>
<p>This page opens only with the address that <code>rig capture</code> printed, its token included. Each start makes a
new one: look at the terminal for the newest line.</p></body></html>"""


def serve(station: Station, scene: Scene | None, port: int, max_frames: int | None = None) -> None:
    """Until Ctrl-C, or until the pass has `max_frames`."""
    token = secrets.token_urlsafe(16)
    warnings.filterwarnings("ignore", category=FutureWarning, module="nicegui")  # it touches every object there is once
    thread = threading.Thread(target=lambda: _work(station, max_frames, server), name="station", daemon=True)
    with _listening(port) as sock:
        server = uvicorn.Server(_config(page_app(station, scene, token, thread.start, lambda: server.should_exit)))
        print("page: http://{}:{}/{}/".format(*sock.getsockname(), token), flush=True)
        try:
            server.run(sockets=[sock])
        finally:
            station.stop()
            if thread.ident is not None:
                thread.join(timeout=10)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)


def _work(station: Station, max_frames: int | None, server: uvicorn.Server) -> None:
    try:
        station.run(max_frames)
    except Exception as error:
        station.failed = f"capture has ended by a fault of its own ({type(error).__name__}); the session is whole"
        raise
    if max_frames is not None and station.n_kept >= max_frames:
        server.should_exit = True


def page_app(
    station: Station, scene: Scene | None, token: str, begin: Callable[[], None], is_over: Callable[[], bool]
) -> FastAPI:
    """Every address starts with the token. One a process: NiceGUI has one application.

    `begin` is called once NiceGUI is up: it looks through all live objects then, which other threads do not survive
    (CPython: a tuple being built may not be referred to). The picture's stream ends once `is_over`.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        begin()
        yield

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    profile, board_from_object = station.observer.profile, station.observer.board_from_object
    picture = Picture(station.observer.board, profile.lens, board_from_object, scene and scene.mesh)

    @app.get(f"/{token}/camera.mjpg")
    def camera() -> StreamingResponse:
        kind = "multipart/x-mixed-replace; boundary=frame"
        return StreamingResponse(
            _pictures(station, picture, is_over), media_type=kind, headers={"Cache-Control": "no-store"}
        )

    def root() -> None:
        View(station, f"/{token}/camera.mjpg")

    ui.run_with(app, root=root, mount_path=f"/{token}", title="rig capture", dark=None, tailwind=False, favicon="🎯")
    app.add_middleware(Gate, token=token)
    return app


async def _pictures(station: Station, picture: Picture, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Each new frame once, as soon as it was looked at."""
    shown = None
    while not is_over():
        sight = station.sight
        if sight is None or sight.reading.number == shown:
            await asyncio.sleep(POLL_S)
            continue
        shown = sight.reading.number
        jpeg = await asyncio.to_thread(picture.jpeg, sight)
        yield b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n"


class Gate:
    """Whatever does not start with the token is refused; whatever does may fetch nothing from elsewhere."""

    def __init__(self, app, token: str):
        self._app, self._token = app, token.encode()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif hmac.compare_digest(scope["path"].split("/")[1].encode(), self._token):
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "http":
            await HTMLResponse(REFUSED, 403)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


def _with_headers(send):
    async def sending(message) -> None:
        if message["type"] == "http.response.start":
            message = message | {"headers": [*message.get("headers", []), *HEADERS.items()]}
        await send(message)

    return sending


def _listening(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise RigError(f"cannot listen ({error.strerror})", where=f"--port {port}", hint="try another") from error
    return found
