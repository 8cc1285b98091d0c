"""A run folder read back, strictly: what is missing, half-written or contradicts itself is one RunError."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rig.contracts import TRIAL_COLUMNS
from rig.errors import RunError
from rig.metrics.parts import Part, read_parts

OUTCOMES = ("correct", "target", "other_wrong")
SCHEMA = 1
_TYPES = {"string": pl.String, "float64": pl.Float64}
_PAIR = ["object", "model", "view"]
SEPARATOR = " | "  # between an object's several true labels


class _Record(BaseModel):
    """Keys not named here are kept, so a newer writer's extras survive."""

    model_config = ConfigDict(extra="allow")


class Distribution(_Record):
    name: str
    dimensions: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)] | float] = {}


class ThreatModel(_Record):
    goal: str | None = None
    knowledge: str | None = None
    capability: str | None = None
    budget: str | float | int | None = None
    norm: str | None = None
    color_space: str | None = None
    success: str | None = None
    distribution: Distribution


class ModelRecord(_Record):
    name: str
    sha256_before: str | None = None
    sha256_after: str | None = None
    provider: str | None = None
    gradient: str | None = None
    card: dict = {}


class Refinement(_Record):
    """Of one scene of a sweep whose views were placed: the cells, and how many views each round had in each.

    `half_width`: what was reached, of the widest interval; `stopped`: why no round followed; both None until it ended.
    """

    bands: Annotated[int, Field(ge=1)]
    columns: Annotated[int, Field(ge=1)]
    azimuth_deg: tuple[float, float]
    elevation_deg: tuple[float, float]
    rounds: Annotated[list[list[Annotated[int, Field(ge=1)]]], Field(min_length=1)]
    half_width: float | None = None
    stopped: Literal["precision", "budget"] | None = None

    @model_validator(mode="after")
    def _every_cell(self):
        if any(len(views) != self.bands * self.columns for views in self.rounds):
            raise ValueError(f"a round without views of all {self.bands} x {self.columns} cells")
        return self


class PartHashes(_Record):
    """`sha256` of the list of parts and their hashes; None until the run is done, or where it has no parts."""

    sha256: str | None = None


class RunRecord(_Record):
    """run.json."""

    schema_: Literal[1] = Field(alias="schema")
    status: Literal["running", "done"]
    threat_model: ThreatModel
    models: list[ModelRecord]
    rig: str | None = None
    command: list[str] = []
    started: str | None = None
    finished: str | None = None
    seed: int | None = None
    config: dict = {}
    hashes: dict[str, str | None] = {}
    versions: dict[str, str | None] = {}
    git: str | None = None
    machine: dict = {}
    resources: dict = {}
    parts: PartHashes | None = None  # None: of a run begun before rig kept hashes of them
    refinement: dict[str, Refinement] = {}  # by scene, where the sweep's views were placed


class ArtefactRecord(_Record):
    """artefacts/<name>/artefact.json."""

    name: str
    kind: str = "texture"
    label: str = ""
    texture_sha256: str | None = None
    delta_e_mean: float | None = None
    delta_e_p95: float | None = None
    linf_255: float | None = None
    details: dict = {}


@dataclass(frozen=True)
class Run:
    """A run folder without its trials."""

    path: Path
    record: RunRecord
    artefacts: dict[str, ArtefactRecord] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @cached_property
    def parts(self) -> list[Part]:
        """What lies in trials/ as it is, read once. Raises RunError."""
        return read_parts(self.path / "trials")

    def texture_path(self, artefact: str) -> Path:
        return self.path / "artefacts" / artefact / "texture.png"


def read_run(path: Path) -> Run:
    """run.json and every artefacts/*/artefact.json. Raises RunError."""
    path = Path(path)
    if not path.is_dir():
        raise RunError("no such run folder", where=path, hint="give the folder that holds run.json")
    record = _read_record(path / "run.json", RunRecord)
    artefacts = {}
    for file in sorted(path.glob("artefacts/*/artefact.json")):
        artefact = _read_record(file, ArtefactRecord)
        if artefact.name != file.parent.name:
            raise RunError("the artefact's name is not its folder's", where=file, got=artefact.name)
        artefacts[artefact.name] = artefact
    return Run(path, record, artefacts)


def _read_record(path: Path, kind: type[_Record]):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"cannot read the file ({error.strerror})", where=path, hint="is this a run folder?") from error
    except ValueError as error:
        raise RunError(f"not valid JSON ({error})", where=path, hint="the run was damaged; run it again") from error
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise RunError(f"{where}: {first['msg']}", where=path, got=repr(first.get("input"))[:80]) from error


