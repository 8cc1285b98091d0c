"""Backward rules of element-wise operators. At a kink the slope is 0, as torch has it for ReLU and hardtanh."""

import math

import numpy as np

from rig.model.compiled.backward import rule
from rig.model.compiled.graph import Graph, Node
from rig.model.compiled.pieces import between, known, optional, refuse, scaled, unbroadcast

SQRT_HALF = math.sqrt(0.5)
SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


def _own(graph: Graph, node: Node, cotangent: str, index: int) -> str:
    """The cotangent of a broadcast operand."""
    return unbroadcast(graph, cotangent, graph.shapes[node.output], graph.shapes[node.inputs[index]])


def _is_active(graph: Graph, node: Node, index: int) -> bool:
    return node.inputs[index] in graph.active


@rule("Add", "Sum")
def add(graph, node, cotangent):
    return [_own(graph, node, cotangent, i) if _is_active(graph, node, i) else None for i in range(len(node.inputs))]


@rule("Sub")
def sub(graph, node, cotangent):
    right = graph.op("Neg", cotangent) if _is_active(graph, node, 1) else None
    return [_own(graph, node, cotangent, 0), right and _own(graph, node, right, 1)]


@rule("Mul")
def mul(graph, node, cotangent):
    return [
        _own(graph, node, graph.op("Mul", cotangent, other), i) if _is_active(graph, node, i) else None
        for i, other in enumerate(reversed(node.inputs))
    ]


@rule("Div")
def div(graph, node, cotangent):
    quotient = graph.op("Div", cotangent, node.inputs[1])
    if not _is_active(graph, node, 1):
        return [_own(graph, node, quotient, 0)]
    below = graph.op("Neg", graph.op("Mul", quotient, node.output))
    return [_own(graph, node, quotient, 0), _own(graph, node, below, 1)]


@rule("Where")
def where(graph, node, cotangent):
    zero = graph.constant(0.0)
    parts = [(node.inputs[0], cotangent, zero), (node.inputs[0], zero, cotangent)]
    return [
        None,
        *(
            _own(graph, node, graph.op("Where", *part), i) if _is_active(graph, node, i) else None
            for i, part in enumerate(parts, start=1)
        ),
    ]


@rule("Max", "Min")
def extreme(graph, node, cotangent):
    """Against constants or another value; where two are equal neither has a slope."""
    if len(node.inputs) != 2:
        raise refuse(node, f"{len(node.inputs)} operands, expected 2")
    test = "Greater" if node.op == "Max" else "Less"
    parts = []
    for i, other in enumerate(reversed(node.inputs)):
        mask = graph.op("Cast", graph.op(test, node.inputs[i], other), to=1)
        parts.append(_own(graph, node, graph.op("Mul", cotangent, mask), i) if _is_active(graph, node, i) else None)
    return parts


@rule("Identity", "Dropout", "Cast")
def identity(graph, node, cotangent):
    if node.op == "Dropout" and (training := optional(graph, node, 2, "the mode")) is not None and training:
        raise refuse(node, "training mode")
    if node.op == "Cast" and node.attributes["to"] != 1:
        raise refuse(node, "a precision other than float32")
    return [cotangent]


@rule("Floor", "Ceil", "Round", "Sign")
def flat(graph, node, cotangent):
    return []


@rule("Neg")
def neg(graph, node, cotangent):
    return [graph.op("Neg", cotangent)]


@rule("Relu")
def relu(graph, node, cotangent):
    return [graph.op("Mul", cotangent, between(graph, node.output, 0.0, math.inf, least=0.0))]


@rule("Clip")
def clip(graph, node, cotangent):
    low, high = (optional(graph, node, i, "a bound") for i in (1, 2))
    low, high = -math.inf if low is None else float(low), math.inf if high is None else float(high)
    if math.isinf(low) and math.isinf(high):
        return [cotangent]
    return [graph.op("Mul", cotangent, between(graph, node.output, low, high, least=low))]


@rule("LeakyRelu", "PRelu")
def leaky_relu(graph, node, cotangent):
    slope = node.inputs[1] if node.op == "PRelu" else graph.constant(node.attributes.get("alpha", 0.01))
    below = graph.op("Mul", cotangent, slope)
    return [graph.op("Where", graph.op("Greater", node.inputs[0], graph.constant(0.0)), cotangent, below)]


@rule("Elu")
def elu(graph, node, cotangent):
    """d = 1 above 0, y + alpha below."""
    alpha = node.attributes.get("alpha", 1.0)
    below = graph.op("Mul", cotangent, graph.op("Add", node.output, graph.constant(alpha)))
    return [graph.op("Where", graph.op("Greater", node.inputs[0], graph.constant(0.0)), cotangent, below)]


@rule("Sigmoid")
def sigmoid(graph, node, cotangent):
    slope = graph.op("Mul", node.output, graph.op("Sub", graph.constant(1.0), node.output))
    return [graph.op("Mul", cotangent, slope)]


@rule("Tanh")
def tanh(graph, node, cotangent):
    slope = graph.op("Sub", graph.constant(1.0), graph.op("Mul", node.output, node.output))
    return [graph.op("Mul", cotangent, slope)]


