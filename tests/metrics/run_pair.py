"""A second run made from a synthetic one: the same views, with outcomes, names and records changed by rule."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
from synthetic_run import write_part


def second_run(first: Path, path: Path, change: Callable[[dict], dict] = dict, **record) -> Path:
    """A copy of `first` whose rows went through `change`, and whose run.json has the keys of `record`."""
    shutil.copytree(first, path, ignore=shutil.ignore_patterns("metrics.json", "report.*"))
    for number, part in enumerate(sorted((path / "trials").glob("part-*.parquet"))):
        write_part(path, [change(row) for row in pl.read_parquet(part).to_dicts()], number)
    state = json.loads((path / "run.json").read_text(encoding="utf-8")) | record
    (path / "run.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
    return path


def called(row: dict, outcome: str) -> dict:
    """The row with another answer: correct, target or other_wrong."""
    label = {"correct": row["true_label"].split(" | ")[0], "target": row["target_label"], "other_wrong": "bucket"}[
        outcome
    ]
    sure, least = row["predicted_prob"], 0.05
    probs = {
        "true_prob": sure if outcome == "correct" else least,
        "target_prob": sure if outcome == "target" else least,
    }
    top5 = json.dumps([[label, sure]])
    return row | {"predicted": label, "outcome": outcome, "top5": top5} | probs


def number(row: dict) -> int:
    return int(row["view"].rsplit("-", 1)[1])


def model_record(name: str, letter: str = "c") -> dict:
    return {
        "name": name,
        "sha256_before": letter * 64,
        "sha256_after": letter * 64,
        "provider": "CPU",
        "gradient": None,
    }
