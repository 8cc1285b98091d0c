"""A pixel change found on one frame that a camera took, carried to the other frames of its pass and judged there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rig.attack.goal import Goal
from rig.attack.pixel.change import changed_pixels
from rig.capture import Captured, Row, SessionError
from rig.capture.crops import Crop, Window
from rig.images import batch_from_images
from rig.model import DeployedModel, Labels
from rig.model.preprocess import resample, seen_window
from rig.render import PreparedView
from rig.sweep.carriers import SURFACE_FIXED, Carrier
from rig.sweep.conditions import CONDITIONS, Condition
from rig.sweep.neighbours import angle_between_deg
from rig.sweep.pixel_persistence import CHUNK, Item, beside_twins, carried_row, image_rows
from rig.sweep.pixel_session_dots import DotPrinter
from rig.sweep.session import window_of

CARRIED = "carried"  # a row's `condition` where the change is seen on a frame of the pass; `value` is the time between


@dataclass(frozen=True, eq=False)
class PixelCase:
    """A session, what of its frames the model is given, and what shall become of its answers."""

    captured: Captured
    radius_m: float  # of the object's bounding sphere
    crop: Crop
    model: DeployedModel
    goal: Goal

    def window(self, row: Row) -> Window | None:
        """What the model is given of a frame; None where it cannot be cropped so."""
        profile = self.captured.header.profile
        size_px = profile.height_px, profile.width_px
        return window_of(self.captured, row, self.crop, self.radius_m, size_px)

    def seen(self, row: Row) -> Window:
        """What of that window reaches the network, in rows and columns of the whole frame."""
        given = self.window(row)
        inner = seen_window(self.model.card, tuple(one.stop - one.start for one in given))
        return tuple(slice(a.start + b.start, a.start + b.stop) for a, b in zip(given, inner, strict=True))

    def image(self, row: Row) -> np.ndarray:
        """(H, W, 3) as taken. Raises SessionError for a frame of another size than the camera's profile."""
        image, profile = self.captured.image(row), self.captured.header.profile
        if image.shape[:2] != (profile.height_px, profile.width_px):
            got, expected = f"{image.shape[1]} x {image.shape[0]}", f"{profile.width_px} x {profile.height_px}"
            where, hint = self.captured.path / row.file, "undo it, or take its pass as a session of its own"
            raise SessionError("not of the calibrated size", where=where, got=got, expected=expected, hint=hint)
        return image

    def logits(self, windows: list[np.ndarray]) -> np.ndarray:
        """(N, classes) of what the model is given, windows of any size."""
        fitted = [self.model.fit(batch_from_images(window[None])) for window in windows]
        return self.model.logits(torch.cat(fitted)) if fitted else np.empty((0, len(self.model.labels)), np.float32)


@dataclass(frozen=True, eq=False)
class Network:
    """A model that is given what `seen_window` leaves: sensor pixels that it never sees are not worth a query."""

    model: DeployedModel

    def predict(self, windows: np.ndarray) -> np.ndarray:
        return self.model.logits(resample(self.model.card, batch_from_images(windows)))


@dataclass(frozen=True, eq=False)
class Cropping:
    """A model that is given a window of every frame, so that conditions act on the whole frame, as they would."""

    model: DeployedModel
    window: Window

    @property
    def labels(self) -> Labels:
        return self.model.labels

    def predict(self, frames: np.ndarray) -> np.ndarray:
        return self.model.predict(np.ascontiguousarray(frames[:, *self.window]))


def pass_of(case: PixelCase, row: Row) -> list[Row]:
    """The frames of a row's pass, in the order they were taken."""
    return [one for one in case.captured.rows if one.pass_ == row.pass_]


def carried_rows(case: PixelCase, printer: DotPrinter | None, item: Item, home: Row) -> list[dict]:
    """Outcome on every frame of the pass, the item's own included; a row for each carrier and frame.

    Frames that cannot be cropped have none, those without a pose none of what is printed on the object.
    """
    numbered = [(number, row) for number, row in enumerate(pass_of(case, home)) if case.window(row) is not None]
    return [
        row
        for start in range(0, len(numbered), CHUNK)
        for row in _chunk_rows(case, printer, item, home, numbered[start : start + CHUNK])
    ]


