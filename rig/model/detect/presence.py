"""A detector as sweeps and attacks ask a classifier: what is it that is found in the frame?"""

import numpy as np
import torch
import torch.nn.functional as F

from rig.errors import ModelError
from rig.images import batch_from_images
from rig.model.card import card_path
from rig.model.deployed import LEAST_PROB
from rig.model.detect.deployed import DeployedDetector
from rig.model.detect.gradient import DetectorGradient
from rig.model.detect.head import Candidates
from rig.model.gradient import gradient_of
from rig.model.labels import Labels
from rig.model.preprocess import check_images
from rig.model.proof import among

NOTHING = "nothing"
MOST_PROB = 1 - 1e-6  # clamp above which a score's odds are not followed
SHARPNESS = 2.0  # of the maximum over boxes that gradients see: odds to this power are summed


class Presence:
    """A detector with what sweeps and attacks use of `rig.model.DeployedModel`: its labels and one more, NOTHING.

    The object is the only thing meant to be in the frame, so a box counts wherever it lies. A label's score is its best
    over all boxes, NOTHING's is the card's threshold, logits are the log-odds of both. So top-1 is the label of the best of
    `DeployedDetector.predict`'s detections, or NOTHING where there are none: with the target NOTHING, adversariality is
    the rate of disappearance, with another label that of misclassification.
    Raises ModelError where the card names too few of the detector's labels, or has a label of that name.
    """

    def __init__(self, detector: DeployedDetector):
        self.detector, self.card = detector, detector.card
        self.path, self.sha256, self.size_px = detector.path, detector.sha256, detector.size_px
        self.provider, self.threads, self.fit = detector.provider, detector.threads, detector.fit
        self._n_labels = len(self.card.labels)
        self._require_names()
        self.labels = Labels([*self.card.labels, NOTHING])
        self.logits(torch.full((1, 3, *self.size_px), 0.5))  # more classes than labels are refused at load
        detector.queries -= 1

    @property
    def queries(self) -> int:
        """Images evaluated, by the file or by a gradient road of it."""
        return self.detector.queries

    def logits(self, batch: torch.Tensor) -> np.ndarray:
        """(B, 3, H, W) float32 RGB in [0, 1], any size, to (B, K + 1) float32."""
        found = [self.of(candidates).numpy() for candidates in self.detector.candidates(batch)]
        return np.concatenate([np.empty((0, len(self.labels)), np.float32), *found])

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, K + 1) of 8-bit images (N, H, W, 3) of any size, fitted as the card says."""
        check_images(images)
        found = [self.logits(batch_from_images(image[None])) for image in images]  # as many as a detector takes at once
        return np.concatenate([np.empty((0, len(self.labels)), np.float32), *found])

    def of(self, found: Candidates) -> torch.Tensor:
        """(B, K + 1)."""
        return self._beside_nothing(_log_odds(self._by_label(found).amax(1)))

    def smooth_of(self, found: Candidates) -> torch.Tensor:
        """(B, K + 1), every box having its part in its label's score: at most log(A) / SHARPNESS above `of`.

        A maximum is deaf to all boxes but one, wherever that lies, and has a kink where another takes over: for a target
        that is nowhere yet it may leave a patch without a slope.
        """
        return self._beside_nothing((SHARPNESS * _log_odds(self._by_label(found))).logsumexp(1) / SHARPNESS)

    def _beside_nothing(self, logits: torch.Tensor) -> torch.Tensor:
        # Scores up to LEAST_PROB are none: where the card asks for none either, NOTHING still is above them.
        threshold = torch.tensor(max(self.card.thresholds.score, 2 * LEAST_PROB))
        return F.pad(logits, (0, 1), value=float(_log_odds(threshold)))

    def _by_label(self, found: Candidates) -> torch.Tensor:
        """(B, A + 1, K), the last box without a score, so that there is one."""
        scores = found.scores
        if found.labels is None:
            self._require_named(scores.shape[2] - 1)
        else:
            labels = found.labels.where(scores[..., 0] > 0, 0)  # what fills rows up has no label
            for extreme in (labels.min(), labels.max()) if labels.numel() else ():
                self._require_named(int(extreme))
            scores = F.one_hot(labels, self._n_labels) * scores
        return F.pad(scores, (0, self._n_labels - scores.shape[2], 0, 1))

    def _require_named(self, label: int) -> None:
        if not 0 <= label < self._n_labels:
            where, last = card_path(self.path), self._n_labels - 1
            raise ModelError("the detector has a label without a name", where=where, got=label, expected=f"0 to {last}")

    def _require_names(self) -> None:
        where = card_path(self.path)
        if not self.card.labels:
            raise ModelError("the detector's labels have no names", where=where, expected="labels in the card")
        if NOTHING in (name.strip().casefold() for entry in self.card.labels for name in entry.split(", ")):
            hint = "that is what a frame without detections is called: choose another name"
            raise ModelError("a label is taken", where=where, got=NOTHING, hint=hint)


def _log_odds(scores: torch.Tensor) -> torch.Tensor:
    """Not logarithms: a sure detection pulls as much as a doubtful one."""
    return scores.clamp(min=LEAST_PROB).log() - (1 - scores.clamp(max=MOST_PROB)).log()


class PresenceGradient:
    """As `rig.model.gradient.Gradient`, of a `Presence`: losses are of its `smooth_of`, logits of its `of`.

    Where the graph selects detections itself, both are of what it selects from: scores that it leaves out count, too,
    which the file's own answers do not have.
    """

    def __init__(self, presence: Presence, road: str | None = None):
        self._presence, self._gradient = presence, DetectorGradient(presence.detector, road)
        self.as_classifier = _, alone = self._gradient.as_classifier
        self.road, self.max_logit_error, self.stand_in = alone.road, alone.max_logit_error, alone.stand_in
        self.is_estimate, self.share = alone.is_estimate, alone.share

    def value_and_grad(self, batch, objective):
        def loss(found: Candidates) -> torch.Tensor:
            logits, start = self._presence.smooth_of(found), found.images.start or 0
            placed = objective(among(logits, slice(start, start + len(logits)), len(batch)))
            return placed[start : start + len(logits)]

        losses, grad, found = self._gradient.value_and_grad(batch, loss)
        return losses, grad, self._presence.of(found)


gradient_of.register(Presence, PresenceGradient)
