"""An Linf budget is held to the level: the saved file, one level over, fails."""

import numpy as np
import pytest

from rig.audit import FAIL, PASS, audit
from rig.images import read_image


def budget(run, **changes):
    run.state(lambda state: state["config"]["attack"].update(changes) or state["config"].update(trade_off=[None, None]))
    (finding,) = audit(run.path, only=(5,))
    return finding


@pytest.fixture
def linf(run) -> int:
    """What the three attacks of the run use at most, counted here."""
    clean = read_image(run.path / "artefacts/clean/texture.png").astype(int)
    names = ("adversarial", "adversarial-2", "adversarial-3")
    return max(int(np.abs(read_image(run.path / f"artefacts/{name}/texture.png") - clean).max()) for name in names)


def test_exactly_at_the_budget_is_within_it(run, linf):
    finding = budget(run, epsilon=linf, max_delta_e=None)
    assert finding.status == PASS
    assert f"Linf at most {linf}/255 of {linf}" in finding.sentence


def test_one_level_of_one_channel_over_the_budget_is_caught(run, linf):
    clean = read_image(run.path / "artefacts/clean/texture.png").astype(int)
    texture = read_image(run.path / "artefacts/adversarial/texture.png").astype(int)
    v, u, c = map(int, np.argwhere((clean + linf + 1 <= 255) & (np.arange(32) >= 4)[None, :, None])[0])
    texture[v, u, c] = clean[v, u, c] + linf + 1
    run.paint("adversarial", texture.astype(np.uint8))
    finding = budget(run, epsilon=linf, max_delta_e=None)
    assert finding.status == FAIL
    assert f"adversarial by {linf + 1}/255 of {linf} allowed" in finding.sentence
