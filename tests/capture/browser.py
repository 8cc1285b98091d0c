"""Chromium, headless, told what to do over its DevTools protocol: real clicks and keys, and what the page says."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
import urllib.request

from websockets.sync.client import connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --remote-debugging-port=0 about:blank"
)
PATIENCE_S = 60


class Browser:
    """A browser process; `page(url)` opens a tab."""

    def __init__(self, profile):
        self._process = subprocess.Popen(
            [CHROMIUM, *FLAGS.split(), f"--user-data-dir={profile}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._port = self._listening(profile / "DevToolsActivePort")
        self._sockets = contextlib.ExitStack()

    @staticmethod
    def _listening(file) -> int:
        end_s = time.monotonic() + PATIENCE_S
        while not (file.exists() and file.read_text()):
            assert time.monotonic() < end_s, "the browser did not start"
            time.sleep(0.05)
        return int(file.read_text().split()[0])

    def page(self, url: str, width: int = 1440, height: int = 1000, dark: bool = False) -> "Tab":
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            socket = json.load(answer)["webSocketDebuggerUrl"]
        opened = self._sockets.enter_context(connect(socket, max_size=None, ping_interval=None, close_timeout=1))
        return Tab(opened, url, width, height, dark)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._sockets.close()


class Tab:
    """`console` holds errors, warnings and failed requests; `requested` every address."""

    def __init__(self, socket, url, width, height, dark):
        self._socket, self._ids = socket, itertools.count(1)
        self.console, self.requested = [], []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._ask("Page.navigate", url=url)

    def _ask(self, method: str, **parameters):
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._hear(message)

    def _hear(self, message) -> None:
        kind, told = message.get("method"), message.get("params", {})
        if kind == "Network.requestWillBeSent":
            self.requested.append(told["request"]["url"])
        elif kind == "Runtime.exceptionThrown":
            self.console.append(json.dumps(told["exceptionDetails"])[:500])
        elif kind == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.console.append(" ".join(str(one.get("value", one.get("description"))) for one in told["args"]))
        elif kind == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.console.append(told["entry"]["text"])

    def run(self, script: str):
        """The value of a script in the page."""
        found = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, what: str = "") -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not self.run(f"!!({script})"):
            assert time.monotonic() < end_s, f"never true: {what or script}; the page says: {self.text()[:600]}"
            time.sleep(0.1)

    def text(self, selector: str = "body") -> str:
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def click(self, selector: str) -> None:
        """With the mouse, at the middle of what the selector finds, which must be in view there."""
        script = f"""(() => {{ const found = document.querySelector({json.dumps(selector)});
            found.scrollIntoView({{block: "center"}}); const box = found.getBoundingClientRect();
            const x = box.x + box.width / 2, y = box.y + box.height / 2;
            return {{x, y, hit: found.contains(document.elementFromPoint(x, y))}}; }})()"""
        at = self.run(script)
        assert at["hit"], f"{selector} is covered by something else"
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=at["x"], y=at["y"], button="left", clickCount=1)

    def type(self, text: str) -> None:
        self._ask("Input.insertText", text=text)

    def press(self, key: str, code: str, number: int) -> None:
        same = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self._ask("Input.dispatchKeyEvent", type="keyDown", text=key if len(key) == 1 else "\r", **same)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **same)

    def screenshot(self, path) -> None:
        shot = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=False)
        path.write_bytes(base64.b64decode(shot["data"]))
