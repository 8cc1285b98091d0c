"""TRIALS -> NUMBERS: rates, intervals, persistence over the view sphere. Reads a run folder, needs no model or GPU."""

from rig.metrics.summary import metrics

__all__ = ["metrics"]
