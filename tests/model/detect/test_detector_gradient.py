import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from planted import LAYOUTS, SIDE_PX, STRIDE_PX, detector

from rig.errors import ModelError
from rig.model.card import write_card
from rig.model.detect import DeployedDetector, DetectorGradient, disappearance, misclassification

FROM_ONE = ("ssd_softmax", "nms")
ALONE = ("nms", "nms_flat")


def made(folder, layout, **options):
    batch = options.pop("batch", 1 if layout in ALONE else "n")
    return DeployedDetector(detector(folder / f"{layout}.onnx", layout, batch=batch, **options), threads=1)


@pytest.fixture(scope="module")
def pictures(picture):
    """(3, 3, 64, 96), none of them saturated."""
    still = torch.from_numpy(picture).permute(2, 0, 1).float() / 255
    noise = torch.rand(3, *still.shape, generator=torch.Generator().manual_seed(0))
    return 0.85 * still + 0.1 * noise


def log_odds(batch, layout, label, box):
    """The planted detector in torch, in float64, at one box: (B,)."""
    left, top = (round(side + 0.5) // STRIDE_PX for side in box[:2])
    look = (
        torch.tensor([[1, 1, -1], [1, -1, 0], [-1, 1, 0]]).double()[:, :, None, None].expand(-1, -1, SIDE_PX, SIDE_PX)
    )
    sure = F.conv2d(batch, look * 20 / SIDE_PX**2, stride=STRIDE_PX)[:, :, top, left] - 15
    if layout == "ssd_softmax":
        return torch.logit(torch.cat([sure[:, :1] * 0, sure[:, 1:]], 1).softmax(1)[:, label + 1])
    return (
        torch.logit(sure[:, 0].sigmoid() * sure[:, 1 + label].sigmoid()) if layout == "yolov5" else sure[:, 1 + label]
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("unit", ["px", "frac"])
def test_every_layout_has_the_gradient_of_its_own_arithmetic(tmp_path, layout, unit, pictures, squares):
    gradient = DetectorGradient(made(tmp_path, layout, unit=unit))
    assert gradient.road.startswith("compiled gradient graph, ")
    for label, box in squares.items():
        objective = disappearance(label + (layout in FROM_ONE), torch.tensor(box))
        losses, grad, _ = gradient.value_and_grad(pictures, objective)
        images = pictures.double().requires_grad_()
        expected = log_odds(images, layout, label, box)
        torch.testing.assert_close(losses.double(), expected, rtol=1e-4, atol=1e-4)
        (expected_grad,) = torch.autograd.grad(expected.sum(), images)
        assert (grad - expected_grad).norm() < 1e-3 * expected_grad.norm()


@pytest.mark.parametrize("layout", ["yolov5", "yolov8", "ssd_softmax", "topk"])
def test_gradient_has_the_slope_of_what_the_file_itself_says(tmp_path, layout, pictures, squares):
    made_detector = made(tmp_path, layout)
    first = int(layout in FROM_ONE)
    objective = misclassification(1 + first, torch.tensor(squares[0]), label=first)
    if layout == "topk":
        objective = disappearance(first, torch.tensor(squares[0]))
    _, grad, _ = DetectorGradient(made_detector).value_and_grad(pictures, objective)
    step = 0.02 * torch.sign(torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1)) + 5 * grad.sign())
    above, below = (torch.cat([objective(c) for c in made_detector.candidates(pictures + s)]) for s in (step, -step))
    np.testing.assert_allclose((grad * 2 * step).sum((1, 2, 3)), above - below, rtol=0.02)


def test_candidates_are_those_of_the_file(tmp_path, pictures):
    made_detector = made(tmp_path, "yolov5")
    gradient = DetectorGradient(made_detector)
    _, _, found = gradient.value_and_grad(pictures, disappearance())
    assert gradient.max_logit_error < 1e-5
    said = made_detector.candidates(pictures)
    torch.testing.assert_close(found.scores, torch.cat([each.scores for each in said]))
    torch.testing.assert_close(found.boxes_xyxy_px, torch.cat([each.boxes_xyxy_px for each in said]))


