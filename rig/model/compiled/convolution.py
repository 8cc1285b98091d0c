"""Convolution backward with respect to its input, as convolutions that run at forward speed."""

import itertools

import numpy as np

from rig.model.compiled.backward import rule
from rig.model.compiled.graph import Graph, Node
from rig.model.compiled.pieces import known, pad, refuse, reshape

Sides = tuple[int, int]  # (rows, columns)
INTERLEAVE = (0, 3, 4, 1, 5, 2)  # (N, row phase, column phase, C, h, w) to (N, C, h, row phase, w, column phase)
LEAST_BLOCK = 8  # channels from which a runtime's blocked layout is used


@rule("Conv")
def conv(graph: Graph, node: Node, cotangent: str):
    weight = known(graph, node, 1, "the weight")
    if weight.ndim != 4:
        raise refuse(node, f"{weight.ndim - 2} spatial dimensions, expected 2")
    shape, out_shape = graph.shapes[node.inputs[0]], graph.shapes[node.output]
    strides, dilations = (tuple(node.attributes.get(key, (1, 1))) for key in ("strides", "dilations"))
    begin = window_begin(node, shape[2:], out_shape[2:], weight.shape[2:])
    groups = node.attributes.get("group", 1)
    if weight.shape[2:] == (1, 1) and strides != (1, 1):
        narrow = _stride_one(graph, cotangent, weight, groups, out_shape[2:], out_shape[2:], (0, 0), (1, 1))
        return [_spread(graph, narrow, shape[:2] + out_shape[2:], strides, begin, shape[2:])]
    if strides == (1, 1):
        return [_stride_one(graph, cotangent, weight, groups, shape[2:], out_shape[2:], begin, dilations)]
    if dilations != (1, 1):
        span = tuple((n - 1) * s + 1 for n, s in zip(out_shape[2:], strides, strict=True))
        wide = _spread(graph, cotangent, out_shape, strides, (0, 0), span)
        return [_stride_one(graph, wide, weight, groups, shape[2:], span, begin, dilations)]
    if weight.shape[1] == 1 and groups == shape[1] == out_shape[1]:
        return [_depthwise(graph, cotangent, weight, shape, out_shape, strides, begin)]
    return [_sub_pixel(graph, cotangent, weight, groups, shape, out_shape, strides, begin)]


@rule("ConvTranspose")
def conv_transpose(graph: Graph, node: Node, cotangent: str):
    known(graph, node, 1, "the weight")
    if node.attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise refuse(node, "auto_pad")
    kept = {key: node.attributes[key] for key in ("strides", "dilations", "pads", "group") if key in node.attributes}
    return [graph.op("Conv", cotangent, node.inputs[1], **kept)]


