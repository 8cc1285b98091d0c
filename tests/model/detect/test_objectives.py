import numpy as np
import pytest
import torch

from rig.errors import ModelError
from rig.model.detect import Candidates, disappearance, misclassification

BOX = torch.tensor([9.5, 9.5, 29.5, 29.5], dtype=torch.float64)


def some(seed=0, n=3, boxes=40, classes=4):
    """Boxes that overlap BOX by anything from nothing to all."""
    generator = torch.Generator().manual_seed(seed)
    shift = torch.rand(n, boxes, 1, generator=generator, dtype=torch.float64) * 20
    scores = torch.rand(n, boxes, classes, generator=generator, dtype=torch.float64)
    return BOX + shift, scores


def by_hand(boxes, scores, label, box, min_iou):
    """One number at a time."""
    best = -np.inf
    for (x0, y0, x1, y1), row in zip(boxes.tolist(), scores.tolist(), strict=True):
        width, height = min(x1, box[2]) - max(x0, box[0]), min(y1, box[3]) - max(y0, box[1])
        shared = max(width, 0) * max(height, 0)
        whole = (x1 - x0) * (y1 - y0) + (box[2] - box[0]) * (box[3] - box[1]) - shared
        if shared / whole > min_iou:
            score = max(row) if label is None else row[label]
            best = max(best, np.log(score / (1 - score)))
    return best


@pytest.mark.parametrize("label", [None, 2])
@pytest.mark.parametrize("min_iou", [0.3, 0.6])
def test_disappearance_is_the_best_log_odds_over_the_box(label, min_iou):
    boxes, scores = some()
    losses = disappearance(label, BOX, min_iou)(Candidates(boxes, scores))
    expected = [by_hand(b, s, label, BOX.tolist(), min_iou) for b, s in zip(boxes, scores, strict=True)]
    np.testing.assert_allclose(losses, expected)


def test_disappearance_everywhere_is_over_all_boxes():
    boxes, scores = some()
    losses = disappearance(1)(Candidates(boxes, scores))
    np.testing.assert_allclose(losses, torch.logit(scores[..., 1].amax(1)))


def test_misclassification_raises_the_target_and_its_lead():
    boxes, scores = some()
    found = Candidates(boxes, scores)
    raised = misclassification(3, BOX)(found)
    np.testing.assert_allclose(raised, -disappearance(3, BOX)(found))
    lead = misclassification(3, BOX, label=0)(found)
    np.testing.assert_allclose(lead, disappearance(0, BOX)(found) + raised)


@pytest.mark.parametrize(
    "objective", [disappearance(), disappearance(2, BOX), misclassification(1, BOX), misclassification(1, BOX, 0, 0.2)]
)
def test_gradients_are_those_of_finite_differences(objective):
    boxes, scores = some(5)
    assert torch.autograd.gradcheck(lambda s: objective(Candidates(boxes, s)), scores.requires_grad_())


def test_each_image_has_its_own_box():
    boxes, scores = some()
    each = torch.stack([BOX, BOX + 15, BOX + 5])
    together = disappearance(None, each)(Candidates(boxes, scores))
    alone = [disappearance(None, each[i])(Candidates(boxes[i : i + 1], scores[i : i + 1])) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_where_no_box_overlaps_there_is_no_more_to_gain():
    boxes, scores = some()
    scores.requires_grad_()
    losses = disappearance(None, BOX + 500)(Candidates(boxes, scores))
    (grad,) = torch.autograd.grad(losses.sum(), scores)
    assert (losses < -13).all() and not grad.any()


def test_boxes_with_labels_count_for_their_own():
    boxes, scores = some(classes=1)
    labels = torch.arange(40).expand(3, -1) % 2
    losses = disappearance(1)(Candidates(boxes, scores, labels))
    np.testing.assert_allclose(losses, torch.logit(scores[:, 1::2, 0].amax(1)))


def test_unknown_labels_are_refused():
    with pytest.raises(ModelError, match="no such class id; got 4; expected 0 to 3"):
        disappearance(4)(Candidates(*some()))
