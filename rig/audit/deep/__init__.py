"""`rig audit --deep`: the extra runs that some checks need, kept below RUN/audit/; killed, they go on where they were."""

from collections.abc import Callable
from pathlib import Path

from rig.audit.deep.answers import ask_again
from rig.audit.deep.repeats import REPEATS, make_restarts
from rig.audit.deep.slopes import measure_slopes
from rig.audit.deep.toy import validity
from rig.audit.evidence import TEXTURE, Evidence
from rig.audit.store import keep
from rig.errors import RunError
from rig.metrics.load import read_run
from rig.metrics.patch import PATCH_JOB
from rig.model import DeployedModel, resolve
from rig.model.detect import Presence, open_judge
from rig.runs import Progress

Resume = Callable[[Path, Progress], object]


def deepen(path: Path, resume: Resume, progress: Progress) -> None:
    """Makes what is missing. `resume` finishes the run of a folder: rig.campaign.resume, which lies above this.

    Raises RunError where a model on this machine is not the one of the run, or the run is of a kind without checks.
    """
    evidence = Evidence(read_run(path))
    if not (evidence.job and evidence.has_trials):
        raise RunError("no deep checks for this kind of run", where=path, got=evidence.job or "no job in run.json")
    model = model_of(evidence)
    steps = {"answers": lambda: ask_again(evidence, model)}
    if evidence.job == TEXTURE:
        steps |= {} if evidence.asks_scores_only else {"slopes": lambda: measure_slopes(evidence, model)}
        steps |= {"validity": lambda: validity(path, resume, progress)}
        steps |= {name: lambda make=make: make(evidence, resume, progress) for name, make in REPEATS.items()}
        steps |= {"restarts": lambda: make_restarts(evidence, resume, progress)}
    if evidence.job == PATCH_JOB and len(evidence.config["scenes"]) == 1:
        steps |= {"slopes": lambda: measure_slopes(evidence, model)}
    for done, (name, make) in enumerate(steps.items()):
        progress(done, len(steps), f"audit: {name}")
        if evidence.deep(name) is None:
            keep(evidence, name, make())
    progress(len(steps), len(steps), "audit")


def model_of(evidence: Evidence) -> DeployedModel | Presence:
    """The first model of the run, which must still be the file that was attacked."""
    record = evidence.run.record.models[0]
    model = open_judge(resolve(evidence.config["models"][0]))
    if model.sha256 != record.sha256_before:
        got, expected = f"sha256 {model.sha256[:12]}", (record.sha256_before or "none")[:12]
        raise RunError("the model is not the one of the run", where=model.path, got=got, expected=expected)
    return model
