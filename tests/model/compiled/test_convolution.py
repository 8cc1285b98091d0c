"""Convolution and pooling geometry against torch autograd."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small_graphs import gradient, model, node


def torch_gradient(function, x, cotangent):
    leaf = torch.from_numpy(x).double().requires_grad_()
    return torch.autograd.grad(function(leaf), leaf, torch.from_numpy(cotangent).double())[0].numpy()


@st.composite
def convolutions(draw):
    groups = draw(st.sampled_from([1, 1, 2, 16, "depthwise"]))
    per_group = draw(st.sampled_from([1, 3, 8, 16]))
    if groups == "depthwise":
        groups, in_group, out_group = draw(st.sampled_from([8, 16, 48])), 1, 1
    else:
        in_group, out_group = per_group, draw(st.sampled_from([1, 2, 8, 16]))
    return {
        "groups": groups,
        "in_group": in_group,
        "out_group": out_group,
        "kernel": draw(st.tuples(st.integers(1, 5), st.integers(1, 5))),
        "strides": draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (3, 3), (2, 1), (4, 4)])),
        "dilations": draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3)])),
        "pads": draw(st.lists(st.integers(0, 3), min_size=4, max_size=4)),
        "sides": draw(st.tuples(st.integers(9, 17), st.integers(9, 17))),
        "n": draw(st.integers(1, 2)),
    }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(convolutions())
def test_convolution_of_any_geometry_has_torchs_input_gradient(c):
    spans = [d * (k - 1) + 1 for d, k in zip(c["dilations"], c["kernel"], strict=True)]
    assume(all(span <= n + b + e for span, n, b, e in zip(spans, c["sides"], c["pads"], c["pads"][2:], strict=False)))
    rng = np.random.default_rng(3)
    x = rng.normal(size=(c["n"], c["groups"] * c["in_group"], *c["sides"])).astype(np.float32)
    weight = rng.normal(size=(c["groups"] * c["out_group"], c["in_group"], *c["kernel"])).astype(np.float32)
    attributes = {key: list(c[key]) for key in ("strides", "dilations", "pads")}
    proto = model([node("Conv", "x", "w", group=c["groups"], **attributes)], x.shape, {"w": weight})
    _, cotangent, grad = gradient(proto, x)

    def convolve(images):
        top, left, bottom, right = c["pads"]
        padded = F.pad(images, (left, right, top, bottom))
        kernel = torch.from_numpy(weight).double()
        return F.conv2d(padded, kernel, None, c["strides"], 0, c["dilations"], c["groups"])

    expected = torch_gradient(convolve, x, cotangent)
    np.testing.assert_allclose(grad, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(7, 12),
    st.sampled_from([1, 16]),
)
def test_automatic_padding_is_that_of_the_forward_pass(auto_pad, kernel, stride, side, groups):
    """The gradient of the sum counts, at each pixel, the windows and weights that see it: linear, so exact."""
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(16, 16 // groups, kernel, kernel)).astype(np.float32)
    nodes = [node("Conv", "x", "w", group=groups, auto_pad=auto_pad, strides=[stride, stride])]
    proto = model(nodes, (1, 16, side, side), {"w": weight})
    x, other = rng.normal(size=(2, 1, 16, side, side)).astype(np.float32)
    y, cotangent, grad = gradient(proto, x)
    z, _, _ = gradient(proto, other)
    rise = (cotangent * (y - z)).sum()
    np.testing.assert_allclose((grad * (x - other)).sum(), rise, rtol=1e-4, atol=1e-3)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(1, 3), st.integers(0, 1), st.sampled_from([1, 2]), st.sampled_from([(4, 6), (5, 5)]))
def test_transposed_convolution(stride, pad, groups, sides):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2, 4, *sides)).astype(np.float32)
    weight = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
    attributes = {"strides": [stride] * 2, "pads": [pad] * 4, "group": groups}
    _, cotangent, grad = gradient(model([node("ConvTranspose", "x", "w", **attributes)], x.shape, {"w": weight}), x)
    kernel = torch.from_numpy(weight).double()
    expected = torch_gradient(lambda z: F.conv_transpose2d(z, kernel, None, stride, pad, 0, groups), x, cotangent)
    np.testing.assert_allclose(grad, expected, rtol=1e-4, atol=1e-4)


def test_max_pooling_gives_ties_to_the_first_as_torch_does():
    x = np.repeat(np.random.default_rng(2).integers(0, 3, size=(2, 3, 8, 8)), 1, axis=0).astype(np.float32)
    proto = model([node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], x.shape)
    _, cotangent, grad = gradient(proto, x)
    np.testing.assert_allclose(grad, torch_gradient(lambda z: F.max_pool2d(z, 3, 2, 1), x, cotangent), atol=1e-6)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(2, 3), st.integers(1, 3), st.integers(0, 1), st.booleans(), st.booleans())
def test_average_pooling_counts_what_torch_counts(kernel, stride, pad, count_padding, ceil):
    for side in (9, 8):  # the last window, if rounding up adds one, begins inside the image
        assume(not ceil or -(-(side + 2 * pad - kernel) // stride) * stride - pad < side)
    x = np.random.default_rng(1).normal(size=(2, 16, 9, 8)).astype(np.float32)
    attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
    flags = {"count_include_pad": int(count_padding), "ceil_mode": int(ceil)}
    y, cotangent, grad = gradient(model([node("AveragePool", "x", **attributes, **flags)], x.shape), x)

    def pool(images):
        return F.avg_pool2d(images, kernel, stride, pad, ceil_mode=ceil, count_include_pad=count_padding)

    np.testing.assert_allclose(y, pool(torch.from_numpy(x)), atol=1e-5)
    np.testing.assert_allclose(grad, torch_gradient(pool, x, cotangent), rtol=1e-4, atol=1e-5)