@rule("Softplus")
def softplus(graph, node, cotangent):
    return [graph.op("Mul", cotangent, graph.op("Sigmoid", node.inputs[0]))]


@rule("HardSigmoid")
def hard_sigmoid(graph, node, cotangent):
    inside = between(graph, node.output, 0.0, 1.0, least=0.0)
    return [graph.op("Mul", cotangent, scaled(graph, inside, node.attributes.get("alpha", 0.2)))]


@rule("HardSwish")
def hard_swish(graph, node, cotangent):
    """d = hard sigmoid + x / 6 inside (-3, 3)."""
    x = node.inputs[0]
    inside = graph.op("Mul", scaled(graph, x, 1 / 6), between(graph, x, -3.0, 3.0))
    slope = graph.op("Add", graph.op("HardSigmoid", x, alpha=1 / 6, beta=0.5), inside)
    return [graph.op("Mul", cotangent, slope)]


@rule("Gelu")
@rule("Gelu", domain="com.microsoft")
def gelu(graph, node, cotangent):
    slope = _tanh_gelu_slope if node.attributes.get("approximate", "none") == "tanh" else _gelu_slope
    return [graph.op("Mul", cotangent, slope(graph, node.inputs[0]))]


def _gelu_slope(graph: Graph, x: str) -> str:
    """Phi(x) + x phi(x)."""
    erf = graph.op("Erf", scaled(graph, x, SQRT_HALF))
    cumulative = scaled(graph, graph.op("Add", erf, graph.constant(1.0)), 0.5)
    bell = graph.op("Exp", graph.op("Mul", x, scaled(graph, x, -0.5)))
    return graph.op("Add", cumulative, graph.op("Mul", x, scaled(graph, bell, SQRT_2_OVER_PI / 2)))


def _tanh_gelu_slope(graph: Graph, x: str) -> str:
    """With t = tanh(c (x + a x^3)): (1 + t) / 2 + x (1 - t^2) c (1 + 3 a x^2) / 2."""
    one, square = graph.constant(1.0), graph.op("Mul", x, x)
    inner = graph.op("Mul", scaled(graph, x, SQRT_2_OVER_PI), graph.op("Add", one, scaled(graph, square, 0.044715)))
    t = graph.op("Tanh", inner)
    outer = graph.op("Sub", one, graph.op("Mul", t, t))
    slope = scaled(graph, graph.op("Add", one, scaled(graph, square, 3 * 0.044715)), SQRT_2_OVER_PI / 2)
    tail = graph.op("Mul", x, graph.op("Mul", outer, slope))
    return graph.op("Add", scaled(graph, graph.op("Add", one, t), 0.5), tail)


@rule("QuickGelu", domain="com.microsoft")
def quick_gelu(graph, node, cotangent):
    """x s with s = sigmoid(a x): s + a x s (1 - s) = s + a y (1 - s)."""
    alpha = node.attributes.get("alpha", 1.702)
    s = graph.op("Sigmoid", scaled(graph, node.inputs[0], alpha))
    rest = graph.op("Mul", scaled(graph, node.output, alpha), graph.op("Sub", graph.constant(1.0), s))
    return [graph.op("Mul", cotangent, graph.op("Add", s, rest))]


@rule("Erf")
def erf(graph, node, cotangent):
    x = node.inputs[0]
    bell = graph.op("Exp", graph.op("Neg", graph.op("Mul", x, x)))
    return [graph.op("Mul", cotangent, scaled(graph, bell, 2 / math.sqrt(math.pi)))]


@rule("Exp")
def exp(graph, node, cotangent):
    return [graph.op("Mul", cotangent, node.output)]


@rule("Log")
def log(graph, node, cotangent):
    return [graph.op("Div", cotangent, node.inputs[0])]


@rule("Sqrt")
def sqrt(graph, node, cotangent):
    return [graph.op("Div", scaled(graph, cotangent, 0.5), node.output)]


@rule("Reciprocal")
def reciprocal(graph, node, cotangent):
    return [graph.op("Neg", graph.op("Mul", cotangent, graph.op("Mul", node.output, node.output)))]


@rule("Abs")
def absolute(graph, node, cotangent):
    return [graph.op("Mul", cotangent, graph.op("Sign", node.inputs[0]))]


@rule("Pow")
def power(graph, node, cotangent):
    exponent = known(graph, node, 1, "the exponent").astype(np.float32)
    squares = exponent.size == 1 and exponent.item() == 2
    base = node.inputs[0] if squares else graph.op("Pow", node.inputs[0], graph.constant(exponent - 1))
    slope = graph.op("Mul", base, graph.constant(exponent))
    return [_own(graph, node, graph.op("Mul", cotangent, slope), 0)]


@rule("BatchNormalization")
def batch_normalization(graph, node, cotangent):
    """At inference: one factor a channel."""
    if node.attributes.get("training_mode", 0):
        raise refuse(node, "training mode")
    scale, variance = known(graph, node, 1, "the scale"), known(graph, node, 4, "the variance")
    factor = scale / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    rest = (1,) * (len(graph.shapes[node.output]) - 2)
    return [graph.op("Mul", cotangent, graph.constant(factor.reshape(-1, *rest)))]
