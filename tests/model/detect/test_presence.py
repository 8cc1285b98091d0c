"""A detector asked as a classifier says what its own detections say, and has the slopes of what it says."""

import numpy as np
import pytest
import torch
from planted import LAYOUTS, detector

from rig.attack.goal import Goal, cross_entropy
from rig.audit.deep.toy import write_toy
from rig.errors import ModelError
from rig.images import batch_from_images
from rig.model import DeployedModel, gradient_of
from rig.model.card import write_card
from rig.model.detect import NOTHING, DeployedDetector, Presence, open_judge

NAMES = ["red", "green"]
FROM_ONE = ("ssd_softmax", "nms")  # labels 1 and 2: 0 is the background
ALONE = ("nms", "nms_flat")  # one image a call
SELECTED = ("nms", "nms_flat", "topk")


def made(folder, layout, labels=None, score=0.25, **options):
    """A judge with a card of its own: names for all labels, and a threshold."""
    path = detector(folder / f"{layout}.onnx", layout, batch=1 if layout in ALONE else "n", **options)
    card = DeployedDetector(path, threads=1).card
    labels = ["background"] * (layout in FROM_ONE) + NAMES if labels is None else labels
    thresholds = card.thresholds.model_copy(update={"score": score})
    write_card(card.model_copy(update={"labels": labels, "thresholds": thresholds}), path)
    return open_judge(path)


def frames(size_px=(64, 96), n=24):
    """Noise with up to three rectangles, red or green, of any strength."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (n, *size_px, 3), np.uint8)
    for image in images:
        for _ in range(rng.integers(0, 4)):
            top, left = (rng.integers(0, side - 20) for side in size_px)
            image[top : top + 30, left : left + 30, rng.integers(0, 2)] = rng.integers(120, 256)
    return images


def log_odds(score):
    return np.log(score / (1 - score))


@pytest.mark.parametrize("size_px", [(64, 96), (80, 80)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_top_1_is_the_best_detection_or_nothing(tmp_path, layout, size_px):
    judge, images = made(tmp_path, layout), frames(size_px)
    logits = judge.predict(images)
    best = np.zeros((len(images), len(judge.labels)))
    best[:, -1] = 0.25
    said = []
    for row, found in zip(best, judge.detector.predict(images), strict=True):
        said.append(judge.labels[found.labels[0]] if len(found.labels) else NOTHING)
        for label, score in zip(found.labels, found.scores.astype(float), strict=True):
            row[label] = max(row[label], score)
    assert [judge.labels[k] for k in logits.argmax(1)] == said
    assert set(said) == {*NAMES, NOTHING}
    counted = best >= 0.25
    np.testing.assert_allclose(logits[counted], log_odds(best[counted]), atol=1e-3)
    assert (logits[~counted] < log_odds(0.25)).all()


@pytest.mark.parametrize("layout", ["yolov5", "nms"])
def test_equal_frames_have_equal_scores_whichever_way_they_come(tmp_path, layout):
    judge, images = made(tmp_path, layout), frames((100, 70), 5)
    asked = judge.queries
    np.testing.assert_array_equal(judge.predict(images), judge.logits(batch_from_images(images)))
    fitted = judge.fit(batch_from_images(images))
    assert tuple(fitted.shape[2:]) == judge.size_px
    np.testing.assert_array_equal(judge.predict(images), judge.logits(fitted))
    assert asked == 0 and judge.queries == 20
    assert judge.predict(images[:0]).shape == (0, len(judge.labels))


@pytest.mark.parametrize("score", [0.0, 0.5])
def test_nothing_is_what_no_detection_is_called_at_any_threshold(tmp_path, score):
    judge = made(tmp_path, "nms", score=score)
    images = np.zeros((2, 64, 96, 3), np.uint8)
    images[1, 0:16, 16:32, 1] = 255
    assert [len(found.labels) for found in judge.detector.predict(images)] == [0, 1]
    assert [judge.labels[k] for k in judge.predict(images).argmax(1)] == [NOTHING, "green"]


def attacked_loss(twin, batch, target):
    """Cross-entropy over red, green and nothing, each box's odds squared, in float64 from what the file says."""
    every = torch.cat([found.scores for found in twin.detector.candidates(batch)]).double().numpy()[..., -2:]
    odds = np.sqrt(((every / (1 - every)) ** 2).sum(1))
    red, green, nothing = (*odds.T, 1 / 3)
    aim = {"green": green, NOTHING: nothing, None: red}[target]
    return (1 if target is None else -1) * np.log(aim / (red + green + nothing))


@pytest.mark.parametrize("target", [NOTHING, "green", None])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_slopes_are_those_of_the_files_own_scores(tmp_path, layout, target):
    """Central differences; of a graph that suppresses overlaps, in its twin that does not."""
    judge = made(tmp_path, layout, doubt=8.0)
    twin = made(tmp_path, "ssd", doubt=8.0) if layout in SELECTED else judge
    loss = cross_entropy(
        Goal((judge.labels.index_of("red"),), None if target is None else judge.labels.index_of(target))
    )
    both = np.zeros((64, 96, 3), np.uint8)
    both[24:40, 48:64, 0], both[0:16, 16:32, 1] = 115, 100
    batch = batch_from_images(both + np.random.default_rng(1).integers(20, 40, (3, *both.shape), np.uint8))
    gradient = gradient_of(judge)
    losses, grad, logits = gradient.value_and_grad(batch, loss)
    assert gradient.road.startswith("compiled gradient graph, ") and not gradient.is_estimate
    np.testing.assert_allclose(losses, attacked_loss(twin, batch, target), rtol=1e-4)
    signs = torch.randn(batch.shape, generator=torch.Generator().manual_seed(1)).sign()
    for direction in (grad.sign(), signs, torch.where(signs > 0, grad.sign(), signs)):
        above, below = (attacked_loss(twin, batch + side * 2e-3 * direction, target) for side in (1, -1))
        np.testing.assert_allclose((grad * direction).sum((1, 2, 3)), (above - below) / 4e-3, rtol=0.01, atol=0.01)
    shown = [judge.labels.index_of("red"), judge.labels.index_of("green"), -1]  # those that no selection leaves out
    np.testing.assert_allclose(logits[:, shown], judge.logits(batch)[:, shown], atol=1e-3)


