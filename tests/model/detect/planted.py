"""A detector whose right answer is known: it finds red (label 0) and green (1) squares of 16 px on a grid of 8 px.

A convolution looks at each window of 16 px: 7 x 11 boxes in an image of 64 x 96, each a second time 1 px wider and less
sure. The same two tensors are then put out in every layout that real exporters write.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEIGHT_PX, WIDTH_PX, SIDE_PX, STRIDE_PX = 64, 96, 16, 8
N_BOXES = 154
WIDTHS_PX = np.array([WIDTH_PX, HEIGHT_PX] * 2, np.float32)
LAYOUTS = ("yolov5", "yolov8", "ssd", "ssd_softmax", "ssd_logits", "nms", "nms_flat", "topk")


def corners():
    """(154, 4) xyxy from the image's corner."""
    rows, columns = np.meshgrid(np.arange(7), np.arange(11), indexing="ij")
    low = np.stack([columns, rows], -1).reshape(-1, 2) * STRIDE_PX
    exact = np.concatenate([low, low + SIDE_PX], 1)
    return np.concatenate([exact, exact + [-1, -1, 1, 1]]).astype(np.float32)


def centred(boxes):
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


class Build:
    """Nodes and constants of a graph that grows."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def __call__(self, op, *inputs, out=None, n_out=1, **attributes):
        outputs = [out or f"v{len(self.nodes)}"] + [f"v{len(self.nodes)}_{i}" for i in range(1, n_out)]
        names = [name if isinstance(name, str) else self.constant(name) for name in inputs]
        self.nodes.append(helper.make_node(op, names, outputs, **attributes))
        return outputs[0] if n_out == 1 else outputs

    def constant(self, value):
        value = np.asarray(value)
        value = value.astype(np.float32) if value.dtype == np.float64 else value
        self.constants.append(numpy_helper.from_array(value, f"c{len(self.constants)}"))
        return self.constants[-1].name


def logits(g, doubt):
    """(N, 3, 154): objectness, red, green, in log-odds; `doubt` is what black has against it."""
    look = np.array([[1, 1, -1], [1, -1, 0], [-1, 1, 0]], np.float32)[:, :, None, None] * np.ones((SIDE_PX, SIDE_PX))
    windows = g("Conv", "x", look * 20 / SIDE_PX**2, np.full(3, -doubt), strides=[STRIDE_PX, STRIDE_PX])
    sure = g("Reshape", windows, np.array([0, 3, 77]))
    return g("Concat", sure, g("Sub", sure, 1.0), axis=2)


def repeated(g, boxes, like, **out):
    """The same boxes (N, 154, 4) for every image of `like` (N, 2, 154)."""
    zeros = g("Mul", g("Slice", g("Transpose", like, perm=[0, 2, 1]), [0], [1], [2]), 0.0)
    return g("Add", zeros, boxes[None], **out)


def detector(path, layout, batch="n", unit="px", edit=None, doubt=15.0):
    """Write one; names its outputs."""
    g = Build()
    objectness, classes = g("Split", logits(g, doubt), [1, 2], axis=1, n_out=2)
    probs = g("Sigmoid", classes)
    boxes = corners() / (WIDTHS_PX if unit == "frac" else 1)
    outputs = globals()[f"_{layout}"](g, boxes, objectness, classes, probs)
    graph = helper.make_graph(
        g.nodes,
        layout,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, HEIGHT_PX, WIDTH_PX])],
        [helper.make_tensor_value_info(name, dtype, [None] * rank) for name, dtype, rank in outputs],
        g.constants,
    )
    if edit:
        edit(graph)
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8
    )
    onnx.checker.check_model(proto)
    onnx.save(proto, path)
    return path


def _yolov5(g, boxes, objectness, classes, probs):
    found = g("Transpose", g("Concat", g("Sigmoid", objectness), probs, axis=1), perm=[0, 2, 1])
    g("Concat", repeated(g, centred(boxes), probs), found, out="output0", axis=2)
    return [("output0", TensorProto.FLOAT, 3)]


def _yolov8(g, boxes, objectness, classes, probs):
    columns = g("Transpose", repeated(g, centred(boxes), probs), perm=[0, 2, 1])
    g("Concat", columns, probs, out="output0", axis=1)
    return [("output0", TensorProto.FLOAT, 3)]


def _ssd(g, boxes, objectness, classes, probs):
    repeated(g, boxes, probs, out="boxes")
    g("Transpose", probs, out="scores", perm=[0, 2, 1])
    return [("boxes", TensorProto.FLOAT, 3), ("scores", TensorProto.FLOAT, 3)]


def _ssd_softmax(g, boxes, objectness, classes, probs):
    repeated(g, boxes, probs, out="boxes")
    against = g("Transpose", g("Concat", g("Mul", objectness, 0.0), classes, axis=1), perm=[0, 2, 1])
    g("Softmax", against, out="scores", axis=2)
    return [("boxes", TensorProto.FLOAT, 3), ("scores", TensorProto.FLOAT, 3)]


def _ssd_logits(g, boxes, objectness, classes, probs):
    g("Unsqueeze", repeated(g, centred(boxes), probs), [2], out="boxes")  # (N, A, 1, 4), as some YOLOv4 files
    g("Transpose", classes, out="scores", perm=[0, 2, 1])
    return [("boxes", TensorProto.FLOAT, 4), ("scores", TensorProto.FLOAT, 3)]


def _suppressed(g, boxes, probs):
    """(D, 3) image, class and box; boxes as NonMaxSuppression's own order has them, y first."""
    everywhere = repeated(g, boxes, probs)
    y_first = g("Gather", everywhere, [1, 0, 3, 2], axis=2)
    return everywhere, g("NonMaxSuppression", y_first, probs, np.array([50]), np.array([0.45]), np.array([0.25]))