def window_begin(node: Node, sides, out_sides, kernel) -> Sides:
    """Zeros before the first row and column, of a convolution or pooling."""
    auto = node.attributes.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID"):
        return tuple(node.attributes.get("pads", (0, 0, 0, 0))[:2]) if auto == "NOTSET" else (0, 0)
    strides, dilations = (node.attributes.get(key, (1, 1)) for key in ("strides", "dilations"))
    totals = [
        max(0, (n_out - 1) * stride + dilation * (k - 1) + 1 - n)
        for n, n_out, k, stride, dilation in zip(sides, out_sides, kernel, strides, dilations, strict=True)
    ]
    return tuple(total // 2 if auto == "SAME_UPPER" else total - total // 2 for total in totals)


def transposed(weight: np.ndarray, groups: int) -> np.ndarray:
    """(O, I / groups, h, w) to (I, O / groups, h, w), flipped: the weight of the backward convolution."""
    out_channels, in_group, *kernel = weight.shape
    grouped = weight.reshape(groups, out_channels // groups, in_group, *kernel).swapaxes(1, 2)
    return np.ascontiguousarray(grouped.reshape(groups * in_group, -1, *kernel)[:, :, ::-1, ::-1])


def _stride_one(graph, cotangent, weight, groups, sides, out_sides, begin, dilations) -> str:
    reach = [d * (k - 1) for d, k in zip(dilations, weight.shape[2:], strict=True)]
    before = [r - b for r, b in zip(reach, begin, strict=True)]
    after = [n - m + r - b for n, m, r, b in zip(sides, out_sides, reach, before, strict=True)]
    return _convolve(graph, cotangent, transposed(weight, groups), before, after, group=groups, dilations=dilations)


def _convolve(graph: Graph, value: str, weight, before, after, **attributes) -> str:
    """A convolution whose padding may be negative."""
    crop = [[min(0, n) for n in side] for side in (before, after)]
    cropped = pad(graph, value, [0, 0, *crop[0]], [0, 0, *crop[1]])
    pads = [max(0, n) for n in (*before, *after)]
    return graph.op("Conv", cropped, graph.constant(weight), pads=pads, kernel_shape=weight.shape[2:], **attributes)


def _spread(graph: Graph, value: str, shape, strides: Sides, begin: Sides, sides: Sides) -> str:
    """Put zeros between rows and columns; row 0 lands on row -begin of a plane of `sides`."""
    n, channels, height, width = shape
    zeros = pad(
        graph,
        reshape(graph, value, (n, channels, height, 1, width, 1)),
        (0,) * 6,
        (0, 0, 0, strides[0] - 1, 0, strides[1] - 1),
    )
    spread = (height * strides[0], width * strides[1])
    plane = reshape(graph, zeros, (n, channels, *spread))
    after = [side + b - wide for side, b, wide in zip(sides, begin, spread, strict=True)]
    return pad(graph, plane, [0, 0, *(-b for b in begin)], [0, 0, *after])


def _taps(kernel: int, stride: int, begin: int, phase: int) -> list[tuple[int, int]]:
    """(kernel row, step back in the output) of every term of d input[stride * m + phase], relative to row m.

    Forward: y[o] = sum_k w[k] x[stride * o + k - begin], so x[i] meets y[(i + begin - k) / stride].
    """
    return [(k, -((phase + begin - k) // stride)) for k in range(kernel) if (phase + begin - k) % stride == 0]


def _reach(taps) -> tuple[list[int], list[int]]:
    """How far, (rows, columns), the taps of a phase reach before and after the cotangent's own place."""
    backs = [[back for _, back in axis] or [0] for axis in taps]
    return [max(axis) for axis in backs], [-min(axis) for axis in backs]


def _phase_kernel(weight, taps, before, after) -> np.ndarray:
    """The kernel (any, any, h, w) that correlates the cotangent with those taps."""
    kernel = np.zeros((*weight.shape[:2], *(b + a + 1 for b, a in zip(before, after, strict=True))), np.float32)
    for (row, up), (column, left) in itertools.product(*taps):
        kernel[:, :, before[0] - up, before[1] - left] = weight[:, :, row, column]
    return kernel


def _phases(weight, strides, begin):
    """The taps of each (row phase, column phase) of the input."""
    kernel = weight.shape[2:]
    axes = [
        [_taps(kernel[axis], strides[axis], begin[axis], phase) for phase in range(strides[axis])] for axis in (0, 1)
    ]
    return list(itertools.product(*axes))


def _ends(before, after, shape, out_shape, strides) -> tuple[list[int], list[int]]:
    """Padding with which a phase has ceil(side / stride) rows and columns."""
    wanted = [-(-side // stride) for side, stride in zip(shape[2:], strides, strict=True)]
    return before, [a + n - m for a, n, m in zip(after, wanted, out_shape[2:], strict=True)]


def _depthwise(graph, cotangent, weight, shape, out_shape, strides, begin) -> str:
    """One small depthwise convolution a phase, interleaved."""
    planes = []
    for taps in _phases(weight, strides, begin):
        before, after = _reach(taps)
        kernel = _phase_kernel(weight, taps, before, after)
        before, after = _ends(before, after, shape, out_shape, strides)
        planes.append(_convolve(graph, cotangent, kernel, before, after, group=shape[1]))
    stacked = graph.op("Concat", *planes, axis=1)
    return _interleave(graph, stacked, shape, strides)


def _sub_pixel(graph, cotangent, weight, groups, shape, out_shape, strides, begin) -> str:
    """All phases as channels of one convolution, interleaved."""
    swapped = transposed(weight, groups)[:, :, ::-1, ::-1]
    phases = _phases(weight, strides, begin)
    before, after = _reach([[tap for phase in phases for tap in phase[axis]] for axis in (0, 1)])
    kernels = [_phase_kernel(swapped, taps, before, after) for taps in phases]
    phase_first = groups == 1 and shape[1] >= LEAST_BLOCK
    kernel = np.stack(kernels, axis=0 if phase_first else 1).reshape(-1, *kernels[0].shape[1:])
    before, after = _ends(before, after, shape, out_shape, strides)
    planes = _convolve(graph, cotangent, kernel, before, after, group=groups)
    return (_interleave if phase_first else _interleave_channels)(graph, planes, shape, strides)


def _interleave(graph: Graph, planes: str, shape, strides: Sides) -> str:
    """(N, phases * C, h, w) to (N, C, H, W)."""
    n, channels, height, width = shape
    rows, columns = (-(-side // stride) for side, stride in zip((height, width), strides, strict=True))
    split = reshape(graph, planes, (n, *strides, channels, rows, columns))
    apart = graph.op("Transpose", split, perm=list(INTERLEAVE))
    whole = reshape(graph, apart, (n, channels, rows * strides[0], columns * strides[1]))
    return pad(graph, whole, (0, 0, 0, 0), (0, 0, height - rows * strides[0], width - columns * strides[1]))


def _interleave_channels(graph: Graph, planes: str, shape, strides: Sides) -> str:
    """(N, C * phases, h, w) to (N, C, H, W), columns and rows one after the other: faster than DepthToSpace."""
    n, channels, height, width = shape
    rows, columns = (-(-side // stride) for side, stride in zip((height, width), strides, strict=True))
    flat = reshape(graph, planes, (n * channels * strides[0], strides[1], rows * columns))
    wide = reshape(
        graph, graph.op("Transpose", flat, perm=[0, 2, 1]), (n * channels, strides[0], rows, columns * strides[1])
    )
    tall = graph.op("Transpose", wide, perm=[0, 2, 1, 3])
    whole = reshape(graph, tall, (n, channels, rows * strides[0], columns * strides[1]))
    return pad(graph, whole, (0, 0, 0, 0), (0, 0, height - rows * strides[0], width - columns * strides[1]))
