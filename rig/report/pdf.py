"""A report as PDF: the page as a browser prints it, everything folded out."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rig.errors import RigError
from rig.runs import write_atomically

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --virtual-time-budget=20000 --no-pdf-header-footer"
)
PATIENCE_S = 300


def find_browser() -> str:
    """Raises RigError where there is no Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise RigError(
            "a PDF needs a Chromium on PATH",
            where="--pdf",
            expected=" or ".join(BROWSERS),
            hint="Debian: apt-get install chromium; or print the page from any browser",
        )
    return found


def write_pdf(page: Path, browser: str) -> Path:
    """Prints a page that is on disk, into a file of the same name. Raises RigError."""

    def write(partial: Path) -> None:
        with tempfile.TemporaryDirectory() as profile:
            sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's does not start as root
            places = [f"--user-data-dir={profile}", f"--print-to-pdf={partial.resolve()}", page.resolve().as_uri()]
            _run([browser, *FLAGS.split(), *sandbox, *places], page)
        if not partial.exists() or not partial.read_bytes().startswith(b"%PDF"):
            raise RigError("the browser wrote no PDF", where=page, hint=f"try: {browser} --headless --print-to-pdf")

    return write_atomically(page.with_suffix(".pdf"), write)


def _run(command: list[str], page: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise RigError(f"the browser took longer than {PATIENCE_S} s to print", where=page) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise RigError("the browser could not print", where=page, got=f"exit code {done.returncode}, {said[0][:200]}")
