"""`rig attack pixel`: every search on every image by every network, results judged from their files, then the report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rig.attack.goal import Goal
from rig.attack.pixel.dataset import Sample, Skipped, read_samples
from rig.attack.pixel.settings import SearchSettings
from rig.campaign.pixel_steps import Ladder
from rig.campaign.records import hash_again, model_record, require_same_model
from rig.errors import RigError, RunError
from rig.images import content_hash
from rig.model import DeployedModel, resolve
from rig.report import write_report
from rig.runs import Progress, RunFolder
from rig.sweep.pixel_trials import SCHEMA, clean_columns, image_row
from rig.views import derive_seed


@dataclass(frozen=True)
class PixelJob:
    """All that was asked. `searches` by name, the first is the run's main one; `pixels` ascending."""

    images: str
    models: tuple[str, ...]
    pixels: tuple[int, ...]
    searches: dict[str, SearchSettings]
    target: str | int | None
    any_target: bool
    limit: int | None
    skip_bad: bool
    resize: bool
    threads: int | None
    seed: int

    def config(self) -> dict:
        return {
            "job": "attack pixel",
            "images": self.images,
            "models": list(self.models),
            "pixels": list(self.pixels),
            "searches": {name: settings.model_dump(mode="json") for name, settings in self.searches.items()},
            "target": self.target,
            "any_target": self.any_target,
            "limit": self.limit,
            "skip_bad": self.skip_bad,
            "resize": self.resize,
            "threads": self.threads,
        }


def attack_pixels(job: PixelJob, out: Path, command: list[str], progress: Progress) -> RunFolder:
    """Clean predictions, then network by network, search by search, fewest pixels first; then the report."""
    models = [DeployedModel(resolve(name), job.threads) for name in job.models]
    _require_one_vocabulary(models)
    samples, skipped = read_samples(Path(job.images), models[0], job.skip_bad, job.resize)
    for model in models[1:] if not job.resize else []:
        _require_size(model, models[0])
    _require_pixels(job, samples[0].image)
    target = None if job.target is None else models[0].labels.index_of(job.target)
    run = RunFolder.start(out, command, job.config(), job.seed)
    _require_same_images(run, samples)
    for model in models:
        require_same_model(run, model)
    run.state |= _records(job, models, samples, skipped)
    run.save()
    logits = {model.card.name: _judge_clean(run, samples, model) for model in models}
    ladders = [
        Ladder(run, model, models, name, settings, _units(job, samples, logits, model, target))
        for model in models
        for name, settings in job.searches.items()
    ]
    done, total = 0, sum(len(ladder.units) * len(_steps(job, ladder.settings)) for ladder in ladders)
    for ladder in ladders:
        for n_pixels in _steps(job, ladder.settings):
            for _ in ladder.climb(n_pixels, job.seed):
                done += 1
                progress(done, total, f"{ladder.search}, {n_pixels} px on {ladder.model.card.name}")
    hash_again(run, models)
    run.finish()
    write_report(run.path)
    return run


def _steps(job: PixelJob, settings: SearchSettings) -> tuple[int, ...]:
    """The numbers of pixels that a search can be asked for."""
    return (1,) if settings.method == "exhaustive" else job.pixels


def _units(job: PixelJob, samples, logits, model: DeployedModel, target: int | None) -> list[tuple[Sample, Goal]]:
    """What is attacked on a model: images that it gets right; with a limit so many, drawn of those all models get right."""
    asked = [*logits.values()] if job.limit else [logits[model.card.name]]
    right = [sample for i, sample in enumerate(samples) if all(one[i].argmax() in sample.true for one in asked)]
    drawn = np.random.default_rng(derive_seed(job.seed, "images")).permutation(len(right))[: job.limit]
    chosen = [right[i] for i in sorted(drawn)]  # a set may be sorted by class: its first images are no sample of it
    if job.any_target:
        units = [(s, Goal(s.true, other)) for s in chosen for other in range(len(model.labels)) if other not in s.true]
    else:
        units = [(sample, Goal(sample.true, target)) for sample in chosen if target not in sample.true]
    if not units:
        raise RigError(
            "nothing to attack", where=model.card.name, got=f"{len(right)} of {len(samples)} images classified correctly",
            expected="correctly classified images of another class than the target", hint="are the labels right?",
        )  # fmt: skip
    return units