def test_a_descent_makes_the_square_disappear(tmp_path, picture, squares):
    """Up to the file's own, suppressed, last word."""
    made_detector = made(tmp_path, "nms")
    gradient = DetectorGradient(made_detector)
    batch = torch.from_numpy(picture)[None].permute(0, 3, 1, 2).float() / 255
    objective = disappearance(1, torch.tensor(squares[0]))
    for _ in range(10):
        _, grad, _ = gradient.value_and_grad(batch, objective)
        batch = (batch - 0.04 * grad.sign()).clamp(0, 1)
    assert made_detector.predict([picture])[0].labels.tolist() == [1, 2]
    assert made_detector.detect(batch)[0].labels.tolist() == [2]


def in_bytes(graph):
    """(N, H, W, 3) uint8 in, scaled in the graph."""
    graph.node[0].input[0] = "planes"
    graph.node.insert(0, helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.FLOAT))
    graph.node.insert(1, helper.make_node("Div", ["whole", "most"], ["scaled"]))
    graph.node.insert(2, helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]))
    graph.initializer.append(helper.make_tensor("most", TensorProto.FLOAT, [], [255.0]))
    graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 64, 96, 3]))


def in_halves(graph):
    """float16 in and out."""
    graph.node[0].input[0] = "wide"
    graph.node.insert(0, helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT))
    graph.node[-1].output[0] = "wide_output"
    graph.node.append(helper.make_node("Cast", ["wide_output"], ["output0"], to=TensorProto.FLOAT16))
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16


