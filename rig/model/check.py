"""`rig models check`: whether a file's gradient road can be trusted, and what it costs."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from rig.errors import ModelError
from rig.model.deployed import DeployedModel
from rig.model.gradient import Gradient, gradient_of
from rig.model.onnx_file import open_onnx
from rig.model.proof import ROUNDING, STAND_INS, proof_images
from rig.model.slopes import Slopes, compare_slopes

try:
    import resource
except ImportError:  # Windows has none
    resource = None

PASSED, FAILED, INCONCLUSIVE, SAID = "ok", "FAILED", "inconclusive", ""
MAX_SCALE_ERROR = 0.05  # median of a gradient's slope over the measured one
MAX_SLOPE_ERROR = 0.1  # of one direction, beside its own uncertainty
LEAST_AGREEING_FRAC = 0.75  # of the conclusive directions; a kink within the step spoils some
CLIMB = 8 / 255  # the step up a staircase, several of its stairs high
LEAST_REALISED_FRAC = 0.1  # of what a straight-through gradient promises there; a random direction keeps a hundredth
LEAST_COSINE = 0.99  # between two roads: a few activations on the other side of a kink turn a gradient by 1 %
MAX_NOISE_FRAC = 1e-4  # of the logits' range, between forwards of the same images
N_FORWARDS = 5
TIMED_IMAGES, TIMED_ROUNDS = 16, 3
PALE = 0.2  # of full contrast
ROOM, NOISE = 0.1, 0.02  # of [0, 1]: kept free at both ends for steps; of sensor noise, which breaks ties of flat areas


@dataclass(frozen=True)
class Finding:
    name: str
    verdict: str  # PASSED, FAILED, INCONCLUSIVE, or SAID where there is nothing to pass
    found: str
    limit: str = ""


def check_model(
    model: DeployedModel,
    frames: torch.Tensor,
    gradient: Gradient | None = None,
    by_road: Callable[[str], Gradient] | None = None,
    of_attack: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> list[Finding]:
    """Of `gradient`, or of the one `gradient_of` chooses; `by_road` makes one by name.

    `of_attack` is the gradient of a loss that attacks use, which may vanish on some images (where a detector sees
    nothing); without it, towards the least likely class.

    `frames` (B, 3, H, W) are at the model's size, of 8-bit values, as the model will see them in use.
    """
    gradient = gradient or gradient_of(model)
    images = {"random images": proof_images(model.size_px), "rendered frames": frames}
    roomy = _with_room(frames)
    return [
        *_about(model, gradient),
        *(_parity(model, gradient, batch, name) for name, batch in images.items()),
        *_slopes(model, gradient, roomy),
        _second_road(model, gradient, by_road or partial(gradient_of, model), roomy),
        _usable((of_attack or partial(_to_least_likely, gradient))(torch.cat(list(images.values()))), bool(of_attack)),
        _deterministic(model, torch.cat(list(images.values()))),
        *_costs(model, gradient),
    ]


def _with_room(frames: torch.Tensor) -> torch.Tensor:
    noise = NOISE * torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
    return ((ROOM + (1 - 2 * ROOM) * frames + noise).clamp(ROOM, 1 - ROOM) * 255).round() / 255


def _about(model: DeployedModel, gradient: Gradient) -> list[Finding]:
    guesses, softmax = len(model.card.guessed), model.card.output.kind == "probabilities"
    return [
        Finding("road", SAID, gradient.road),
        Finding("provider", SAID, model.provider),
        Finding("card", SAID, f"{guesses} guesses, see `rig models inspect`" if guesses else "complete"),
        Finding("softmax in the graph", SAID, "yes: its logarithm is taken for the logits" if softmax else "no"),
    ]


def _parity(model: DeployedModel, gradient: Gradient, batch: torch.Tensor, name: str) -> Finding:
    """Of the road's own arithmetic, not of the file's scores that it may pass on."""
    own = gradient.inner.value_and_grad(batch, lambda logits: logits.sum(1))[2].cpu()
    file = torch.from_numpy(model.logits(batch))
    span, limit = float(file.max() - file.min()), STAND_INS[gradient.stand_in]
    error_frac = float((own - file).abs().max()) / span
    behind = file.amax(1) - file.gather(1, own.argmax(1, keepdim=True))[:, 0]
    agreeing = int((behind <= (limit if gradient.stand_in else ROUNDING) * span).sum())
    return Finding(
        f"parity on {name}",
        PASSED if error_frac <= limit and agreeing == len(batch) else FAILED,
        f"top-1 agrees on {agreeing} of {len(batch)}, logits within {error_frac:.1e} of their range",
        f"all, <= {limit:g}",
    )


def _slopes(model: DeployedModel, gradient: Gradient, images: torch.Tensor) -> list[Finding]:
    if gradient.is_estimate:
        return [
            Finding("gradient against differences", INCONCLUSIVE, "the gradient is itself estimated by differences")
        ]
    if _is_staircase(model):
        return _climbs(model, gradient, images)
    slopes = compare_slopes(model, gradient, images)
    return [_scale(slopes), _random_slopes(slopes)]


def _is_staircase(model: DeployedModel) -> bool:
    nodes = open_onnx(model.path, classifies=False).proto.graph.node
    return any("QuantizeLinear" in node.op_type or node.op_type.startswith(("QLinear", "QGemm")) for node in nodes)


def _climbs(model: DeployedModel, gradient: Gradient, images: torch.Tensor) -> list[Finding]:
    """A staircase has no slope to compare with, but a step along a straight-through gradient has to climb.

    Asked on low-contrast copies, as a quantiser does not move where it was calibrated for darker or paler images.
    """
    name = "climbs along its straight-through gradient"
    pale, full = (_realised(model, gradient, batch) for batch in (0.5 + PALE * (images - 0.5), images))
    verdict = PASSED if (pale >= LEAST_REALISED_FRAC).all() else FAILED
    return [
        Finding(
            name, verdict, f"{_range(pale)} of the promise over 8/255, in low contrast", f">= {LEAST_REALISED_FRAC:g}"
        ),
        Finding("the same in full contrast", SAID, f"{_range(full)}; low where codes saturate"),
    ]


def _realised(model: DeployedModel, gradient: Gradient, images: torch.Tensor) -> np.ndarray:
    """(B,)"""
    slopes = compare_slopes(model, gradient, (images * 255).round() / 255, (CLIMB,))
    return slopes.by_difference[0] / np.where(slopes.by_gradient[0], slopes.by_gradient[0], np.inf)


def _range(values: np.ndarray) -> str:
    return f"{values.min():.2f} to {values.max():.2f}"


def _scale(slopes: Slopes) -> Finding:
    """Along the gradient's own signs, where a wrong factor shows."""
    ratios = slopes.ratios[0]
    n_conclusive = int(np.isfinite(ratios).sum())
    median = float(np.nanmedian(ratios)) if n_conclusive else math.nan
    right = abs(median - 1) <= MAX_SCALE_ERROR
    return Finding(
        "gradient's scale against central differences",
        INCONCLUSIVE if 2 * n_conclusive < len(ratios) else PASSED if right else FAILED,
        f"{f'median ratio {median:.3f}, ' if n_conclusive else ''}{_settled(n_conclusive, len(ratios))}",
        f"1 +- {MAX_SCALE_ERROR:g}",
    )


