"""Attacked images beside their clean twins, chosen by rules that are written under them."""

import base64

import polars as pl

from rig.attack.pixel.change import PixelChange
from rig.images import encode_jpeg, encode_png, read_image
from rig.metrics.load import Run

SHOWN = 8
PNG_SIDE_PX = 64  # up to here pictures are shown pixel by pixel, as they are; larger ones as JPEG
MAX_BYTES = 3_000_000


def galleries(run: Run, own: pl.DataFrame, network: str, search: str) -> list[dict]:
    """Title, rule and items of each; own: rows judged by the network attacked."""
    mine = own.filter((pl.col("found_on") == network) & (pl.col("search") == search))
    fewest = _fewest(mine)
    few, most = mine.filter(pl.col("pixels") == fewest), mine.filter(pl.col("pixels") == mine["pixels"].max())
    rules = [
        ("A cut through the set", f"evenly spaced in its order, {fewest} px, whatever the outcome", _evenly(few)),
        (
            "Best",
            f"fooled with {fewest} px in the fewest queries",
            few.filter("fooled").sort("success_query", "object"),
        ),
        (
            "Worst",
            f"not fooled with {mine['pixels'].max()} px, the right answer left most probable",
            most.filter(~pl.col("fooled")).sort("true_prob", "object", descending=[True, False]),
        ),
    ]
    found, left = [], MAX_BYTES
    for title, rule, rows in rules:
        items = [item(run, row) for row in rows.head(SHOWN).iter_rows(named=True)]
        size = sum(len(frame["src"]) for one in items for frame in one["frames"])
        if items and size <= left:
            left -= size
            found.append({"title": title, "rule": rule, "items": items})
    return found


def _fewest(mine: pl.DataFrame) -> int:
    """The smallest K with a success, else the smallest."""
    fooled = mine.filter("fooled")["pixels"].min()
    return mine["pixels"].min() if fooled is None else fooled


def _evenly(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("object", "target_label").gather_every(max(1, -(-len(rows) // SHOWN)))


def item(run: Run, row: dict) -> dict:
    """The clean image and the changed one, the changed places to be ringed."""
    folder = run.path / "artefacts"
    change = PixelChange.from_json((folder / row["artefact"] / f"{row['object']}.pixels.json").read_text())
    clean, changed = (read_image(folder / name / f"{row['object']}.png") for name in ("clean", row["artefact"]))
    rings = [{"x": column + 0.5, "y": r + 0.5} for r, column, *_ in change.pixels.tolist()]
    height, width = clean.shape[:2]
    true = row["true_label"]
    frames = [
        {"src": _source(clean), "predicted": true, "prob": row["clean_prob"], "result": "correct", "rings": []},
        {
            "src": _source(changed),
            "predicted": row["predicted"],
            "prob": row["predicted_prob"],
            "result": "fooled" if row["fooled"] else "correct" if row["correct"] else "other_wrong",
            "rings": rings,
        },
    ]
    said = "; ".join(f"({r}, {c}) #{red:02x}{green:02x}{blue:02x}" for r, c, red, green, blue in change.pixels.tolist())
    queries = row["success_query"] if row["fooled"] else row["queries_total"]
    return {
        "name": row["object"],
        "frames": frames,
        "pixels": said,
        "queries": queries,
        "ring_px": max(width, height) / 14,
        "size": (width, height),
        "small": max(width, height) <= PNG_SIDE_PX,
        "target": row["target_label"],
    }


def _source(image) -> str:
    small = max(image.shape[:2]) <= PNG_SIDE_PX
    kind, encoded = ("png", encode_png(image)) if small else ("jpeg", encode_jpeg(image, 90))
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
