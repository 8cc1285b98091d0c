"""`rig attack texture`: attack, controls, held-out sweep, report. Composition only; every stage lives elsewhere."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rig.attack.controls import random_texture, single_view_attack
from rig.attack.distance import DeltaE
from rig.attack.goal import goal_of
from rig.attack.method import roads_for, texture_attack
from rig.attack.poses import FixedViews, PoseWindow
from rig.attack.printable import printable_of, require_no_response, require_within
from rig.attack.settings import AttackSettings
from rig.attack.texture import Stage, State
from rig.campaign.records import hash_again, model_records, require_same_models, scene_hashes, threat_model
from rig.contracts import Artefact
from rig.images import content_hash
from rig.model import resolve
from rig.model.detect import open_judge
from rig.model.ensemble import together
from rig.render import Renderer
from rig.report import write_report
from rig.runs import Progress, RunFolder
from rig.scene import rebuilt
from rig.scene.findings import texture_findings
from rig.sweep import Case, frame_size, sweep
from rig.views import derive_seed, draw_views

MEASURED_VIEWS = 100  # of the scored ones, for Delta-E
TRADE_OFF_STEPS_FRAC, TRADE_OFF_STEP_SIZE_FRAC = 0.2, 0.3  # of the main attack's


@dataclass(frozen=True)
class TextureJob:
    """All that was asked; frozen into run.json, so that `rig resume` needs nothing else."""

    scene: dict  # a resolved scene config
    models: tuple[str, ...]  # attacked together, each scored
    attack: AttackSettings
    views: int
    seed: int
    trade_off: tuple[float | None, ...] = ()  # further Delta-E budgets; None is unconstrained
    controls: bool = True

    def config(self) -> dict:
        return {
            "job": "attack texture",
            "scenes": {self.scene["name"]: self.scene},
            "models": list(self.models),
            "attack": self.attack.model_dump(mode="json"),
            "trade_off": list(self.trade_off),
            "controls": self.controls,
            "sweep": {"views": self.views, "policy": "random"},
        }


def attack_texture(job: TextureJob, out: Path, command: list[str], progress: Progress) -> RunFolder:
    """Do the whole job, or what an earlier call for the same folder left undone."""
    require_no_response(job.attack, [job.scene])
    models = [open_judge(resolve(name)) for name in job.models]
    scene = rebuilt(job.scene, job.attack.texture_px)
    goal = goal_of(scene, job.attack.target, models[0].labels)
    roads = roads_for(models, job.attack)
    gradient = together(models, roads)
    renderer = Renderer(scene, frame_size(scene, models[0]))
    validation = draw_views(scene.config, job.attack.validation_views, job.seed, "validation")
    prepared = [renderer.prepare(view) for view in validation]
    stage = Stage(renderer, models[0], gradient, goal, prepared, tuple(models[1:]))
    _require_room(stage, job)
    run = RunFolder.start(out, command, job.config(), job.seed)
    require_same_models(run, models)
    run.state |= {
        "threat_model": threat_model(scene, goal, models, job.attack, gradient),
        "models": model_records(models, roads),
        "hashes": scene_hashes(scene),
        "scene_notes": texture_findings(scene.mesh),
    }
    run.save()
    names = _Artefacts(run, stage, job, progress).make()
    eval_views = tuple(draw_views(scene.config, job.views, job.seed, "eval"))
    case = Case(
        scene, tuple(run.artefact(name) for name in names), eval_views, {model.card.name: goal for model in models}
    )
    sweep(run, [case], models, progress)
    hash_again(run, models)
    run.finish()
    write_report(run.path)
    return run


def _require_room(stage: Stage, job: TextureJob) -> None:
    """Colours that are printable, within the least budget asked for: refused before anything is written."""
    budgets = [budget for budget in (job.attack.max_delta_e, *job.trade_off) if budget is not None]
    if job.attack.printable and budgets:
        require_within(min(budgets), texture_attack(stage, FixedViews([]), job.attack, "room").least_delta_e())


class _Artefacts:
    """Makes what the run's folder lacks: the attack, its trade-off, its controls; each is kept once it is whole."""

    def __init__(self, run: RunFolder, stage: Stage, job: TextureJob, progress: Progress):
        self.run, self.stage, self.job, self.progress = run, stage, job, progress
        self.histories: list[list[dict]] = []
        # Delta-E of artefacts is measured on the views they are scored on, from the 8-bit file.
        scored = draw_views(stage.renderer.scene.config, min(job.views, MEASURED_VIEWS), job.seed, "eval")
        prepared = [stage.renderer.prepare(view) for view in scored]
        self.eval_delta_e = DeltaE(stage.renderer, self.clean_texture, prepared)

    def make(self) -> list[str]:
        names = [self._save("clean", "the object as it is", self.clean_texture)]
        names.append(self._attack("adversarial", self.job.attack, start=None))
        for number, budget in enumerate(self.job.trade_off, start=2):
            names.append(self._attack(f"adversarial-{number}", self._with_budget(budget), start="adversarial"))
        if self.job.controls:
            names += [self._random_control(), self._single_view_control()]
        self.run.write_table("attack/history.parquet", [row for history in self.histories for row in history])
        return names

    @property
    def clean_texture(self) -> np.ndarray:
        return self.stage.renderer.scene.mesh.texture

    def _with_budget(self, budget: float | None) -> AttackSettings:
        """Fewer and smaller steps: what the main attack found is the start, and a full step would throw it away."""
        attack = self.job.attack
        changes = {
            "max_delta_e": budget,
            "keep_success": None,
            "narrow_frac": 0.0,
            "distance_weight": 0.0 if budget is None else attack.distance_weight,
            "steps": max(1, round(attack.steps * TRADE_OFF_STEPS_FRAC)),
            "step_size": attack.step_size * TRADE_OFF_STEP_SIZE_FRAC,
        }
        return attack.model_copy(update=changes)

    def _attack(self, name: str, settings: AttackSettings, start: str | None) -> str:
        seed = derive_seed(self.job.seed, name)
        config = self.stage.renderer.scene.config
        size, reuse_frac, narrow_steps = settings.views_per_step, settings.reuse_frac, settings.narrow_steps
        poses = PoseWindow(config, self.stage.renderer, seed, "attack", size, reuse_frac, narrow_steps)
        begin = None if start is None else self.run.artefact(start).texture
        state = texture_attack(self.stage, poses, settings, name, begin, seed).run(self.run, self.progress)
        budget = "no Delta-E budget" if settings.max_delta_e is None else f"Delta-E budget {settings.max_delta_e:g}"
        if settings.keep_success is not None:
            budget += f", lowered while {settings.keep_success:.0%} of validation views stay fooled"
        if settings.printable:
            budget += ", printable colours"
        return self._finish(name, f"attack over the view distribution, {budget}", state)

    def _random_control(self) -> str:
        def texture() -> np.ndarray:
            adversarial = self.run.artefact("adversarial").texture
            seed = derive_seed(self.job.seed, "control_random")
            return random_texture(self.stage, adversarial, self.stage.validation, seed, printable_of(self.job.attack))

        label = "random change with the attack's spatial spectrum and Delta-E"
        return self._save("control_random", label, None if self.run.has_artefact("control_random") else texture())

    def _single_view_control(self) -> str:
        config = self.stage.renderer.scene.config
        (view,) = draw_views(config, 1, derive_seed(self.job.seed, "control_single_view"), "attack")
        prepared = self.stage.renderer.prepare(view)
        state = single_view_attack(self.stage, self._as_far_as_the_attack(), prepared, self.run, self.progress)
        return self._finish("control_single_view", "the same attack on a single view, without EOT", state)

    def _as_far_as_the_attack(self) -> AttackSettings:
        """A control's budget: where the attack lowered its own, what it came down to."""
        if self.job.attack.keep_success is None:
            return self.job.attack
        reached = self.run.artefact("adversarial").details["delta_e_mean"]
        return self.job.attack.model_copy(update={"max_delta_e": reached, "keep_success": None})

    def _finish(self, name: str, label: str, state: State) -> str:
        self.histories.append(state.history)
        if not self.run.has_artefact(name):
            spent = ("gradients", "queries", "seconds", "cpu_seconds")
            self.run.spend(**{one: getattr(state, one) for one in spent})
            self.run.save()
        asked = {"gradients": state.gradients, "queries": state.queries}
        return self._save(name, label, state.best, steps=state.step, **asked, validation_success=state.best_success)

    def _save(self, name: str, label: str, texture: np.ndarray | None, **details) -> str:
        """Write an artefact once; later calls keep the file, which is the truth."""
        if not self.run.has_artefact(name):
            record = _record(name, label, texture, self.clean_texture, self.eval_delta_e.of(texture).numpy())
            self.run.save_artefact(Artefact(name, texture, record | {"details": details}))
        return name


def _record(name: str, label: str, texture: np.ndarray, clean: np.ndarray, distances: np.ndarray) -> dict:
    return {
        "name": name,
        "kind": "texture",
        "label": label,
        "texture_sha256": content_hash(texture),
        "delta_e_mean": float(distances.mean()),
        "delta_e_p95": float(np.quantile(distances, 0.95)),
        "linf_255": int(np.abs(texture.astype(int) - clean).max()),
    }
