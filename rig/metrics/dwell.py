"""Fooling over time: how long a fooled spell lasts, and how often the answer flips."""

import numpy as np
import polars as pl


def dwell(key: tuple, group: pl.DataFrame) -> list[dict]:
    """One row a pass of one object, model, crop and artefact, from its `result` and `time_s`."""
    names = ("object", "model", "crop", "artefact")
    passes = group.sort("time_s").partition_by("session", "pass", as_dict=True, maintain_order=True)
    return [
        dict(zip(names, key, strict=True))
        | dict(zip(("session", "pass"), place, strict=True))
        | spells((one["result"] == "fooled").to_numpy(), one["time_s"].to_numpy())
        for place, one in passes.items()
    ]


def spells(fooled: np.ndarray, time_s: np.ndarray) -> dict:
    """Longest run of fooled frames, in frames and from its first to its last frame in seconds; flips a second.

    `fooled` (N,) in order of `time_s` (N,). `flips_per_s` is None for a single moment.
    """
    starts, stops = _runs(fooled)
    lengths = stops - starts
    longest = int(lengths.argmax()) if len(lengths) else None
    flips, seconds = int((fooled[1:] != fooled[:-1]).sum()), float(time_s[-1] - time_s[0])
    return {
        "n": len(fooled),
        "seconds": seconds,
        "n_fooled": int(fooled.sum()),
        "n_spells": len(starts),
        "longest_frames": 0 if longest is None else int(lengths[longest]),
        "longest_s": 0.0 if longest is None else float(time_s[stops[longest] - 1] - time_s[starts[longest]]),
        "flips": flips,
        "flips_per_s": flips / seconds if seconds > 0 else None,
    }


def spell_about(fooled: np.ndarray, judged: np.ndarray, time_s: np.ndarray, at: int) -> dict:
    """The run of fooled frames that holds frame `at`: how many, and from its first to its last in seconds.

    `fooled` (N,) counts where `judged` (N,). `open_ended`: it may have been longer, as the frame before it or after it
    was not judged, or there is none.
    """
    for start, stop in zip(*_runs(fooled & judged), strict=True):
        if start <= at < stop:
            closed = start > 0 and judged[start - 1] and stop < len(judged) and judged[stop]
            seconds = float(time_s[stop - 1] - time_s[start])
            return {"frames": int(stop - start), "seconds": seconds, "open_ended": not closed}
    return {"frames": 0, "seconds": 0.0, "open_ended": False}


def _runs(fooled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices at which runs of True begin, and at which they have ended."""
    edges = np.diff(np.r_[0, fooled.astype(int), 0])
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