@pytest.mark.parametrize(("edit", "tolerance"), [(in_bytes, 1e-4), (in_halves, 2e-2)])
def test_inputs_of_other_kinds(tmp_path, edit, tolerance, pictures, squares):
    batch = (pictures * 255).round() / 255
    gradient = DetectorGradient(made(tmp_path, "yolov8", edit=edit))
    losses, grad, _ = gradient.value_and_grad(batch, disappearance(0, torch.tensor(squares[0])))
    images = batch.double().requires_grad_()
    expected = log_odds(images, "yolov8", 0, squares[0])
    torch.testing.assert_close(losses.double(), expected, rtol=tolerance, atol=tolerance)
    (expected_grad,) = torch.autograd.grad(expected.sum(), images)
    assert (grad - expected_grad).norm() < tolerance * expected_grad.norm()


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batches_and_boxes_of_each_image(tmp_path, batch, pictures, squares):
    gradient = DetectorGradient(made(tmp_path, "yolov8", batch=batch))
    boxes = torch.tensor([squares[0], squares[1], squares[0]]).repeat(3, 1)
    many = pictures.repeat(3, 1, 1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rig.model.detect.gradient.CALL_BYTES", 0)  # four images a call, where the rows are long
        parts = gradient.value_and_grad(many, disappearance(None, boxes))
    assert [len(part) for part in (*parts[:2], parts[2].scores)] == [9, 9, 9]
    for i in range(9):
        loss, alone, found = gradient.value_and_grad(many[i : i + 1], disappearance(None, boxes[i]))
        torch.testing.assert_close(loss[0], parts[0][i])
        torch.testing.assert_close(alone[0], parts[1][i])
        torch.testing.assert_close(found.scores[0], parts[2].scores[i])


def test_no_images_have_no_gradient(tmp_path, pictures):
    losses, grad, found = DetectorGradient(made(tmp_path, "ssd")).value_and_grad(pictures[:0], disappearance())
    assert (losses.shape, grad.shape, found.scores.shape) == ((0,), (0, 3, 64, 96), (0, 154, 2))


class SmallYolo(torch.nn.Module):
    """YOLOv8's way: two scales, box sides as the mean of a softmax over distances, sigmoid classes."""

    def __init__(self, classes=3, bins=8):
        super().__init__()
        self.classes, self.bins = classes, bins
        self.stem = torch.nn.Conv2d(3, 16, 6, 4, 1)
        self.down = torch.nn.ModuleList([torch.nn.Conv2d(16, 24, 3, 2, 1), torch.nn.Conv2d(24, 24, 3, 2, 1)])
        self.heads = torch.nn.ModuleList(torch.nn.Conv2d(24, 4 * bins + classes, 1) for _ in range(2))

    def forward(self, x):
        x, columns = F.silu(self.stem(x)), []
        for stride, down, head in zip((8, 16), self.down, self.heads, strict=True):
            x = F.silu(down(x))
            raw = head(x)
            n, _, height, width = raw.shape
            sides, classes = raw.flatten(2).split([4 * self.bins, self.classes], 1)
            sides = (sides.view(n, 4, self.bins, -1).softmax(2) * torch.arange(self.bins).view(1, 1, -1, 1)).sum(2)
            v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
            centre = torch.stack([u.flatten(), v.flatten()])
            low, high = centre - sides[:, :2], centre + sides[:, 2:]
            columns.append(torch.cat([stride * (low + high) / 2, stride * (high - low), (4 * classes).sigmoid()], 1))
        return torch.cat(columns, 2)


@pytest.fixture(scope="module")
def small_yolo(tmp_path_factory):
    torch.manual_seed(0)
    network = SmallYolo().eval()
    path = tmp_path_factory.mktemp("yolo") / "small.onnx"
    # by tracing, as YOLOs are exported: ten times quicker than the newer exporter, which tests/model/test_zoo.py runs
    torch.onnx.export(network, (torch.rand(1, 3, 64, 96),), str(path), dynamo=False, opset_version=18)
    return network, DeployedDetector(path, threads=1)


def test_a_real_head_has_its_sources_gradient(small_yolo):
    network, made_detector = small_yolo
    assert made_detector.card.head.layout == "class_columns" and len(made_detector.card.labels) == 3
    gradient = DetectorGradient(made_detector)
    batch = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    box = made_detector.candidates(batch[:1])[0].boxes_xyxy_px[0, 40]
    images = batch.double().requires_grad_()
    raw = network.double()(images)

    def sides(candidates):
        return candidates.boxes_xyxy_px[..., 2:].sum((1, 2)) / 100 + disappearance(2, box)(candidates)

    corners = (raw[:, :2] + raw[:, 2:4] / 2 - 0.5).sum((1, 2)) / 100
    losses, grad, found = gradient.value_and_grad(batch, sides)
    overlapping = disappearance(2, box)(found)
    index = (torch.logit(found.scores[..., 2]) == overlapping[:, None]).int().argmax(1)
    expected = corners + torch.logit(raw[torch.arange(3), 6, index])
    torch.testing.assert_close(losses.double(), expected, rtol=1e-4, atol=1e-4)
    (expected_grad,) = torch.autograd.grad(expected.sum(), images)
    assert (grad - expected_grad).norm() < 1e-4 * expected_grad.norm()


def filtered(graph):
    """Scores below the threshold taken out before NonMaxSuppression, as torchvision does: their number varies."""
    (node,) = [node for node in graph.node if node.op_type == "NonMaxSuppression"]
    index = list(graph.node).index(node)
    scores, boxes = node.input[1], node.input[0]
    made_nodes = [
        helper.make_node("ReduceMax", [scores], ["most"], axes=[0, 1], keepdims=0),
        helper.make_node("Greater", ["most", "least"], ["is_kept"]),
        helper.make_node("Compress", [scores, "is_kept"], ["kept_scores"], axis=2),
        helper.make_node("Compress", [boxes, "is_kept"], ["kept_boxes"], axis=1),
    ]
    for i, each in enumerate(made_nodes):
        graph.node.insert(index + i, each)
    graph.initializer.append(helper.make_tensor("least", TensorProto.FLOAT, [], [1e-6]))
    node.input[0], node.input[1] = "kept_boxes", "kept_scores"


def shifted_by_class(graph):
    """Boxes moved apart, so that one suppression serves all classes."""
    (node,) = [node for node in graph.node if node.op_type == "NonMaxSuppression"]
    index = list(graph.node).index(node)
    graph.node.insert(index, helper.make_node("Add", [node.input[0], "far"], ["moved"]))
    graph.initializer.append(helper.make_tensor("far", TensorProto.FLOAT, [], [4096.0]))
    node.input[0] = "moved"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (filtered, "kept_boxes and kept_scores change their shape with the image"),
        (shifted_by_class, "moved and .*, among which the graph's own detections are not found"),
    ],
)
def test_a_selection_that_cannot_be_undone_is_refused(tmp_path, edit, message):
    with pytest.raises(ModelError, match=f"no scores found before the graph's selection.*{message}") as caught:
        DetectorGradient(made(tmp_path, "nms_flat", edit=edit))
    assert "\n" not in str(caught.value) and "export the model without NMS" in str(caught.value)