def _nms(g, boxes, objectness, classes, probs):
    """torchvision: (D, 4), (D,), (D,) of one image, labels from 1."""
    everywhere, chosen = _suppressed(g, boxes, probs)
    label = g("Gather", chosen, 1, axis=1)
    g("Gather", g("Squeeze", everywhere, [0]), g("Gather", chosen, 2, axis=1), out="boxes", axis=0)
    g("Add", label, 1, out="labels")
    g("GatherND", probs, chosen, out="scores")
    return [("boxes", TensorProto.FLOAT, 2), ("labels", TensorProto.INT64, 1), ("scores", TensorProto.FLOAT, 1)]


def _nms_flat(g, boxes, objectness, classes, probs):
    """TensorFlow: (1, D, 4) y first, float labels."""
    everywhere, chosen = _suppressed(g, boxes, probs)
    y_first = g("Gather", everywhere, [1, 0, 3, 2], axis=2)
    g("Gather", y_first, g("Gather", chosen, 2, axis=1), out="detection_boxes", axis=1)
    g("Unsqueeze", g("GatherND", probs, chosen), [0], out="detection_scores")
    label = g("Cast", g("Gather", chosen, 1, axis=1), to=TensorProto.FLOAT)
    g("Unsqueeze", label, [0], out="detection_classes")
    ranks = {"boxes": 3, "classes": 2, "scores": 2}
    return [(f"detection_{name}", TensorProto.FLOAT, rank) for name, rank in ranks.items()]


def _topk(g, boxes, objectness, classes, probs):
    """YOLOv10: the 30 best boxes, then the 30 best of their scores, as rows of box, score and label."""
    scores = g("Transpose", probs, perm=[0, 2, 1])
    best = g("ReduceMax", scores, axes=[2], keepdims=0)
    index = g("Unsqueeze", g("TopK", best, np.array([30]), axis=1, n_out=2)[1], [2])
    boxes = g("GatherElements", repeated(g, boxes, probs), g("Tile", index, np.array([1, 1, 4])), axis=1)
    scores = g("GatherElements", scores, g("Tile", index, np.array([1, 1, 2])), axis=1)
    flat, index = g("TopK", g("Flatten", scores, axis=1), np.array([30]), axis=1, n_out=2)
    row, label = g("Unsqueeze", g("Div", index, 2), [2]), g("Mod", index, 2)
    boxes = g("GatherElements", boxes, g("Tile", row, np.array([1, 1, 4])), axis=1)
    label = g("Unsqueeze", g("Cast", label, to=TensorProto.FLOAT), [2])
    g("Concat", boxes, g("Unsqueeze", flat, [2]), label, out="output0", axis=2)
    return [("output0", TensorProto.FLOAT, 3)]