def _random_slopes(slopes: Slopes) -> Finding:
    ratios, conclusive = slopes.ratios[1:], slopes.conclusive[1:]
    tolerance = MAX_SLOPE_ERROR + slopes.uncertainty[1:] / np.abs(np.where(conclusive, slopes.by_difference[1:], 1))
    agreeing, n_conclusive = int((np.abs(ratios - 1) <= tolerance).sum()), int(conclusive.sum())
    right = agreeing >= LEAST_AGREEING_FRAC * n_conclusive
    return Finding(
        "gradient along random directions",
        INCONCLUSIVE if 2 * n_conclusive < ratios.size else PASSED if right else FAILED,
        f"{agreeing} of {n_conclusive} slopes agree, {_settled(n_conclusive, ratios.size)}",
        f">= {LEAST_AGREEING_FRAC:.0%} within {MAX_SLOPE_ERROR:.0%}",
    )


def _settled(n: int, total: int) -> str:
    return f"{n} of {total} settle at some step"


def _second_road(
    model: DeployedModel, gradient: Gradient, by_road: Callable[[str], Gradient], images: torch.Tensor
) -> Finding:
    """Autograd of another program's import of the file: an opinion where differences have none."""
    name = "gradient against the other road"
    other_road = "compiled" if gradient.road.startswith("torch") else "torch"
    if gradient.is_estimate or _is_staircase(model):
        return Finding(name, SAID, "there is no other")
    try:
        other = by_road(other_road)
    except ModelError as error:
        return Finding(name, SAID, f"there is no other: {error}")
    ours, theirs = (
        road.value_and_grad(images, lambda z: z.var(1))[1].double().flatten(1) for road in (gradient, other)
    )
    cosine = float(torch.nn.functional.cosine_similarity(ours, theirs).median())
    ratio = float((ours.norm(dim=1) / theirs.norm(dim=1)).median())
    right = cosine >= LEAST_COSINE and abs(ratio - 1) <= MAX_SCALE_ERROR  # neither holds of what is not a number
    return Finding(
        name,
        PASSED if right else FAILED,
        f"{other_road}: median cosine {cosine:.5f}, length ratio {ratio:.4f}",
        f">= {LEAST_COSINE:g}, 1 +- {MAX_SCALE_ERROR:g}",
    )


