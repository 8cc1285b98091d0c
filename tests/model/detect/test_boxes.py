import cv2
import numpy as np
import pytest
import torch

from rig.errors import ModelError
from rig.model.detect.boxes import from_network, iou, nms
from rig.model.detect.card import FitCard
from rig.model.detect.placement import place


def random_boxes(n, seed, side_px=100.0):
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, side_px, (n, 2))
    return np.concatenate([low, low + generator.uniform(5, side_px / 2, (n, 2))], 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_iou", [0.1, 0.45, 0.8])
def test_suppression_is_that_of_opencv(seed, max_iou):
    generator = np.random.default_rng(seed + 100)
    boxes = random_boxes(20, seed).repeat(6, axis=0) + generator.normal(0, 1.5, (120, 4))
    scores, labels = generator.permutation(120).astype(np.float32) / 120 + 0.01, generator.integers(0, 3, 120)
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(labels), max_iou)
    as_xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    expected = cv2.dnn.NMSBoxesBatched(as_xywh.tolist(), scores.tolist(), labels.tolist(), 0.0, max_iou)
    alone = [
        index
        for label in range(3)
        for index in np.flatnonzero(labels == label)[
            cv2.dnn.NMSBoxes(as_xywh[labels == label].tolist(), scores[labels == label].tolist(), 0.0, max_iou)
        ]
    ]
    assert sorted(kept.tolist()) == sorted(expected) == sorted(alone)
    assert (np.diff(scores[kept]) <= 0).all() and 3 <= len(kept) < 120


def test_suppression_of_nothing():
    assert nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0), 0.5).tolist() == []


def test_overlap_is_the_share_of_pixels():
    """Boxes on pixel borders, counted pixel by pixel."""
    boxes = np.round(random_boxes(8, 3, 40.0)) - 0.5
    v, u = np.mgrid[:80, :80]
    masks = np.stack([(u > b[0]) & (u < b[2]) & (v > b[1]) & (v < b[3]) for b in boxes])
    shared = (masks[:, None] & masks).sum((2, 3)) / (masks[:, None] | masks).sum((2, 3))
    tensor = torch.from_numpy(boxes)
    np.testing.assert_allclose(iou(tensor[:, None], tensor), shared, atol=1e-12)
    assert iou(torch.zeros(4), torch.zeros(4)) == 0


def test_forms_are_one_box():
    expected = torch.tensor([9.5, 19.5, 29.5, 49.5], dtype=torch.float64)
    forms = {"xyxy": [10, 20, 30, 50], "yxyx": [20, 10, 50, 30], "cxcywh": [20, 35, 20, 30]}
    for form, numbers in forms.items():
        tensor = torch.tensor(numbers, dtype=torch.float64)
        torch.testing.assert_close(from_network(tensor, form, (1, 1)), expected)
        as_frac = tensor / tensor.new_tensor([50, 100, 50, 100] if form == "yxyx" else [100, 50, 100, 50])
        torch.testing.assert_close(from_network(as_frac, form, (100, 50)), expected)


@pytest.mark.parametrize("frame_px", [(64, 96), (480, 640), (101, 333), (700, 40), (17, 9)])
@pytest.mark.parametrize("mode", ["letterbox", "stretch"])
def test_boxes_go_there_and_back(mode, frame_px):
    placement = place(FitCard(mode=mode, fill=0.4), frame_px, (64, 96))
    boxes = torch.from_numpy(random_boxes(20, 1, 100.0)) / 150 * torch.tensor([frame_px[1], frame_px[0]] * 2) - 0.5
    torch.testing.assert_close(placement.to_frame(placement.to_model(boxes)), boxes)
    whole = torch.tensor([-0.5, -0.5, frame_px[1] - 0.5, frame_px[0] - 0.5], dtype=torch.float64)
    torch.testing.assert_close(placement.to_frame(torch.tensor([-99.0, -99, 999, 999], dtype=torch.float64)), whole)
    fitted = placement.fit(torch.ones(1, 3, *frame_px), 0.4)
    assert fitted.shape == (1, 3, 64, 96)
    left, top, right, bottom = (placement.to_model(whole) + 0.5).round().int().tolist()
    assert (fitted[..., top:bottom, left:right] > 0.99).all()
    assert int((fitted == 0.4).sum()) == 3 * (64 * 96 - (bottom - top) * (right - left))


def test_letterbox_is_yolos():
    """480 x 640 to 640 x 640: 80 grey rows above and below; an odd row of grey lies below."""
    placement = place(FitCard(mode="letterbox", fill=0.4), (480, 640), (640, 640))
    assert (placement.inner_px, placement.top, placement.left) == ((480, 640), 80, 0)
    assert place(FitCard(mode="letterbox", fill=0.4), (33, 64), (64, 64)).top == 15


def test_what_a_square_covers_is_where_its_box_lands():
    """The centre of mass of a bright square, after fitting, is the centre of its box there."""
    frame = torch.zeros(1, 3, 120, 90)
    frame[..., 30:60, 21:63] = 1.0
    placement = place(FitCard(mode="letterbox", fill=0.0), (120, 90), (64, 96))
    fitted = placement.fit(frame, 0.0)[0, 0].double()
    box = placement.to_model(torch.tensor([20.5, 29.5, 62.5, 59.5], dtype=torch.float64))
    u = (fitted.sum(0) * torch.arange(96)).sum() / fitted.sum()
    v = (fitted.sum(1) * torch.arange(64)).sum() / fitted.sum()
    torch.testing.assert_close(torch.stack([u, v]), (box[:2] + box[2:]) / 2, atol=0.03, rtol=0)


def test_bad_batches_are_refused():
    with pytest.raises(ModelError, match="not a batch of images"):
        place(FitCard(mode="stretch", fill=0.0), (8, 8), (64, 96)).fit(torch.ones(1, 3, 8, 8).double(), 0.0)