def read_trials(run: Run) -> pl.DataFrame:
    """All parts as one table: TRIAL_COLUMNS first, then every other sampled condition as float64. Raises RunError."""
    folder = run.path / "trials"
    parts = [_typed(part.having(TRIAL_COLUMNS), part.path) for part in run.parts]
    trials = pl.concat(parts, how="diagonal") if parts else pl.DataFrame()
    if trials.is_empty():
        raise RunError("the run has no trials yet", where=folder, hint="finish it with: rig resume")
    conditions = [name for name in trials.columns if name not in TRIAL_COLUMNS]
    trials = trials.select(*TRIAL_COLUMNS, *conditions)
    for check in (check_values, check_outcomes, _check_unique, _check_twins, _check_one_target):
        check(trials, folder)
    _check_names(trials, run)
    return trials


def _typed(part: pl.DataFrame, path: Path) -> pl.DataFrame:
    types = {name: _TYPES[TRIAL_COLUMNS.get(name, "float64")] for name in part.columns}
    try:
        return part.cast(types)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"a column has the wrong type ({reason})", where=path) from error


def check_values(trials: pl.DataFrame, folder: Path) -> None:
    """No NaN anywhere; no null in what is counted; probabilities in [0, 1]. A captured frame may lack its pose."""
    for name in trials.columns:
        column = trials[name]
        if column.dtype == pl.Float64 and (bad := int((~column.drop_nulls().is_finite()).sum())):
            raise RunError(f"column {name} holds values that are not finite", where=folder, got=f"{bad} rows")
        if TRIAL_COLUMNS.get(name) == "string" and column.null_count():
            raise RunError(f"column {name} holds empty values", where=folder, got=f"{column.null_count()} rows")
        if name.endswith("_prob") and not column.drop_nulls().is_between(-1e-6, 1 + 1e-6).all():
            raise RunError(f"column {name} is no probability", where=folder, expected="0 to 1")


def check_outcomes(trials: pl.DataFrame, folder: Path) -> None:
    """The outcome is what the stored prediction says: one of the true labels, the target, or neither."""
    unknown = trials.filter(~pl.col("outcome").is_in(OUTCOMES))
    if len(unknown):
        raise RunError("unknown outcome", where=folder, got=unknown["outcome"][0], expected=" | ".join(OUTCOMES))
    known = pl.col("true_label").str.split(SEPARATOR).list.contains(pl.col("predicted"))
    hit = (pl.col("predicted") == pl.col("target_label")) & (pl.col("target_label") != "")
    said = pl.when(known).then(pl.lit("correct")).when(hit).then(pl.lit("target")).otherwise(pl.lit("other_wrong"))
    wrong = trials.filter(said != pl.col("outcome"))
    if len(wrong):
        row = wrong.row(0, named=True)
        raise RunError(
            f"{len(wrong)} trials whose outcome contradicts their prediction",
            where=folder,
            got=f"{row['outcome']} for predicted {row['predicted']!r} and target {row['target_label']!r}",
            expected=f"true label {row['true_label']!r}",
        )


def _check_unique(trials: pl.DataFrame, folder: Path) -> None:
    repeated = len(trials) - trials.n_unique([*_PAIR, "artefact"])
    if repeated:
        raise RunError(f"{repeated} trials are there twice", where=folder, hint="two parts hold the same work")


def _check_twins(trials: pl.DataFrame, folder: Path) -> None:
    attacked = trials.filter(pl.col("artefact") != "clean")
    lost = attacked.join(trials.filter(pl.col("artefact") == "clean"), on=_PAIR, how="anti")
    if len(lost):
        row = lost.row(0, named=True)
        raise RunError(
            f"{len(lost)} of {len(attacked)} attacked trials have no clean twin",
            where=folder,
            got=f"first: {row['artefact']}, {row['object']}, view {row['view']}",
            hint="finish the sweep with: rig resume",
        )


def _check_one_target(trials: pl.DataFrame, folder: Path) -> None:
    counts = trials.group_by("object", "model").agg(pl.col("target_label").unique().sort())
    for row in counts.filter(pl.col("target_label").list.len() > 1).iter_rows(named=True):
        got = ", ".join(repr(label) for label in row["target_label"])
        raise RunError(f"{row['object']} has several targets", where=folder, got=got, expected="one target an object")


def _check_names(trials: pl.DataFrame, run: Run) -> None:
    models = {model.name for model in run.record.models}
    known = {"model": models, "artefact": {"clean", *run.artefacts}}
    for column, names in known.items():
        if strange := sorted(set(trials[column]) - names):
            place = "run.json" if column == "model" else "artefacts/"
            raise RunError(f"{column} of the trials is unknown to {place}", where=run.path, got=strange[0])


def read_history(run: Run) -> pl.DataFrame | None:
    """attack/history.parquet, or None for a run without an attack."""
    path = run.path / "attack" / "history.parquet"
    if not path.exists():
        return None
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise RunError("not a readable parquet file", where=path) from error
