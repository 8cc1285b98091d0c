"""Runs one library's pixel attack in an environment of that library's own; nothing of rig is imported here.

    python pixel_worker.py {art|torchattacks} tasks.npz model.onnx --pixels K --max-queries N --out results.npz

Both ask the same ONNX Runtime session, one thread. Every picture asked about is counted; an image is over at the first
that fools the network, whether or not the library would have looked at it, or when the budget is spent.
"""

import argparse
import contextlib
import time

import numpy as np
import onnxruntime

POPULATION = 400  # both libraries: divided among the numbers that describe a candidate


class Enough(Exception):
    """The budget is spent, or the network is fooled."""


class Counted:
    """A network that counts what it is asked about one image, and remembers the first picture that fooled it."""

    def __init__(self, path: str, most: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.most = most
        self.begin(-1)

    def begin(self, label: int) -> None:
        self.label, self.queries, self.fooling, self.success_query = label, 0, None, -1

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Logits (n, classes) of a batch (n, 3, H, W) in [0, 1]."""
        if self.label < 0:
            return self.logits(batch)
        batch = batch[: self.most - self.queries]
        logits = self.logits(batch)
        fooled = np.flatnonzero(logits.argmax(axis=1) != self.label)
        if len(fooled):
            self.fooling, self.success_query = batch[fooled[0]].copy(), self.queries + int(fooled[0]) + 1
        self.queries += len(batch)
        if len(fooled) or self.queries >= self.most:
            raise Enough
        return logits

    def logits(self, batch: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.input: np.ascontiguousarray(batch, dtype=np.float32)})[0]


def art_attack(network: Counted, pixels: int, shape: tuple[int, ...], n_classes: int):
    from art.attacks.evasion import PixelAttack
    from art.estimators.classification import BlackBoxClassifierNeuralNetwork

    classifier = BlackBoxClassifierNeuralNetwork(
        lambda x: softmax(network(x)), input_shape=shape, nb_classes=n_classes, channels_first=True, clip_values=(0, 1)
    )
    attack = PixelAttack(classifier, th=pixels, es=1, max_iter=10_000, verbose=False)
    return lambda batch, label: attack.generate(batch, np.eye(n_classes)[[label]])


def torchattacks_attack(network: Counted, pixels: int, shape: tuple[int, ...], n_classes: int):
    import torch
    import torchattacks

    torch.set_num_threads(1)

    class Through(torch.nn.Module):
        """The session in a torch module's clothes."""

        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))  # torchattacks asks for the device of a parameter

        def forward(self, batch):
            return torch.from_numpy(network(batch.detach().numpy()))

    attack = torchattacks.OnePixel(Through().eval(), pixels=pixels, steps=10_000, popsize=POPULATION)
    return lambda batch, label: attack(torch.from_numpy(batch), torch.tensor([label]))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


LIBRARIES = {"art": art_attack, "torchattacks": torchattacks_attack}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("tasks", help="images (N, H, W, 3) uint8, labels (N,)")
    parser.add_argument("model")
    parser.add_argument("--pixels", type=int, required=True)
    parser.add_argument("--max-queries", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True)
    asked = parser.parse_args()
    with np.load(asked.tasks) as tasks:
        images, labels = tasks["images"], tasks["labels"]
    network = Counted(asked.model, asked.max_queries)
    n_classes = network.logits(np.zeros((1, *images.transpose(0, 3, 1, 2).shape[1:]), np.float32)).shape[1]
    attack = LIBRARIES[asked.library](network, asked.pixels, images.transpose(0, 3, 1, 2).shape[1:], n_classes)
    fooling, queries, success_queries, cpu_s = images.copy(), [], [], []
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        np.random.seed(asked.seed + i)  # noqa: NPY002 - the one that both libraries draw from
        batch = (image.transpose(2, 0, 1)[None] / 255).astype(np.float32)
        began = time.process_time()
        network.begin(int(label))
        with contextlib.suppress(Enough):
            attack(batch, int(label))
        cpu_s.append(time.process_time() - began)
        queries.append(network.queries)
        success_queries.append(network.success_query)
        if network.fooling is not None:
            fooling[i] = np.rint(network.fooling.transpose(1, 2, 0) * 255).astype(np.uint8)
        print(f"{asked.library} {i + 1}/{len(images)} {queries[-1]} {success_queries[-1]}", flush=True)
    np.savez(asked.out, images=fooling, queries=queries, success_queries=success_queries, cpu_s=cpu_s)


if __name__ == "__main__":
    main()
