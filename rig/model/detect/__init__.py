"""Detectors as deployed: boxes in the frame's pixels, objectives and gradients."""

from rig.model.detect.card import DetectorCard
from rig.model.detect.deployed import DeployedDetector, Detections
from rig.model.detect.either import Judge, open_judge, open_model
from rig.model.detect.gradient import DetectorGradient
from rig.model.detect.head import Candidates
from rig.model.detect.objectives import DetectorObjective, disappearance, misclassification
from rig.model.detect.presence import NOTHING, Presence

__all__ = [
    "NOTHING",
    "Candidates",
    "DeployedDetector",
    "Detections",
    "DetectorCard",
    "DetectorGradient",
    "DetectorObjective",
    "Judge",
    "Presence",
    "disappearance",
    "misclassification",
    "open_judge",
    "open_model",
]
