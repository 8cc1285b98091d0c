"""One search on one network, from few pixels to more: what fewer pixels achieved counts for more, and nothing is repeated."""

import json
import time
from collections.abc import Iterator

import numpy as np

from rig.attack.goal import Goal
from rig.attack.pixel.change import PixelChange
from rig.attack.pixel.dataset import Sample
from rig.attack.pixel.search import Found, search_all
from rig.attack.pixel.settings import SearchSettings
from rig.attack.pixel.task import Task
from rig.images import encode_png, read_image
from rig.model import DeployedModel
from rig.runs import RunFolder
from rig.sweep.pixel_trials import SCHEMA, found_columns, image_row

Unit = tuple[Sample, Goal]


class Ladder:
    """The numbers of pixels of one search on one model, climbed from below; `models` judge whatever is found."""

    def __init__(
        self,
        run: RunFolder,
        model: DeployedModel,
        models: list[DeployedModel],
        search: str,
        settings: SearchSettings,
        units: list[Unit],
    ):
        self.run, self.model, self.models = run, model, models
        self.search, self.settings, self.units = search, settings, units
        self._below: dict[str, dict] = {}  # unit's key: what the step before came to

    def climb(self, n_pixels: int, seed: int) -> Iterator[None]:
        """One step: yields once for each unit, done before or now."""
        group = f"{self.search}-{n_pixels}px-{self.model.card.name}"
        done = _read_results(self.run, group, [self._key(unit) for unit in self.units], self.model.card.name)
        missing = [unit for unit in self.units if self._key(unit) not in done]
        for _ in done:
            yield
        by_name = {self._key(unit): unit for unit in missing}
        carried = [unit for unit in missing if self._below.get(self._key(unit), {}).get("reached")]
        for unit in carried:
            done[self._key(unit)] = self._keep(group, unit, self._carried(self._key(unit), n_pixels))
            yield
        waiting = [self._task(unit, n_pixels) for unit in missing if self._key(unit) not in done]
        began, cpu_began = time.perf_counter(), time.process_time()
        for found in search_all(waiting, self.model, self.settings, seed):
            key = found.task.name
            spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
            began, cpu_began = time.perf_counter(), time.process_time()
            self.run.spend(queries=found.queries + len(self.models), **spent)
            done[key] = self._keep(group, by_name[key], self._described(found, key))
            self.run.save()
            yield
        _merge(self.run, group, [self._key(unit) for unit in self.units])
        self._below = done

    def _key(self, unit: Unit) -> str:
        sample, goal = unit
        return sample.name if goal.target is None else f"{sample.name}-to-{goal.target}"

    def _task(self, unit: Unit, n_pixels: int) -> Task:
        sample, goal = unit
        below = self._below.get(self._key(unit))
        start = None if below is None or not len(below["change"]) else below["change"]
        return Task(self._key(unit), sample.image, goal, n_pixels, start)

    def _carried(self, key: str, n_pixels: int) -> dict:
        return self._below[key] | {"pixels": n_pixels, "queries": 0, "seconds": 0.0, "history": []}

    def _described(self, found: Found, key: str) -> dict:
        before = self._below.get(key, {}).get("queries_total", 0)
        return {
            "pixels": found.task.n_pixels,
            "queries": found.queries,
            "queries_total": before + found.queries,
            "success_query": None if found.success_query is None else before + found.success_query,
            "seconds": found.seconds,
            "history": [(before + queries, loss) for queries, loss in found.history],
            "change": found.change,
        }

    def _keep(self, group: str, unit: Unit, found: dict) -> dict:
        """Files first, the rows last: a part on disk means that all of it is there. Judged from the file by every model."""
        (sample, goal), key, run = unit, self._key(unit), self.run
        artefact = group if goal.target is None else f"{group}-to-{goal.target}"
        self._describe_artefact(artefact, goal, found["pixels"])
        clean = _saved(run, f"artefacts/clean/{sample.name}.png", sample.image)
        run.write(f"artefacts/{artefact}/{sample.name}.pixels.json", found["change"].to_json().encode())
        image = _saved(run, f"artefacts/{artefact}/{sample.name}.png", found["change"].applied(sample.image))
        columns = found_columns(self.search, self.model.card.name, found, clean, image)
        rows = []
        for model in self.models:
            row = image_row(
                sample.name, artefact, model.card.name, model.labels, goal, image, model.predict(image[None])[0]
            )
            rows.append(row | columns | ({} if model is self.model else {"history": "[]"}))
        run.write_table(_part(group, key), rows, SCHEMA)
        return found | {"reached": _reached(rows, self.model.card.name)}

    def _describe_artefact(self, artefact: str, goal: Goal, n_pixels: int) -> None:
        path = f"artefacts/{artefact}/artefact.json"
        if (self.run.path / path).exists():
            return
        aim = "" if goal.target is None else f" to {self.model.labels[goal.target]}"
        label = f"{self.search}, {n_pixels} px{aim}, found on {self.model.card.name}"
        details = {"search": self.search, "pixels": n_pixels, "found_on": self.model.card.name}
        record = {"name": artefact, "kind": "pixels", "label": label, "details": details}
        self.run.write(path, json.dumps(record, indent=1).encode())


def _saved(run: RunFolder, name: str, image: np.ndarray) -> np.ndarray:
    """What the file says: written once, read back always."""
    if not (run.path / name).exists() or not np.array_equal(read_image(run.path / name), image):
        run.write(name, encode_png(image))
    return read_image(run.path / name)


def _part(group: str, key: str | None = None) -> str:
    return f"trials/part-{group}.parquet" if key is None else f"trials/part-{group}-{key}.parquet"


def _reached(rows: list[dict], found_on: str) -> bool:
    (row,) = [row for row in rows if row["model"] == found_on]
    return row["outcome"] == ("target" if row["target_label"] else "other_wrong")


def _read_results(run: RunFolder, group: str, keys: list[str], found_on: str) -> dict[str, dict]:
    """What a step came to so far, by unit, from the rows and pixels on disk."""
    if (run.path / _part(group)).exists():
        rows = run.read_rows(_part(group))
    else:
        parts = [_part(group, key) for key in keys if (run.path / _part(group, key)).exists()]
        rows = [row for part in parts for row in run.read_rows(part)]
    results = {}
    for row in rows:
        if row["model"] == found_on:
            folder = run.path / "artefacts" / row["artefact"]
            aim = row["artefact"].removeprefix(group)
            change = PixelChange.from_json((folder / f"{row['object']}.pixels.json").read_text())
            results[f"{row['object']}{aim}"] = row | {
                "reached": _reached([row], found_on),
                "history": json.loads(row["history"]),
                "change": change,
            }
    return results


def _merge(run: RunFolder, group: str, keys: list[str]) -> None:
    """A finished step's parts become one file: a run of many images is not many files."""
    parts = [_part(group, key) for key in keys]
    if not (run.path / _part(group)).exists():
        present = [part for part in parts if (run.path / part).exists()]
        run.write_table(_part(group), [row for part in present for row in run.read_rows(part)], SCHEMA)
    run.remove_parts(parts)
