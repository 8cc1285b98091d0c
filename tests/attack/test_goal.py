import numpy as np
import pytest
import torch

from rig.attack.goal import MARGIN_CLAMP, OBJECTIVES, Goal, cross_entropy, goal_of, hinged_margin, worst
from rig.errors import RigError
from rig.model import Labels
from rig.scene import load_scene

LOGITS = torch.tensor([[4.0, 1.0, 0.0, -1.0], [0.0, 3.0, 2.9, 0.0], [0.0, 0.0, 9.0, 1.0]], dtype=torch.float64)
TARGETED, UNTARGETED = Goal((0, 3), 2), Goal((0, 3), None)


def test_targeted_success_is_pred_equal_target_and_never_any_other_wrong_class():
    assert TARGETED.reached(LOGITS.numpy()).tolist() == [False, False, True]


def test_untargeted_success_is_any_class_but_the_true_ones():
    assert UNTARGETED.reached(LOGITS.numpy()).tolist() == [False, True, True]


def test_cross_entropy_is_the_negative_log_probability_of_the_target():
    expected = -np.log(np.exp(LOGITS[:, 2].numpy()) / np.exp(LOGITS.numpy()).sum(axis=1))
    np.testing.assert_allclose(cross_entropy(TARGETED)(LOGITS), expected, rtol=1e-5)


def test_untargeted_cross_entropy_is_the_log_probability_of_all_true_classes_together():
    probs = np.exp(LOGITS.numpy()) / np.exp(LOGITS.numpy()).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(cross_entropy(UNTARGETED)(LOGITS), np.log(probs[:, [0, 3]].sum(axis=1)), rtol=1e-5)


def test_the_margin_is_negative_exactly_where_the_goal_is_reached_and_clamped_beyond():
    for goal in (TARGETED, UNTARGETED):
        margins = hinged_margin(goal)(LOGITS)
        assert ((margins < 0).numpy() == goal.reached(LOGITS.numpy())).all()
    assert hinged_margin(TARGETED)(LOGITS).tolist() == pytest.approx([4.0, 0.1, -MARGIN_CLAMP])


def test_worst_view_weights_are_the_cvar():
    losses = torch.tensor([3.0, 1.0, 2.0, 5.0, 4.0, 0.0, -1.0, -2.0, -3.0, -4.0])
    weights = worst(losses)
    assert weights.mean().item() == pytest.approx(1)
    assert (weights * losses).mean().item() == pytest.approx((5 + 4 + 3) / 3)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("goal", [TARGETED, UNTARGETED], ids=["targeted", "untargeted"])
def test_every_objective_falls_towards_its_goal(name, goal):
    """One table, every objective: a step down its gradient brings the logits nearer to the goal."""
    of_view, weights = OBJECTIVES[name]
    logits = torch.tensor([[1.0, 0.9, 0.8, 0.0]], requires_grad=True)
    loss = of_view(goal)(logits)
    (gradient,) = torch.autograd.grad((loss * weights(loss.detach())).sum(), logits)
    assert goal.reached((logits - 5 * gradient).detach().numpy()).all()


def test_a_target_that_is_a_true_label_is_refused():
    with pytest.raises(RigError, match="the target is a true label of the object; got ball"):
        scene = load_scene("baseball", ('object.labels=["ball","bat"]',))
        goal_of(scene, "ball", Labels(["ball", "bat", "glove"]))