def _to_least_likely(gradient: Gradient, batch: torch.Tensor) -> torch.Tensor:
    def objective(logits):
        return torch.nn.functional.cross_entropy(logits, logits.detach().argmin(1), reduction="none")

    return gradient.value_and_grad(batch, objective)[1]


def _usable(grad: torch.Tensor, some_may_be_zero: bool) -> Finding:
    grad = grad.flatten(1)
    n_bad = int((~torch.isfinite(grad)).any(1).sum())
    most_zero = len(grad) - 1 if some_may_be_zero else 0
    n_zero, zero_frac = int((grad == 0).all(1).sum()), float((grad == 0).float().mean())
    return Finding(
        "zero or non-finite gradients",
        FAILED if n_bad or n_zero > most_zero else PASSED,
        f"{n_zero} zero, {n_bad} non-finite of {len(grad)} images; {zero_frac:.1%} of entries zero",
        f"non-finite 0, zero <= {most_zero}",
    )


def _deterministic(model: DeployedModel, batch: torch.Tensor) -> Finding:
    runs = np.stack([model.logits(batch) for _ in range(N_FORWARDS)])
    noise_frac = float(np.ptp(runs, axis=0).max() / np.ptp(runs[0]))
    return Finding(
        f"{N_FORWARDS} forwards agree",
        PASSED if noise_frac <= MAX_NOISE_FRAC else FAILED,
        f"within {noise_frac:.1e} of the logits' range",
        f"<= {MAX_NOISE_FRAC:g}",
    )


def _costs(model: DeployedModel, gradient: Gradient) -> list[Finding]:
    batch = proof_images(model.size_px).repeat(math.ceil(TIMED_IMAGES / 6), 1, 1, 1)[:TIMED_IMAGES]
    forward_s = _seconds(lambda: model.logits(batch)) / len(batch)
    gradient_s = _seconds(lambda: gradient.value_and_grad(batch, lambda logits: logits.var(1))) / len(batch)
    return [
        Finding("forward", SAID, _pace(forward_s)),
        Finding("forward and gradient", SAID, f"{_pace(gradient_s)}, {gradient_s / forward_s:.1f} x forward"),
        Finding("peak memory of the process", SAID, _peak_memory()),
    ]


def _pace(image_s: float) -> str:
    return f"{1e3 * image_s:.2f} ms an image, {1 / image_s:.0f} images/s"


def _seconds(run: Callable[[], object]) -> float:
    """Of wall time, the best of a few after a first one."""
    run()
    found = []
    for _ in range(TIMED_ROUNDS):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def _peak_memory() -> str:
    if resource is None:
        return "not known on this system"
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes / 2**20:.0f} MiB"
