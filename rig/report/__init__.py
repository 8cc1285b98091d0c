"""NUMBERS -> PAGES: one self-contained HTML file and its JSON from a run folder. Needs no model, GPU or network."""

from rig.report.write import write_report

__all__ = ["write_report"]
