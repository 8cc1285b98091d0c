"""The patches of a run and the textures that they make: each is kept once it is whole; patch.png is the 8-bit truth."""

import json
from pathlib import Path

import numpy as np

from rig.attack.distance import DeltaE
from rig.attack.patch import PatchAttack, Worn, first_patch
from rig.attack.patch_controls import picture_patch, random_patch, sample_picture, single_view_patch
from rig.attack.patch_views import first_facing, shown
from rig.attack.printable import printable_of
from rig.attack.texture import State
from rig.campaign.patch_job import PatchJob
from rig.images import content_hash, encode_png, read_image
from rig.metrics.patch import PatchRecord
from rig.runs import Progress, RunFolder
from rig.views import derive_seed, draw_views

MEASURED_VIEWS = 100  # of the scored ones, for Delta-E and what is seen of the patch


class PatchArtefacts:
    """Makes what the run's folder lacks: the attack and its controls."""

    def __init__(self, run: RunFolder, worn: list[Worn], job: PatchJob, progress: Progress):
        self.run, self.worn, self.job, self.progress = run, worn, job, progress
        self.histories: list[list[dict]] = []

    def make(self) -> list[str]:
        names = [self._save("clean", "the object as it is", None)]
        names.append(self._attack())
        if self.job.controls:
            names += [self._random(), self._single_view(), *self._target_object()]
        self.run.write_table("attack/history.parquet", [row for history in self.histories for row in history])
        return names

    def patch(self, name: str) -> np.ndarray:
        return read_image(self.run.path / "artefacts" / name / "patch.png")

    def texture(self, name: str, worn: Worn) -> np.ndarray:
        """What one object wears, by the files."""
        if worn is self.worn[0]:
            return self.run.artefact(name).texture
        clean = worn.stage.renderer.scene.mesh.texture
        return clean if name == "clean" else worn.texture(self.patch(name))

    @property
    def start(self) -> np.ndarray:
        return first_patch(self.worn[0].sticker.patch_px, derive_seed(self.job.seed, "patch"))

    def _attack(self) -> str:
        state = PatchAttack(self.worn, self.job.attack, "adversarial", self.start).run(self.run, self.progress)
        objects = f", the same on {len(self.worn)} objects" if len(self.worn) > 1 else ""
        printable = ", printable colours" if self.job.attack.printable else ""
        return self._finish("adversarial", f"patch optimised over the views that show it{objects}{printable}", state)

    def _random(self) -> str:
        if self.run.has_artefact("control_random"):
            return "control_random"
        patch = random_patch(self.patch("adversarial"), derive_seed(self.job.seed, "control_random"))
        label = "random patch with the attack's own colour values and spatial spectrum, same size and place"
        return self._save("control_random", *self._allowed(label, patch))

    def _single_view(self) -> str:
        seed = derive_seed(self.job.seed, "control_single_view")
        views = []
        for one in self.worn:
            renderer = one.stage.renderer
            (view,) = first_facing(renderer, one.sticker, 1, seed, "attack")
            views.append(renderer.prepare(view))
        state = single_view_patch(self.worn, views, self.job.attack, self.start, self.run, self.progress)
        return self._finish("control_single_view", "the same attack on a single view, without EOT", state)

    def _target_object(self) -> list[str]:
        """A picture of the target class, given or packaged; [] where there is neither, and run.json says so."""
        stage, name = self.worn[0].stage, "control_target_object"
        given = self.job.target_picture
        path = Path(given) if given else sample_picture(stage.goal.target, len(stage.model.labels))
        if stage.goal.target is None or path is None:
            why = (
                "no picture of the target class: give --target-picture FILE"
                if stage.goal.target is not None
                else "no target"
            )
            self.run.state["controls_not_run"] = {name: why}
            self.run.save()
            return []
        if self.run.has_artefact(name):
            return [name]
        label = "picture of the target class, same size and place"
        called = stage.model.labels[int(stage.model.predict(read_image(path)[None]).argmax())]
        patch = picture_patch(path, self.worn[0].sticker.patch_px)
        return [self._save(name, *self._allowed(label, patch), picture=path.name, picture_alone_is_called=called)]

    def _allowed(self, label: str, patch: np.ndarray) -> tuple[str, np.ndarray]:
        """A control's label and patch, in the attack's own threat model."""
        printable = printable_of(self.job.attack)
        return (
            (f"{label}, in colours that can be printed", printable.gamut.within(patch)) if printable else (label, patch)
        )

    def _finish(self, name: str, label: str, state: State) -> str:
        self.histories.append(state.history)
        if not self.run.has_artefact(name):
            spent = ("gradients", "queries", "seconds", "cpu_seconds")
            self.run.spend(**{one: getattr(state, one) for one in spent})
            self.run.save()
        return self._save(name, label, state.best, steps=state.step, gradients=state.gradients)

    def _save(self, name: str, label: str, patch: np.ndarray | None, **details) -> str:
        """Write an artefact once; later calls keep the files. Its description comes last: with it, it is whole."""
        if not self.run.has_artefact(name):
            folder = f"artefacts/{name}"
            textures = {
                one.stage.renderer.scene.name: (
                    one.stage.renderer.scene.mesh.texture if patch is None else one.texture(patch)
                )
                for one in self.worn
            }
            if patch is not None:
                self.run.write(f"{folder}/patch.png", encode_png(patch))
            first, *others = textures.items()
            self.run.write(f"{folder}/texture.png", encode_png(first[1]))
            for scene, texture in others:
                self.run.write(f"{folder}/texture-{scene}.png", encode_png(texture))
            record = _record(name, label, self.worn[0], patch, self.job) | {"details": details}
            self.run.write(f"{folder}/artefact.json", json.dumps(record, indent=1).encode())
        return name


def _record(name: str, label: str, worn: Worn, patch: np.ndarray | None, job: PatchJob) -> dict:
    """Of the first object: Delta-E over its pixels, and how much of it shows the patch, on the scored views."""
    renderer = worn.stage.renderer
    clean = renderer.scene.mesh.texture
    texture = clean if patch is None else worn.texture(patch)
    views = draw_views(renderer.scene.config, min(job.views, MEASURED_VIEWS), job.seed, "eval")
    prepared = [renderer.prepare(view) for view in views]
    distances = DeltaE(renderer, clean, prepared).of(texture).numpy()
    record = {
        "name": name,
        "kind": "texture" if patch is None else "patch",
        "label": label,
        "texture_sha256": content_hash(texture),
        "delta_e_mean": float(distances.mean()),
        "delta_e_p95": float(np.quantile(distances, 0.95)),
        "linf_255": int(np.abs(texture.astype(int) - clean).max()),
    }
    if patch is None:
        return record
    of_frame, of_object = shown(renderer, worn.sticker.coverage_map, prepared)
    measured = PatchRecord(
        size_mm=worn.sticker.size_mm,
        area_mm2=worn.sticker.area_mm2,
        outline_mm2=worn.sticker.outline_mm2,
        texel_mm=worn.sticker.texel_mm,
        object_pixels_frac=float(of_object.mean()),
        frame_pixels_frac=float(of_frame.mean()),
    )
    return record | {"patch_sha256": content_hash(patch), "patch": measured.model_dump()}
