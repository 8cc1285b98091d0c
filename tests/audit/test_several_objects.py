"""Rates over several objects: their views are no independent draws."""

import pytest
from synthetic_run import write_run

from rig.audit import FAIL, PASS, audit
from rig.metrics.load import read_run, read_trials
from rig.metrics.summary import summarise


@pytest.mark.parametrize(
    "lost", [lambda pooled: pooled.clear(), lambda pooled: pooled[0]["accuracy"].pop("effective_n")]
)
def test_rates_over_objects_without_their_cluster_interval_are_caught(tmp_path, lost):
    objects, artefacts = ("turtle", "ball"), ("clean", "adversarial")
    folder = read_run(write_run(tmp_path / "run", 12, objects, artefacts=artefacts, history=False, thumbnails=False))
    metrics = summarise(folder, read_trials(folder))
    assert audit(folder, metrics, only=(22,))[0].status == PASS
    lost(metrics["pooled"])
    (finding,) = audit(folder, metrics, only=(22,))
    assert finding.status == FAIL
    assert "without a cluster interval and its effective n" in finding.sentence
