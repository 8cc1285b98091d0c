"""Textures before and after, and their difference made visible."""

import base64

import cv2
import numpy as np

from rig.images import content_hash, encode_jpeg, read_image
from rig.metrics.load import Run

SIZE_PX = 384
GAINS = (1, 2, 4, 8, 16)


def texture_rows(run: Run, names: list[str]) -> list[dict]:
    """For each artefact with a texture: its picture, and against the clean one the amplified difference and Linf."""
    found = [name for name in names if name in run.artefacts and run.texture_path(name).exists()]
    images = {name: read_image(run.texture_path(name)) for name in found}
    return [_row(run, name, images[name], images.get("clean")) for name in found]


def _row(run: Run, name: str, image: np.ndarray, clean: np.ndarray | None) -> dict:
    row = {"name": name, "record": run.artefacts[name], "src": _source(image), "difference": None, "linf_255": None}
    row["size"] = f"{image.shape[1]} × {image.shape[0]} px"
    if name == "clean" or clean is None or clean.shape != image.shape:
        return row
    signed = image.astype(int) - clean
    gain = _gain(signed)
    shown = np.clip(128 + gain * signed, 0, 255).astype(np.uint8)
    return row | {"difference": _source(shown), "gain": gain, "linf_255": int(np.abs(signed).max())}


def _gain(signed: np.ndarray) -> int:
    """The largest amplification that keeps 99 % of the differences inside 8 bits around mid-grey."""
    fits = 127 / max(1.0, float(np.quantile(np.abs(signed), 0.99)))
    return max((gain for gain in GAINS if gain <= fits), default=1)


def _source(image: np.ndarray) -> str:
    scale = SIZE_PX / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(image, 88)).decode()}"


def file_problems(run: Run, rows: list[dict]) -> list[str]:
    """Where a texture file is not what artefact.json says of it: its hash, its largest change."""
    found = []
    for row in rows:
        record = row["record"]
        if record.texture_sha256 and record.texture_sha256 != content_hash(read_image(run.texture_path(row["name"]))):
            found.append(f"texture.png of {row['name']} is not the picture whose hash artefact.json holds")
        if None not in (row["linf_255"], record.linf_255) and round(record.linf_255) != row["linf_255"]:
            found.append(
                f"texture.png of {row['name']} differs from the clean one by up to {row['linf_255']} of 255, "
                f"artefact.json says {record.linf_255:g}"
            )
    return found
