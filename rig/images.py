"""Pixels in and out: files, BGR, 8-bit, sRGB. The only file that says BGR.

`image`: uint8 HWC RGB sRGB. `batch`: float32 NCHW RGB in [0, 1]. `linear_*`: linear light.
"""

import hashlib
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from rig.errors import CorruptImage, RigError


def read_image(path: Path) -> np.ndarray:
    """An 8-bit RGB image from a file; grey becomes RGB, alpha is dropped. Raises RigError for anything else."""
    encoded = _read_bytes(path)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
    if pixels is None:
        raise RigError("not a readable image", where=path, expected="a PNG or JPEG file")
    if pixels.dtype != np.uint8:
        raise RigError("unsupported image depth", where=path, got=pixels.dtype, expected="8 bits a channel")
    return cv2.cvtColor(pixels, _TO_RGB[1 if pixels.ndim == 2 else pixels.shape[2]])


def video_frames(path: Path, most: int) -> Iterator[tuple[int, np.ndarray]]:
    """At most about `most` frames, evenly over a video, each with its number; none of what is no video."""
    video = cv2.VideoCapture(str(path))
    try:
        step, number = max(1, math.ceil(video.get(cv2.CAP_PROP_FRAME_COUNT) / most)), 0
        while video.grab():
            if number % step == 0:
                whole, pixels = video.retrieve()
                if whole:
                    yield number, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
            number += 1
    finally:
        video.release()


def image_of_capture(pixels: object) -> np.ndarray | None:
    """What cv2.VideoCapture gave, as an image; None for what is none: no pixels, another depth, no colours."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or 0 in pixels.shape:
        return None
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    return cv2.cvtColor(pixels, _TO_RGB[channels]) if channels in _TO_RGB else None


def read_rgb(path: Path) -> np.ndarray:
    """An 8-bit RGB image whose file holds exactly that: nothing is converted. Raises RigError for anything else."""
    encoded = _read_bytes(path)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if _is_whole(encoded.tobytes()) else None
    if pixels is None:
        raise CorruptImage("not a readable image", where=path, expected="a whole PNG or JPEG file")
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if pixels.dtype != np.uint8 or channels != 3:
        got = f"{_CHANNELS[channels]}, {8 * pixels.dtype.itemsize} bits a channel"
        raise RigError("not an 8-bit RGB image", where=path, got=got, hint="convert it, so that both of us know how")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


_CHANNELS = {1: "greyscale", 2: "greyscale with alpha", 3: "RGB", 4: "RGB with alpha"}
_PNG, _JPEG_END = b"\x89PNG\r\n\x1a\n", b"\xff\xd9"


def _is_whole(encoded: bytes) -> bool:
    """Whether a file goes on to its end: a JPEG's last marker, a PNG's chunks with their check sums.

    Decoders print to stderr about what is cut short, where only our own line belongs.
    """
    if not encoded.startswith(_PNG):
        return _JPEG_END in encoded[-32:]
    at = len(_PNG)
    while at + 12 <= len(encoded):
        size = int.from_bytes(encoded[at : at + 4], "big")
        name, check = encoded[at + 4 : at + 8], encoded[at + 8 + size : at + 12 + size]
        if zlib.crc32(encoded[at + 4 : at + 8 + size]).to_bytes(4, "big") != check:
            return False
        if name == b"IEND":
            return True
        at += 12 + size
    return False


_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}


def read_panorama(path: Path) -> np.ndarray:
    """A panorama in linear light, float32 HWC RGB: Radiance .hdr as stored, 8-bit files decoded from sRGB."""
    if Path(path).suffix.lower() != ".hdr":
        return srgb_to_linear(torch.from_numpy(read_image(path).astype(np.float32) / 255)).numpy()
    pixels = cv2.imdecode(_read_bytes(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3:
        raise RigError("not a readable panorama", where=path, expected="a Radiance .hdr file")
    return cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_BGR2RGB)


def _read_bytes(path: Path) -> np.ndarray:
    try:
        return np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise RigError(f"cannot read the file ({error.strerror})", where=path) from error


def encode_png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def encode_jpeg(image: np.ndarray, quality: int = 85) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1].tobytes()


def decode_jpeg(encoded: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def batch_from_images(images: np.ndarray) -> torch.Tensor:
    """(N, H, W, 3) uint8 to a batch."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255


def images_from_batch(batch: torch.Tensor) -> np.ndarray:
    """A batch to (N, H, W, 3) uint8, rounded to nearest."""
    rounded = (batch.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    return rounded.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def srgb_to_linear(srgb: torch.Tensor) -> torch.Tensor:
    """IEC 61966-2-1 decoding, element-wise."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: torch.Tensor) -> torch.Tensor:
    """IEC 61966-2-1 encoding, element-wise; not clipped above 1."""
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def content_hash(image: np.ndarray) -> str:
    """16 hex digits naming an image by its shape and pixels."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()[:16]
