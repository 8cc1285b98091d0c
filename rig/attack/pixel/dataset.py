"""Labelled images to attack: a folder of 8-bit RGB files, or one .npz of an image set. Nothing is converted in silence."""

import csv
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rig.errors import CorruptImage, RigError
from rig.images import batch_from_images, images_from_batch, read_rgb
from rig.model import DeployedModel

SUFFIXES = {".png", ".jpg", ".jpeg"}
LABELS_CSV = "labels.csv"
SEPARATOR = "|"  # between several labels that all count as right


@dataclass(frozen=True, eq=False)
class Sample:
    """`image` (H, W, 3) uint8; `true` are the classes that count as right; `name` is unique and fit for a file name."""

    name: str
    image: np.ndarray
    true: tuple[int, ...]


@dataclass(frozen=True)
class Skipped:
    file: str
    reason: str


def read_samples(
    path: Path, model: DeployedModel, skip_bad: bool = False, resize: bool = False
) -> tuple[list[Sample], list[Skipped]]:
    """All samples in order, and the corrupt files left out (with `skip_bad` only). Raises RigError.

    `resize` brings images to the model's size as its card says (crop, resampling), rounded to 8 bits.
    """
    if path.suffix == ".npz":
        samples, skipped = _read_npz(path, model), []
    elif path.is_dir():
        samples, skipped = _read_folder(path, model, skip_bad)
    else:
        raise RigError("no such images", where=path, expected="a folder of images, or an .npz with images and labels")
    if not samples:
        raise RigError("no images to attack", where=path, got=f"{len(skipped)} corrupt files, nothing else")
    return [_fitted(sample, model, resize) for sample in samples], skipped


def _fitted(sample: Sample, model: DeployedModel, resize: bool) -> Sample:
    if sample.image.shape[:2] == model.size_px:
        return sample
    if resize:
        image = images_from_batch(model.fit(batch_from_images(sample.image[None])))[0]
        return Sample(sample.name, image, sample.true)
    height, width = sample.image.shape[:2]
    expected = f"{model.size_px[1]} x {model.size_px[0]}, as {model.card.name} takes them"
    hint = "--resize brings images to that size before they are attacked"
    raise RigError(
        "an image of another size", where=sample.name, got=f"{width} x {height}", expected=expected, hint=hint
    )


def _read_npz(path: Path, model: DeployedModel) -> list[Sample]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except OSError as error:
        raise RigError(f"cannot read the file ({error.strerror or error})", where=path) from error
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RigError("not an image set", where=path, got=error, expected="an .npz with images and labels") from error
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        got = f"images of {images.dtype}, shape {images.shape}"
        raise RigError("not 8-bit RGB images", where=path, got=got, expected="uint8 of shape (N, H, W, 3)")
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        got = f"labels of {labels.dtype}, shape {labels.shape}"
        raise RigError("not one label an image", where=path, got=got, expected=f"{len(images)} class ids")
    classes = {int(label): model.labels.index_of(int(label)) for label in np.unique(labels)}
    return [Sample(f"{i:05d}", image, (classes[int(labels[i])],)) for i, image in enumerate(images)]


def _read_folder(path: Path, model: DeployedModel, skip_bad: bool) -> tuple[list[Sample], list[Skipped]]:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        raise RigError("no images here", where=path, expected=f"files ending in {', '.join(sorted(SUFFIXES))}")
    label_of = _labels_of(path, files)
    samples, skipped = [], []
    for index, file in enumerate(files):
        name = file.relative_to(path).as_posix()
        true = tuple(model.labels.index_of(label.strip()) for label in label_of(name).split(SEPARATOR))
        try:
            samples.append(Sample(_file_name(index, file), read_rgb(file), true))
        except CorruptImage as error:
            if not skip_bad:
                raise CorruptImage(f"{error}", hint="--skip-bad leaves such files out, and lists them") from error
            skipped.append(Skipped(name, str(error)))
    return samples, skipped


def _file_name(index: int, file: Path) -> str:
    return f"{index:05d}-{re.sub(r'[^A-Za-z0-9_]+', '-', file.stem)[:40]}"


def _labels_of(path: Path, files: list[Path]) -> Callable[[str], str]:
    """A file's label by its name: from labels.csv where there is one, else the name of its folder."""
    table = path / LABELS_CSV
    if table.exists():
        listed = _read_csv(table)
        absent = next((name for name in listed if not (path / name).is_file()), None)
        if absent is not None:
            raise RigError("a file that is not there", where=table, got=absent)
    else:
        listed = {file.relative_to(path).as_posix(): file.parent.name for file in files if file.parent != path}
    bare = next((file for file in files if file.relative_to(path).as_posix() not in listed), None)
    if bare is not None:
        expected = f"a line in {LABELS_CSV} (file,label), or a subfolder for each class"
        raise RigError("an image without a label", where=bare, expected=expected)
    return listed.__getitem__


def _read_csv(path: Path) -> dict[str, str]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(), skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RigError("cannot read the labels", where=path, got=error) from error
    if any(not row.get("file") or not row.get("label") for row in rows) or not rows:
        raise RigError("not a table of labels", where=path, expected="a first line file,label and two values a line")
    return {row["file"]: row["label"] for row in rows}
