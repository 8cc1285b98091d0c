"""What a run left on disk, as the checks read it: rows as they are, files as they are, nothing believed."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from rig.attack.settings import AttackSettings
from rig.audit.distance import Distance, object_delta_e
from rig.contracts import POSE_DIMENSIONS, TRIAL_COLUMNS
from rig.errors import RunError
from rig.images import read_image
from rig.metrics.load import SEPARATOR, Run, read_history
from rig.metrics.patch import PATCH_JOB, SHARE
from rig.runs import RunFolder
from rig.scene import Scene, SceneConfig, rebuilt, resolve_scene
from rig.settings import validated
from rig.sweep.pixel_trials import PIXEL_COLUMNS
from rig.sweep.session_trials import COLUMNS as SESSION_COLUMNS

TEXTURE, SWEEP, SESSION = "attack texture", "sweep", "sweep session"
PIXEL = "attack pixel"
POSE = "attack pose"
ESTIMATORS = ("NES", "SPSA")  # rig.model.estimators, by name
FOLDER = "audit"  # of a run: what deep checks made
_UNCHANGED = dict.fromkeys((SWEEP, SESSION), "nothing was optimised in this run") | {
    POSE: "only views were searched; nothing on the object was changed"
}
_COLUMNS = {SESSION: tuple(SESSION_COLUMNS), PIXEL: (*TRIAL_COLUMNS, *PIXEL_COLUMNS)}


@dataclass(frozen=True, eq=False)
class Evidence:
    """A run folder for checks. `in_memory`: metrics that are about to be written; else those of metrics.json."""

    run: Run
    in_memory: dict | None = None

    @property
    def config(self) -> dict:
        return self.run.record.config

    @property
    def job(self) -> str:
        """ "" for a run that does not say what made it."""
        return self.config.get("job", "")

    @property
    def has_trials(self) -> bool:
        """Whether this kind of run keeps trials/: pixel attacks on scenes and sessions keep pixel/*.parquet instead."""
        return self.job in ("", TEXTURE, SWEEP, SESSION, PIXEL, POSE, PATCH_JOB)

    @property
    def unchanged(self) -> str:
        """Why checks of an optimised artefact do not apply to this run; "" where they do."""
        return _UNCHANGED.get(self.job, "")

    @property
    def road(self) -> str:
        """How the first model's gradients were made, as the run says; "" where it does not."""
        models = self.run.record.models
        return (models[0].gradient or "") if models else ""

    @property
    def asks_scores_only(self) -> bool:
        """Whether the attack is a black box, or what stands for its gradients was estimated from scores."""
        return bool((self.config.get("attack") or {}).get("black_box")) or self.road.startswith(ESTIMATORS)

    @cached_property
    def stored(self) -> pl.DataFrame:
        """Every stored row of any split. Raises RunError where a part cannot be read, or there is none."""
        columns = _COLUMNS.get(self.job, tuple(TRIAL_COLUMNS))
        parts = [part.having(columns) for part in self.run.parts]
        if not parts:
            raise RunError("the run has no trials yet", where=self.run.path / "trials", hint="finish it: rig resume")
        return pl.concat(parts, how="diagonal_relaxed")

    @cached_property
    def trials(self) -> pl.DataFrame:
        """The evaluation's rows, with `correct`, `fooled` and `is_control` read off their labels alone."""
        rows = self.stored.filter(pl.col("split") == "eval")
        if self.job == PIXEL:
            rows = rows.unique(["object", "artefact", "model"], keep="first", maintain_order=True)
        known = pl.col("true_label").str.split(SEPARATOR).list.contains(pl.col("predicted"))
        aimed = pl.col("target_label") != ""
        hit = pl.when(aimed).then(pl.col("predicted") == pl.col("target_label")).otherwise(~known)
        control = pl.col("artefact").str.starts_with("control_")
        return rows.with_columns(correct=known, fooled=hit, is_control=control)

    @property
    def clean(self) -> pl.DataFrame:
        return self.trials.filter(pl.col("artefact") == "clean")

    @property
    def changed(self) -> pl.DataFrame:
        """Rows of everything that is not clean, controls included."""
        return self.trials.filter(pl.col("artefact") != "clean")

    @property
    def attacked(self) -> pl.DataFrame:
        return self.changed.filter(~pl.col("is_control"))

    @property
    def attacks(self) -> list[str]:
        """Names of the attack's artefacts, the main one first."""
        return sorted(set(self.attacked["artefact"]), key=lambda name: (name != "adversarial", name))

    @property
    def conditions(self) -> list[str]:
        """What a view is made of: pose, and every other sampled number."""
        known = {*TRIAL_COLUMNS, SHARE}
        rest = [name for name, kind in self.trials.schema.items() if kind == pl.Float64 and name not in known]
        return [*POSE_DIMENSIONS, *(rest if self.job not in (PIXEL, SESSION) else [])]

    @cached_property
    def metrics(self) -> dict | None:
        """The figures a report states; None where none were written. Raises RunError for a damaged file."""
        if self.in_memory is not None:
            return self.in_memory
        return read_json(self.run.path / "metrics.json")

    @cached_property
    def history(self) -> pl.DataFrame | None:
        return read_history(self.run)

    def phase(self, name: str) -> pl.DataFrame:
        """The steps of one attack of the run, in order; empty where none are stored."""
        table = self.history
        if table is None or not {"phase", "step"} <= set(table.columns):
            return pl.DataFrame()
        return table.filter(pl.col("phase") == name).sort("step")

    def state(self, name: str) -> dict[str, np.ndarray] | None:
        """The last checkpoint of one attack of the run."""
        return RunFolder(self.run.path, {}).read_arrays(f"attack/{name}/state.npz")

    @cached_property
    def settings(self) -> AttackSettings | None:
        """Of a texture or patch attack. Raises RigError where run.json holds others than this version knows."""
        if self.job not in (TEXTURE, PATCH_JOB):
            return None
        return validated(AttackSettings, self.config["attack"], f"{self.run.path}/run.json [attack]")

    def budget(self, artefact: str) -> float | None:
        """The mean Delta-E that a texture of the attack was allowed; None for none."""
        stem, _, number = artefact.rpartition("-")
        if stem != "adversarial":
            return self.settings.max_delta_e
        return self.config["trade_off"][int(number) - 2]

    @cached_property
    def scene_configs(self) -> dict[str, SceneConfig]:
        """By name, without loading any mesh."""
        return {name: resolve_scene(one, f"scene {name}") for name, one in self.config.get("scenes", {}).items()}

    @cached_property
    def scenes(self) -> dict[str, Scene]:
        """By name, mesh and texture loaded. Raises RigError where a file is not on this machine."""
        texture_px = self.settings.texture_px if self.settings else self.config["sweep"]["texture_px"]
        return {name: rebuilt(one, texture_px) for name, one in self.config.get("scenes", {}).items()}

    def texture(self, artefact: str) -> np.ndarray:
        return read_image(self.run.texture_path(artefact))

    @cached_property
    def distances(self) -> dict[str, Distance]:
        """Delta-E of every texture of a texture attack from the clean file, at stored views."""
        (scene,) = self.scenes.values()
        textures = {name: self.texture(name) for name in self.run.artefacts}
        return object_delta_e(scene, self.run.record.models[0].card, textures, self.clean)

    def deep(self, name: str) -> dict | None:
        """What a deep check stored about this very run; None where there is none, or the run has changed since."""
        stored = read_json(self.run.path / FOLDER / f"{name}.json")
        return stored if stored and stored.get("of") == self.fingerprint else None

    @cached_property
    def fingerprint(self) -> str:
        """Of what was asked, of which models, and of the pictures that came out."""
        record = self.run.record
        pictures = {name: one.texture_sha256 for name, one in self.run.artefacts.items()}
        said = [self.config, record.seed, [model.sha256_before for model in record.models], pictures]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def read_json(path: Path) -> dict | None:
    """None where there is no such file. Raises RunError."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read the file ({error})", where=path) from error


def ids(rows: pl.DataFrame, *names: str, most: int = 20) -> list[str]:
    """The first rows by name, as a finding lists them."""
    names = names or ("object", "artefact", "model", "view")
    return [", ".join(map(str, row)) for row in rows.select(names).unique(maintain_order=True).head(most).rows()]
