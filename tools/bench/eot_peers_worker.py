"""Runs one library's EOT attack in an environment of that library's own; nothing of rig is imported here.

    python eot_peers_worker.py {art|foolbox|torchattacks} tasks.npz model.onnx --epsilon 8 --steps 20 --samples 8 --out results.npz

Each library's own loop and its own way of averaging; the transformations and the network are the same for all: the ONNX
file imported into torch, which reaches its logits where ONNX Runtime does to 1e-3.
"""

import argparse
import time

import numpy as np
import onnx
import onnx2fx
import onnxruntime
import torch
import torch.nn.functional as F

BATCH = 24  # images attacked at once


class Transformed(torch.nn.Module):
    """The network behind random transformations of a picture, new for every image of every call."""

    def __init__(self, network: torch.nn.Module, ranges: np.ndarray):
        super().__init__()
        self.network, self.ranges = network, torch.from_numpy(ranges.astype(np.float32))
        self.unused = torch.nn.Parameter(torch.zeros(1))  # torchattacks asks for the device of a parameter
        self.samples = 0

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.samples += len(batch)
        return self.network(transformed(batch, self.ranges))


def transformed(batch: torch.Tensor, ranges: torch.Tensor) -> torch.Tensor:
    """ranges (6, 2): rotation in degrees, scale, shifts right and down of a side, light, standard deviation of noise."""
    low, high = ranges.T
    values = low + (high - low) * torch.rand(len(batch), 6)
    angle_deg, scale, right, down, lighten, noise_std = values.T
    cosine, sine = torch.cos(torch.deg2rad(angle_deg)) / scale, torch.sin(torch.deg2rad(angle_deg)) / scale
    rows = torch.stack([cosine, -sine, -2 * right, sine, cosine, -2 * down], dim=1).reshape(-1, 2, 3)
    seen = F.grid_sample(batch, F.affine_grid(rows, list(batch.shape), align_corners=False), align_corners=False)
    noise = torch.randn_like(seen) * noise_std[:, None, None, None]
    return (seen + lighten[:, None, None, None] + noise).clamp(0, 1)


def art_attack(network, ranges, asked, shape, n_classes):
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier
    from art.preprocessing.expectation_over_transformation.pytorch import EoTPyTorch

    class PlaneEoT(EoTPyTorch):
        """ART's own averaging; its ready-made rotation needs torchvision and would be another distribution."""

        def _transform(self, x, y, **_):
            network.samples += len(x)
            return transformed(x, network.ranges), y

    eot = PlaneEoT(nb_samples=asked.samples, clip_values=(0.0, 1.0), apply_predict=True)
    classifier = PyTorchClassifier(
        network.network,
        torch.nn.CrossEntropyLoss(),
        shape,
        n_classes,
        clip_values=(0.0, 1.0),
        preprocessing_defences=[eot],
        device_type="cpu",
    )
    attack = ProjectedGradientDescentPyTorch(
        classifier, eps=asked.epsilon / 255, eps_step=asked.alpha / 255, max_iter=asked.steps, verbose=False, batch_size=BATCH
    )  # fmt: skip
    return lambda images, labels: attack.generate(images.numpy(), np.eye(n_classes)[labels.numpy()])


def foolbox_attack(network, ranges, asked, shape, n_classes):
    import foolbox

    model = foolbox.models.ExpectationOverTransformationWrapper(
        foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu"), n_steps=asked.samples
    )
    attack = foolbox.attacks.LinfPGD(steps=asked.steps, abs_stepsize=asked.alpha / 255)
    # run: its own loop alone; calling it would ask the network afterwards which pictures fool it
    return lambda images, labels: attack.run(model, images, labels, epsilon=asked.epsilon / 255).numpy()


def torchattacks_attack(network, ranges, asked, shape, n_classes):
    import torchattacks

    size = {"eps": asked.epsilon / 255, "alpha": asked.alpha / 255}
    attack = torchattacks.EOTPGD(network, **size, steps=asked.steps, eot_iter=asked.samples)
    return lambda images, labels: attack(images, labels).numpy()


LIBRARIES = {"art": art_attack, "foolbox": foolbox_attack, "torchattacks": torchattacks_attack}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("tasks", help="images (N, H, W, 3) uint8, labels (N,), ranges (6, 2)")
    parser.add_argument("model")
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    np.random.seed(asked.seed)  # noqa: NPY002 - the one that ART draws from
    with np.load(asked.tasks) as tasks:
        images, labels, ranges = (tasks[name] for name in ("images", "labels", "ranges"))
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    labels = torch.from_numpy(labels.astype(np.int64))
    module, n_classes = imported(asked.model, batch[:4])
    network = Transformed(module, ranges).eval()
    attack = LIBRARIES[asked.library](network, ranges, asked, tuple(batch.shape[1:]), n_classes)
    began = time.process_time()
    parts = [
        attack(batch[start : start + BATCH].clone(), labels[start : start + BATCH])
        for start in range(0, len(batch), BATCH)
    ]
    cpu_s = time.process_time() - began
    found = np.rint(np.concatenate(parts).transpose(0, 2, 3, 1) * 255).clip(0, 255).astype(np.uint8)
    np.savez(asked.out, images=found, cpu_s=cpu_s, samples=network.samples)


def imported(path: str, batch: torch.Tensor) -> tuple[torch.nn.Module, int]:
    module = onnx2fx.convert(onnx.load(path)).eval().requires_grad_(False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: batch.numpy()})[0]
    assert np.abs(module(batch).numpy() - expected).max() < 1e-3
    return module, expected.shape[1]


if __name__ == "__main__":
    main()
