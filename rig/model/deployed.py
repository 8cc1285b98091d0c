"""The deployed file itself: the one ONNX Runtime session. What it says is what counts."""

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from rig.errors import ModelError
from rig.images import batch_from_images
from rig.model.card import Card, card_beside, card_path
from rig.model.guess import guess
from rig.model.labels import Labels
from rig.model.onnx_file import OnnxFile, open_onnx
from rig.model.preprocess import check_images, feed, fit

CHUNK = 32  # images a call where the file leaves the batch open; bounds memory
LEAST_PROB = 1e-30  # clamp below which a probability's logarithm is not followed
PATIENCE_S = 120  # for the first answer: a file may hold a loop without end
QUIET = 4  # fatal only: errors come as exceptions, and a missing CUDA is no error
PROVIDERS = {"CUDAExecutionProvider": {"use_tf32": "0"}, "CPUExecutionProvider": {}}
ORT_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    ort_errors.EPFail,
)


class DeployedModel:
    """A classifier as deployed. Its card is read from beside the file, or guessed where none lies there.

    `sha256` names the file as loaded; `size_px` is (height, width); `provider` is the one that runs;
    `queries` counts images evaluated, by the file or by a gradient road of it; `threads` limits ONNX Runtime's own
    (None: its default).
    Raises ModelError for a file that is not such a model, or does not run.
    """

    def __init__(self, path: Path, threads: int | None = None):
        file = open_onnx(path)
        self._session = session_of(file, threads)  # first: what follows reads a graph that is known to be sound
        self.path = file.path
        self.card: Card = card_beside(file) if card_path(file.path).exists() else guess(file)
        self.sha256 = file.sha256
        self.size_px = (self.card.input.height_px, self.card.input.width_px)
        self.labels = Labels(self.card.labels)
        self.threads = threads
        self.provider = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self._chunk = self.card.input.batch or CHUNK
        self._try_once()
        self.queries = 0

    def fit(self, batch: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) of any size to the model's, differentiable; a batch of that size passes unchanged."""
        return fit(self.card, batch)

    def logits(self, batch: torch.Tensor) -> np.ndarray:
        """(B, 3, H, W) float32 RGB in [0, 1], any size, to (B, K) float32; log-probabilities of a softmax model."""
        chunks = [self._ask(chunk) for chunk in batch.detach().cpu().split(self._chunk)] if len(batch) else []
        self.queries += len(batch)
        return np.concatenate([np.empty((0, len(self.labels)), np.float32), *chunks])

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, K) of 8-bit images (N, H, W, 3)."""
        check_images(images)
        chunks = [self.logits(batch_from_images(chunk)) for chunk in _split(images, self._chunk)]
        return np.concatenate([np.empty((0, len(self.labels)), np.float32), *chunks])

    def fed(self, batch: torch.Tensor) -> np.ndarray:
        """(B, 3, H, W) RGB in [0, 1], any size, as the file's input takes it: layout, normalisation, type."""
        return feed(self.card, fit(self.card, batch)).contiguous().numpy().astype(self.card.input.dtype, copy=False)

    def logits_of_fed(self, values: np.ndarray) -> np.ndarray:
        """As `logits`, of what `fed` gives: for callers that ask about many images that differ little."""
        chunks = [self._answer(chunk) for chunk in _split(values, self._chunk)]
        self.queries += len(values)
        return np.concatenate([np.empty((0, len(self.labels)), np.float32), *chunks])

    def _ask(self, batch: torch.Tensor, options=None) -> np.ndarray:
        return self._answer(self.fed(batch), options)

    def _answer(self, values: np.ndarray, options=None) -> np.ndarray:
        """(b, K) of at most a chunk; a fixed batch is filled up with copies of the last image."""
        n = len(values)
        missing = (self.card.input.batch or n) - n
        values = np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) if missing else values
        scores = self._run(values, options)[:n].astype(np.float32)
        if self.card.output.kind == "probabilities":
            scores = np.log(np.maximum(scores, LEAST_PROB))
        if not np.isfinite(scores).all():
            raise ModelError("the model's logits are not finite", where=self.path)
        return scores

    def _run(self, values: np.ndarray, options=None) -> np.ndarray:
        try:
            (scores,) = self._session.run([self.card.output.name], {self.card.input.name: values}, options)
        except ORT_ERRORS as error:
            raise ModelError("ONNX Runtime cannot run the model", where=self.path, got=error) from error
        if scores.size != len(values) * len(self.labels):
            got, expected = scores.shape, f"({len(values)}, {len(self.labels)})"
            raise ModelError(
                "the model's output has another shape than it declares", where=self.path, got=got, expected=expected
            )
        return scores.reshape(len(values), -1)

    def _try_once(self) -> None:
        """Grey through the network, so that a file that cannot run is refused at load."""
        scores = self._first_answer(torch.full((1, 3, *self.size_px), 0.5))
        if self.card.output.kind == "probabilities" and abs(np.exp(scores).sum() - 1) > 0.02:
            got = f"a sum of {np.exp(scores).sum():.3g}"
            raise ModelError(
                f"output {self.card.output.name} holds no probabilities", where=self.path, got=got, expected="1"
            )

    def _first_answer(self, batch: torch.Tensor) -> np.ndarray:
        options = onnxruntime.RunOptions()
        timer = threading.Timer(PATIENCE_S, setattr, (options, "terminate", True))
        timer.start()
        try:
            return self._ask(batch, options)
        except ModelError as error:
            if options.terminate:
                raise ModelError(f"no answer to one image within {PATIENCE_S} s", where=self.path) from error
            raise
        finally:
            timer.cancel()


def require_unchanged(model: DeployedModel) -> OnnxFile:
    """The model's file, opened again. Raises ModelError if it is no longer the one that was loaded."""
    file = open_onnx(model.path, classifies=False)
    if file.sha256 != model.sha256:
        raise ModelError("the model file changed since it was loaded", where=model.path)
    return file


def session_of(file: OnnxFile, threads: int | None) -> onnxruntime.InferenceSession:
    onnxruntime.set_default_logger_severity(QUIET)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = threads or 0
    offered = onnxruntime.get_available_providers()
    providers = [(name, settings) for name, settings in PROVIDERS.items() if name in offered]
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # where it says that it falls back to another provider
            return onnxruntime.InferenceSession(str(file.path), options, providers=providers)
    except (*ORT_ERRORS, UnicodeDecodeError) as error:  # the second where a name in the file is no text
        raise ModelError("ONNX Runtime cannot load the model", where=file.path, got=error) from error


def _split(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (images[start : start + size] for start in range(0, len(images), size))