@pytest.mark.parametrize("layout", ["yolov8", "topk"])
def test_what_gradients_see_lies_a_little_above_the_best_box(tmp_path, layout):
    judge = made(tmp_path, layout)
    for found in judge.detector.candidates(batch_from_images(frames())):
        above = judge.smooth_of(found) - judge.of(found)
        assert (above >= -1e-5).all() and (above <= np.log(155) / 2 + 1e-5).all() and above[0, -1] == 0


def test_a_class_that_is_nowhere_yet_has_a_slope_everywhere(tmp_path):
    """All boxes tie but for a trace: the best one alone would leave every other place without one."""
    judge, grey = made(tmp_path, "yolov8", doubt=4.0), torch.full((1, 3, 64, 96), 0.5)
    grey[:, 1, :16, :16] += 0.01
    _, grad, logits = gradient_of(judge).value_and_grad(grey, cross_entropy(Goal((0,), 1)))
    assert int(logits.argmax()) == 2 and (grad[0, 1] < 0).all()


def test_an_objective_with_a_class_for_each_image_meets_it_in_every_call(tmp_path, monkeypatch):
    judge = made(tmp_path, "yolov8")
    gradient, batch = gradient_of(judge), batch_from_images(frames(n=9))
    wanted = torch.arange(9) % 3
    monkeypatch.setattr("rig.model.detect.gradient.CALL_BYTES", 0)  # four images a call
    losses, grad, logits = gradient.value_and_grad(batch, lambda z: z[torch.arange(9), wanted] ** 2)
    assert logits.shape == (9, 3)
    for i in range(9):
        loss, alone, _ = gradient.value_and_grad(batch[i : i + 1], lambda z, i=i: z[:, wanted[i]] ** 2)
        torch.testing.assert_close(losses[i], loss[0])
        torch.testing.assert_close(grad[i], alone[0])


def test_a_sure_detection_pulls_as_much_as_a_doubtful_one(tmp_path):
    judge = made(tmp_path, "ssd", doubt=8.0)
    both = np.zeros((2, 64, 96, 3), np.uint8)
    both[0, 24:40, 48:64, 0], both[1, 24:40, 48:64, 0] = 115, 250
    batch = batch_from_images(both)
    assert (torch.sigmoid(torch.from_numpy(judge.logits(batch)[:, 0])) > torch.tensor([0.7, 0.99999])).all()
    loss = cross_entropy(Goal((0,), 2))
    doubtful, sure = gradient_of(judge).value_and_grad(batch, loss)[1].flatten(1).norm(dim=1)
    assert sure > 0.9 * doubtful


def test_roads_count_and_scores_alone_are_an_estimate(tmp_path):
    judge = made(tmp_path, "yolov8")
    gradient = gradient_of(judge, "nes")
    asked = judge.queries
    gradient.value_and_grad(batch_from_images(frames(n=2)), lambda z: z[:, 0])
    assert judge.queries == asked + 2 * 101 and gradient.is_estimate
    with pytest.raises(ModelError, match="no such road"):
        gradient_of(judge, "magic")


def test_a_classifier_stays_what_it_is(tmp_path):
    write_toy(tmp_path / "toy.onnx", 1.0)
    assert isinstance(open_judge(tmp_path / "toy.onnx"), DeployedModel)
    assert isinstance(made(tmp_path, "yolov8"), Presence)


@pytest.mark.parametrize(
    ("layout", "labels", "message"),
    [
        ("nms", [], "labels have no names; expected labels in the card"),
        ("yolov8", ["red", "Nothing, void"], "a label is taken; got nothing"),
        ("yolov8", ["red"], "a label without a name; got 1; expected 0 to 0"),
    ],
)
def test_a_card_that_names_too_little_or_too_much_is_refused(tmp_path, layout, labels, message):
    with pytest.raises(ModelError, match=message) as caught:
        made(tmp_path, layout, labels=labels)
    assert f"{layout}.card.json" in str(caught.value) and "\n" not in str(caught.value)


def test_a_label_that_only_a_frame_shows_to_be_nameless_is_one_line(tmp_path):
    judge = made(tmp_path, "nms", labels=["background", "red"])
    green = np.zeros((1, 64, 96, 3), np.uint8)
    green[:, 0:16, 16:32, 1] = 255
    with pytest.raises(ModelError, match="a label without a name; got 2; expected 0 to 1"):
        judge.predict(green)


def test_what_is_no_stack_of_images_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not a stack of images"):
        made(tmp_path, "yolov8").predict(np.zeros((64, 96, 3), np.uint8))
