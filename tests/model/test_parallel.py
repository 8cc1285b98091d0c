import os

import torch

from rig.model import DeployedModel, resolve
from rig.model.compiled import CompiledGradient
from rig.model.parallel import SideBySide, _shares


def test_sharing_a_batch_out_changes_nothing():
    """Targets differ by row, so that a misplaced row shows; an odd batch, so that shares are uneven."""
    model = DeployedModel(resolve("efficientnet-lite0"), threads=2)
    alone = CompiledGradient(model)
    shared = SideBySide(CompiledGradient, model)
    batch = torch.rand(9, 3, *model.size_px, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 5])

    def objective(logits):
        return torch.nn.functional.cross_entropy(logits, targets, reduction="none")

    for ours, theirs in zip(
        shared.value_and_grad(batch, objective), alone.value_and_grad(batch, objective), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_shares_cover_every_row_once():
    for n in (0, 1, 2, 7, 16):
        rows = [row for share in _shares(n, 3) for row in range(n)[share]]
        assert rows == list(range(n))


def test_there_is_a_worker_a_core(tiny):
    shared = SideBySide(CompiledGradient, DeployedModel(tiny().path, threads=None))
    assert shared.n_workers == min(4, len(os.sched_getaffinity(0)))