def _chunk_rows(case: PixelCase, printer, item: Item, home: Row, numbered: list[tuple[int, Row]]) -> Iterator[dict]:
    rows = [row for _, row in numbered]
    clean = np.stack([case.image(row) for row in rows])
    printed = any(carrier.reading == SURFACE_FIXED for carrier in item.carriers)
    posed = [i for i, row in enumerate(rows) if row.pose is not None] if printed else []
    prepared = [printer.prepare(clean[i], case.captured.camera_from_object(rows[i])) for i in posed]
    of_clean = case.logits([image[case.window(row)] for image, row in zip(clean, rows, strict=True)])
    for carrier in item.carriers:
        which = posed if carrier.reading == SURFACE_FIXED else list(range(len(rows)))
        if not which:
            continue
        found = _verdicts(case, carrier, [rows[i] for i in which], clean[which], prepared, of_clean[which])
        for i, verdict in zip(which, found, strict=True):
            yield _named(case, item, carrier, home, *numbered[i]) | verdict


def _verdicts(
    case: PixelCase, carrier: Carrier, rows: list[Row], clean: np.ndarray, prepared: list[PreparedView], of_clean
) -> list[dict]:
    """`seen_px`: how many pixels of what the model is given differ. Where none does it is not asked again."""
    changed = carrier.frames(prepared, clean)
    windows = [case.window(row) for row in rows]
    pairs = [(a[at], b[at]) for a, b, at in zip(clean, changed, windows, strict=True)]
    seen_px = np.array([changed_pixels(*pair) for pair in pairs])
    logits = of_clean.copy()
    logits[seen_px > 0] = case.logits([pair[1] for pair, n in zip(pairs, seen_px, strict=True) if n])
    judged = beside_twins(case.goal, case.model.labels, of_clean, logits)
    return [{"seen_px": int(n)} | one for n, one in zip(seen_px, judged, strict=True)]


def _named(case: PixelCase, item: Item, carrier: Carrier, home: Row, number: int, row: Row) -> dict:
    """Which change, on which frame, how long after and how far beside the frame it was found on."""
    view, offset_s = case.captured.view(row), (row.time - home.time).total_seconds()
    both_posed = row.pose is not None and home.pose is not None
    return carried_row(item, carrier, CARRIED, offset_s, view) | {
        "frame": row.frame,
        "number": number,  # within the pass
        "offset_s": offset_s,
        "angle_deg": angle_between_deg(item.view, view) if both_posed else None,
    }


def condition_rows(case: PixelCase, item: Item, home: Row, clean: np.ndarray, changed: list[np.ndarray]) -> list[dict]:
    """Outcome on the item's own frame (H, W, 3) after each condition of it, for each carrier's changed frame."""
    model = Cropping(case.model, case.window(home))
    return [row for condition in CONDITIONS for row in _under(condition, item, clean, changed, model)]


def _under(condition: Condition, item: Item, clean: np.ndarray, changed: list[np.ndarray], model) -> list[dict]:
    """One at a time: whole frames are large."""
    return image_rows(item, clean, changed, model, (condition,))


def clean_rows(case: PixelCase, rows: list[Row]) -> list[dict]:
    """What the model says of frames as they were taken; those that cannot be cropped are left out."""
    rows = [row for row in rows if case.window(row) is not None]
    found = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        logits = case.logits([case.image(row)[case.window(row)] for row in chunk])
        for row, verdict in zip(chunk, beside_twins(case.goal, case.model.labels, logits, logits), strict=True):
            known = {"item": case.captured.view_id(row), "frame": row.frame, "pass": row.pass_}
            found.append(known | {name: verdict[name] for name in ("predicted", "correct", "true_prob")})
    return found


def spread(n: int, most: int) -> list[int]:
    """At most so many of 0 .. n - 1, evenly: the middles of equal parts."""
    kept = min(n, most)
    return [int((i + 0.5) * n / kept) for i in range(kept)]