def test_detections_without_a_selection_in_sight_are_refused(tmp_path):
    made_detector = made(tmp_path, "ssd")
    head = made_detector.card.head.model_copy(update={"layout": "detection_rows", "outputs": ["rows"]})
    proto = onnx.load(made_detector.path)
    proto.graph.initializer.append(helper.make_tensor("zero", TensorProto.FLOAT, [1, 1, 1], [0.0]))
    proto.graph.node.append(helper.make_node("Concat", ["boxes", "scores"], ["rows"], axis=2))
    proto.graph.output.append(helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, None, None]))
    onnx.save(proto, made_detector.path)
    fresh = DeployedDetector(made_detector.path, threads=1)
    write_card(fresh.card.model_copy(update={"head": head}), fresh.path)
    with pytest.raises(ModelError, match="got 0 NonMaxSuppression nodes and 0 tensors selected from by TopK"):
        DetectorGradient(DeployedDetector(fresh.path, threads=1))


def test_operators_without_a_gradient_are_named_and_leave_scores(tmp_path, pictures, squares):
    def edit(graph):
        graph.node[0].input[0] = "odd"
        graph.node.insert(0, helper.make_node("FastGelu", ["x"], ["odd"], domain="com.microsoft"))

    made_detector = made(tmp_path, "yolov8", edit=edit)
    with pytest.raises(ModelError, match=f"{made_detector.path}: .*unsupported operator FastGelu"):
        DetectorGradient(made_detector, "torch")
    gradient = DetectorGradient(made_detector)
    assert gradient.road.startswith("NES") and str(made_detector.path) in gradient.road
    objective = disappearance(0, torch.tensor(squares[0]))
    _, grad, _ = gradient.value_and_grad(pictures[:1], objective)
    assert made_detector.queries == 101
    square = pictures[:1, 0, 24:40, 48:64].clone().requires_grad_()
    (slopes,) = torch.autograd.grad(20 / SIDE_PX**2 * F.gelu(square, approximate="tanh").sum(), square)
    sigma = float(grad.norm() / grad.numel() ** 0.5 * SIDE_PX)  # of a sum over the square, by all that is noise
    assert float(grad[:, 0, 24:40, 48:64].sum()) == pytest.approx(float(slopes.sum()), abs=2 * sigma)
    assert float(slopes.sum()) > 4 * sigma


def test_roads_agree_and_count(tmp_path, pictures, squares):
    made_detector = made(tmp_path, "nms")
    objective = misclassification(2, torch.tensor(squares[0]), label=1)
    grads = {}
    for road in ("compiled", "torch"):
        gradient = DetectorGradient(made_detector, road)
        before = made_detector.queries
        _, grads[road], _ = gradient.value_and_grad(pictures, objective)
        assert made_detector.queries == before + 3
    torch.testing.assert_close(grads["compiled"], grads["torch"], rtol=1e-4, atol=1e-5)


def test_file_changed_after_loading_is_refused(tmp_path):
    made_detector = made(tmp_path, "yolov8")
    detector(made_detector.path, "yolov5")
    with pytest.raises(ModelError, match="changed since it was loaded"):
        DetectorGradient(made_detector)