def _judge_clean(run: RunFolder, samples: list[Sample], model: DeployedModel) -> np.ndarray:
    """Logits (N, classes) of all samples; their rows are written once."""
    logits, name = model.predict(np.stack([sample.image for sample in samples])), model.card.name
    part = f"trials/part-clean-{name}.parquet"
    if not (run.path / part).exists():
        rows = [
            image_row(sample.name, "clean", name, model.labels, Goal(sample.true, None), sample.image, of_one)
            | clean_columns(name)
            for sample, of_one in zip(samples, logits, strict=True)
        ]
        run.write_table(part, rows, SCHEMA)
        run.spend(queries=len(samples))
        run.save()
    return logits


def _records(job: PixelJob, models: list[DeployedModel], samples: list[Sample], skipped: list[Skipped]) -> dict:
    height, width = samples[0].image.shape[:2]
    wanted = "the target" if job.target is not None or job.any_target else "any class but the true ones"
    white = any(settings.method == "white-box" for settings in job.searches.values())
    knowledge = "scores of the deployed file" + ("; the search white-box also its gradient" if white else "")
    queries = sorted({settings.max_queries for settings in job.searches.values() if settings.max_queries})
    budget = f"{', '.join(map(str, job.pixels))} pixels of {width} x {height}, any 8-bit colour"
    budget += "".join(f"; at most {most:,} queries an image and number of pixels" for most in queries)
    return {
        "threat_model": {
            "goal": f"each correctly classified image is called {wanted} (evasion)",
            "knowledge": knowledge,
            "capability": "set a few pixels of the image that the model is given; nothing else changes",
            "budget": budget,
            "norm": "L0, in pixels",
            "color_space": "sRGB, 8 bits",
            "distribution": {"name": "single images", "dimensions": {}},
            "success": "predicted == target" if "target" in wanted else "predicted not in true labels",
        },
        "models": [model_record(model, "for the search white-box" if white else None) for model in models],
        "hashes": {"images": _hash(samples)},
        "skipped": [f"{one.file}: {one.reason}" for one in skipped],
        "image_size_px": [height, width],
        "labels": list(models[0].labels),
    }


def _hash(samples: list[Sample]) -> str:
    return content_hash(np.stack([sample.image for sample in samples]))


def _require_same_images(run: RunFolder, samples: list[Sample]) -> None:
    known = run.state.get("hashes", {}).get("images")
    if known not in (None, _hash(samples)):
        raise RunError("the images changed since this run began", where=run.path, hint="choose another --out")


def _require_one_vocabulary(models: list[DeployedModel]) -> None:
    names = [model.card.name for model in models]
    if len(set(names)) < len(names):
        raise RigError("two models of one name", where="--model", got=", ".join(names))
    for model in models[1:]:
        if list(model.labels) != list(models[0].labels):
            raise RigError("models of different classes cannot be compared", where=model.path, expected=models[0].path)


def _require_size(model: DeployedModel, first: DeployedModel) -> None:
    if model.size_px != first.size_px:
        got, expected = (f"{one.size_px[1]} x {one.size_px[0]}" for one in (model, first))
        hint = "--resize attacks images of the first model's size; the others scale them as their cards say"
        raise RigError("models of different input sizes", where=model.path, got=got, expected=expected, hint=hint)


def _require_pixels(job: PixelJob, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    for n in job.pixels:
        if not 1 <= n <= height * width:
            raise RigError("no such number of pixels", where="--pixels", got=n, expected=f"1 to {height * width}")
    if "exhaustive" in {settings.method for settings in job.searches.values()} and 1 not in job.pixels:
        raise RigError(
            "only single pixels can be tried exhaustively",
            where="--pixels",
            got=", ".join(map(str, job.pixels)),
            expected="1 among them",
        )
