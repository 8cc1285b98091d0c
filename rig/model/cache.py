"""Where this user keeps what is made once: exported models, derived gradient graphs."""

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """$RIG_CACHE/kind, else $XDG_CACHE_HOME/rig/kind, else ~/.cache/rig/kind; may not exist yet."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("RIG_CACHE") or Path(home) / "rig") / kind
