"""Graphs drawn at random: branches, residual sums, strides, every activation, in blocked layout and out of it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import gradient, model, node, slopes

SMOOTH = ("Sigmoid", "Tanh", "Softplus", "Identity")
KINKED = ("Relu", "HardSwish", "HardSigmoid", "LeakyRelu", "Clip")
CHANNELS = (8, 16, 24, 32)


class Drawn:
    """Nodes from "x" on; `sides` of the last value, its channels and name."""

    def __init__(self, draw):
        self.draw, self.nodes, self.weights = draw, [], {"zero": np.float32(-0.3), "six": np.float32(0.6)}
        self.rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.n_made = 0

    def add(self, op, *inputs, **attributes) -> str:
        self.n_made += 1
        self.nodes.append(node(op, *inputs, out=f"v{self.n_made}", **attributes))
        return f"v{self.n_made}"

    def weight(self, *shape) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = (self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        return name

    def convolution(self, value, channels, out_channels, stride=1, groups=1) -> str:
        kernel = self.draw(st.sampled_from([1, 3]))
        weight, bias = self.weight(out_channels, channels // groups, kernel, kernel), self.weight(out_channels)
        pads = [kernel // 2] * 4
        return self.add("Conv", value, weight, bias, pads=pads, strides=[stride] * 2, group=groups)

    def activation(self, value) -> str:
        op = self.draw(st.sampled_from(SMOOTH + KINKED))
        return self.add(op, value, "zero", "six") if op == "Clip" else self.add(op, value)

    def block(self, value, channels) -> tuple[str, int]:
        kind = self.draw(st.sampled_from(["plain", "depthwise", "residual", "squeeze", "branches", "pool"]))
        stride = self.draw(st.sampled_from([1, 2]))
        if kind == "depthwise":
            wide = self.activation(self.convolution(value, channels, 2 * channels))
            deep = self.activation(self.convolution(wide, 2 * channels, 2 * channels, stride, 2 * channels))
            return self.convolution(deep, 2 * channels, channels), channels
        if kind == "residual":
            return self.add("Add", value, self.activation(self.convolution(value, channels, channels))), channels
        if kind == "squeeze":
            gate = self.add("Sigmoid", self.convolution(self.add("GlobalAveragePool", value), channels, channels))
            return self.add("Mul", value, gate), channels
        if kind == "branches":
            left, right = (self.activation(self.convolution(value, channels, channels)) for _ in range(2))
            return self.add("Concat", left, right, axis=1), 2 * channels
        if kind == "pool":
            op = self.draw(st.sampled_from(["MaxPool", "AveragePool"]))
            return self.add(op, value, kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4), channels
        out_channels = self.draw(st.sampled_from(CHANNELS))
        return self.activation(self.convolution(value, channels, out_channels, stride)), out_channels


@st.composite
def networks(draw):
    drawn = Drawn(draw)
    channels = draw(st.sampled_from(CHANNELS))
    value = drawn.activation(drawn.convolution("x", 3, channels, draw(st.sampled_from([1, 2]))))
    for _ in range(draw(st.integers(1, 4))):
        value, channels = drawn.block(value, channels)
    flat = drawn.add("Flatten", drawn.add("GlobalAveragePool", value))
    drawn.nodes.append(node("Gemm", flat, drawn.weight(channels, 5)))
    return drawn.nodes, drawn.weights


@settings(max_examples=25, deadline=None, derandomize=True)
@given(networks(), st.integers(1, 2))
def test_gradient_of_a_random_network_has_the_slope_of_central_differences(network, n):
    nodes, weights = network
    proto = model(nodes, (n, 3, 10, 10), weights)
    x = np.random.default_rng(1).normal(size=(n, 3, 10, 10)).astype(np.float32)
    _, cotangent, grad = gradient(proto, x)
    directions = np.random.default_rng(2).normal(size=(3, *x.shape))
    expected = slopes(proto, x, cotangent, directions, step=1e-7)
    got = (directions * grad).reshape(3, -1).sum(1)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3 * np.linalg.norm(grad) + 1e-6)
