"""Expectation over Transformation on a texture (Athalye et al., ICML 2018): optimise it over the scene's views.

minimise over x   E_t[ loss(model(t(x))) ] + lambda * E_t[ mean Delta-E(t(x), t(x_clean)) ],   x in [0, 1]

The paper picks from four values of lambda the least distance that still fools 90 % of held-out draws; here lambda is
steered so that the mean Delta-E meets a budget, and with `keep_success` the budget is lowered while that share holds.
"""

import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from rig.attack.distance import DeltaE
from rig.attack.goal import OBJECTIVES, Goal, cross_entropy
from rig.attack.look import Look, each, in_shares, mean_delta_e, pull
from rig.attack.optimizer import PyramidAdam
from rig.attack.printable import printable_of
from rig.attack.settings import AttackSettings
from rig.color import delta_e
from rig.errors import RigError
from rig.model import Gradient
from rig.model.detect import Judge
from rig.render import MipAtlas, PreparedView, Renderer, surface, texture_tensor
from rig.runs import Progress, RunFolder

DISTANCE_STRIDE = 4  # the loop's own estimate of Delta-E; every figure that is reported looks at all pixels
BUDGET_AIM = 0.98  # the share of the budget that lambda is steered to, so that held-out views stay within it
PROPORTIONAL_GAIN, INTEGRAL_GAIN = 1.0, 0.02  # of lambda, per relative excess over the aim; integral: per step
WINDUP = 0.2  # relative excess beyond which the integral waits
LEAST_BUDGET = 0.5  # Delta-E that no eye sees
TIGHTEN = 0.9  # of the budget, after each validation that keeps its success; undone where one does not


# floats of a State that a checkpoint keeps
NUMBERS = ("distance_weight", "delta_e_average", "budget", "seconds", "cpu_seconds")


class Poses(Protocol):
    def at(self, step: int) -> list[PreparedView]: ...


@dataclass(frozen=True)
class Stage:
    """What an attack works with: one scene seen by one deployed model, or by several at once."""

    renderer: Renderer
    model: Judge
    gradient: Gradient
    goal: Goal
    validation: list[PreparedView]  # views that no step sees
    others: tuple[Judge, ...] = ()  # attacked together with `model`; `gradient` is then of all

    @property
    def models(self) -> tuple[Judge, ...]:
        return (self.model, *self.others)

    @property
    def queries(self) -> int:
        return sum(model.queries for model in self.models)


@dataclass
class State:
    """All that a resumed attack needs."""

    step: int
    texture: torch.Tensor  # (3, h, w) in [0, 1]
    optimizer: PyramidAdam
    distance_weight: float
    delta_e_average: float
    budget: float  # mean Delta-E; inf is none
    best: np.ndarray  # (h, w, 3) uint8, the best validated texture
    best_score: tuple[float, float]  # see TextureAttack._score
    best_success: float  # share of validation views; -1 before the first validation
    streak: int  # validations in a row that would end the attack
    gradients: int = 0
    queries: int = 0  # images asked about, by the file or by a road to its gradient; validation included
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    history: list[dict] = field(default_factory=list)


class TextureAttack:
    """One optimisation of one texture; `name` names its folder in the run."""

    checkpoint_every = 10  # steps
    knows_gradients = True

    def __init__(
        self, stage: Stage, poses: Poses, settings: AttackSettings, name: str, start: np.ndarray | None = None
    ):
        if settings.black_box and self.knows_gradients:
            raise RigError("this attack needs gradients", where="[attack] black_box", hint="leave it out")
        self.stage, self.poses, self.settings, self.name = stage, poses, settings, name
        scene = stage.renderer.scene
        self.clean = texture_tensor(scene.mesh.texture).to(stage.renderer.device)
        self.clean_atlas = MipAtlas(self.clean)
        self.paintable = torch.from_numpy(scene.paintable).to(stage.renderer.device)
        self.printable = printable_of(settings)
        of_view, self.weights = OBJECTIVES[settings.objective]
        self.objective = of_view(stage.goal)
        self.state = self._fresh(scene.mesh.texture if start is None else start)

    def run(self, run: RunFolder, progress: Progress) -> State:
        """Optimise from the last checkpoint, or the start, to the end; checkpoints as it goes."""
        self._restore(run)
        while self.state.step < self.settings.steps and self.state.streak < 2:
            began, cpu_began, asked = time.perf_counter(), time.process_time(), self.stage.queries
            row = self.take_step()
            if self.state.step % self.settings.validate_every == 0 or self.state.step == self.settings.steps:
                row |= self.validate()
            self.state.seconds += time.perf_counter() - began
            self.state.cpu_seconds += time.process_time() - cpu_began
            self.state.queries += self.stage.queries - asked
            spent = {name: getattr(self.state, name) for name in ("gradients", "queries", "seconds")}
            self.state.history.append(row | spent)
            if self.state.step % self.checkpoint_every == 0:
                self._checkpoint(run)
            progress(self.state.step, self.settings.steps, f"{self.name}: {_describe(row, self.state)}")
        self._checkpoint(run)
        return self.state

    def take_step(self) -> dict:
        state = self.state
        texture = state.texture.clone().requires_grad_()
        atlas = MipAtlas(texture)
        looks = self.look(atlas, self.poses.at(state.step))
        losses, distance = torch.cat([look.losses for look in looks]), mean_delta_e(looks)
        weights = self.weights(losses) / len(losses)
        distance_weight = self._steer(distance)
        atlas.texels.backward(pull(looks, weights, distance_weight))
        self._descend(texture.grad)
        state.step += 1
        state.gradients += len(losses)
        logits = torch.cat([look.logits for look in looks])
        return {
            "step": state.step,
            "phase": self.name,
            "loss": float((losses * weights).sum() + distance_weight * distance),
            "cross_entropy": float(cross_entropy(self.stage.goal)(logits).mean()),
            "delta_e": distance,
            "success_batch": float(np.mean(self.stage.goal.reached(logits.cpu().numpy()))),
            "lambda": distance_weight,
        }

    def look(self, atlas: MipAtlas, prepared: list[PreparedView]) -> list[Look]:
        return each(lambda share: self._look(atlas.leaf(), share), in_shares(prepared, self.stage.gradient.share))

    def _look(self, atlas: MipAtlas, prepared: list[PreparedView]) -> Look:
        """Delta-E at every DISTANCE_STRIDE-th object pixel."""
        with torch.enable_grad():
            footprint = atlas.footprint(*surface(prepared))
            colors = atlas.look_up(footprint)
            some = slice(self.state.step % DISTANCE_STRIDE, None, DISTANCE_STRIDE)
            distance = delta_e(colors[some], self.clean_atlas.look_up(footprint[some]))
            batch = self.stage.model.fit(self.stage.renderer.expose(colors, prepared))
        return Look(atlas, batch, distance, *self.stage.gradient.value_and_grad(batch.detach(), self.objective))

    def _descend(self, gradient: torch.Tensor) -> None:
        """A cosine-decayed step, then projection onto what is allowed."""
        state = self.state
        decay = 0.55 + 0.45 * math.cos(math.pi * state.step / self.settings.steps)
        moved = state.texture - self.settings.step_size * decay * state.optimizer.direction(gradient, state.step)
        state.texture = self._allowed(moved)

    def _allowed(self, moved: torch.Tensor) -> torch.Tensor:
        """The nearest texture within epsilon and [0, 1], unchanged where nothing may be painted; printable if so asked."""
        if self.printable:
            moved = self.printable.near(moved)
        if self.settings.epsilon is not None:
            within = math.floor(self.settings.epsilon) / 255  # whole steps, which the 8-bit file can hold
            moved = torch.minimum(torch.maximum(moved, self.clean - within), self.clean + within)
        return torch.where(self.paintable, moved.clamp(0, 1), self.clean)

    def least_delta_e(self) -> float:
        """Of the object with nothing but its own colours brought into what is allowed."""
        return self.validation_delta_e.mean(self._file_of(self._allowed(self.clean)))

    def _steer(self, distance: float) -> float:
        """Lambda for this step: a proportional-integral controller that holds the mean Delta-E at its aim."""
        state = self.state
        state.delta_e_average = distance if state.step == 0 else 0.7 * state.delta_e_average + 0.3 * distance
        if math.isinf(state.budget):
            return state.distance_weight
        excess = state.delta_e_average / (BUDGET_AIM * state.budget) - 1
        if abs(excess) < WINDUP:
            state.distance_weight = max(0.0, state.distance_weight + INTEGRAL_GAIN * excess)
        return max(0.0, state.distance_weight + PROPORTIONAL_GAIN * excess)

    def validate(self) -> dict:
        """Score the 8-bit texture, brought within budget, on views that no step sees; keep it if it is the best so far."""
        texture, distance = self._within_budget()
        logits = predict(self.stage, texture, self.stage.validation)
        success = float(self.stage.goal.reached(logits).mean())
        score = self._score(success, distance, float(self.objective(torch.from_numpy(logits)).mean()))
        if score > self.state.best_score:
            self.state.best, self.state.best_score, self.state.best_success = texture, score, success
        if self.settings.keep_success is None:
            self.state.streak = self.state.streak + 1 if success >= self.settings.stop_at else 0
        else:
            self.state.budget = self._next_budget(success, distance)
        return {"validation_success": success, "validation_delta_e": distance}

    def _score(self, success: float, distance: float, loss: float) -> tuple[float, float]:
        """More success is better, then a lower loss; of textures that keep their success, a smaller Delta-E."""
        keep = self.settings.keep_success
        return (success, -loss) if keep is None or success < keep else (keep, -distance)

    def _next_budget(self, success: float, distance: float) -> float:
        """Tighter than what just kept its success; looser, up to the declared budget, after what did not."""
        if success >= self.settings.keep_success:
            return max(TIGHTEN * distance, LEAST_BUDGET)
        return min(self.state.budget / TIGHTEN, self.declared_budget)

    @property
    def declared_budget(self) -> float:
        return math.inf if self.settings.max_delta_e is None else self.settings.max_delta_e

    @cached_property
    def validation_delta_e(self) -> DeltaE:
        return DeltaE(self.stage.renderer, self.stage.renderer.scene.mesh.texture, self.stage.validation)

    def _within_budget(self) -> tuple[np.ndarray, float]:
        """The 8-bit texture and its mean Delta-E on validation views; its change shrunk where it exceeds the budget."""
        budget, share = self.state.budget, 1.0
        while True:
            texture = self._file_of(self.clean + share * (self.state.texture - self.clean))
            distance = self.validation_delta_e.mean(texture)
            if distance <= budget:
                return texture, distance
            share *= 0.995 * budget / distance

    def _file_of(self, texture: torch.Tensor) -> np.ndarray:
        """The 8-bit texture (h, w, 3), exactly printable where the loop's is nearly so."""
        file = eight_bit(texture)
        return self.printable.painted(file, eight_bit(self.clean), self.settings.epsilon) if self.printable else file

    def _fresh(self, start: np.ndarray) -> State:
        texture = texture_tensor(start).to(self.stage.renderer.device)
        return State(
            step=0,
            texture=texture,
            optimizer=PyramidAdam(texture, self.settings.scales),
            distance_weight=self.settings.distance_weight,
            delta_e_average=0.0,
            budget=self.declared_budget,
            best=start,
            best_score=(-1.0, 0.0),
            best_success=-1.0,
            streak=0,
        )

    def _checkpoint(self, run: RunFolder) -> None:
        """History first: a kill between the two repeats steps, it never loses rows."""
        state = self.state
        run.write_table(f"attack/{self.name}/history.parquet", state.history)
        run.write_arrays(
            f"attack/{self.name}/state.npz",
            {
                "counters": np.array([state.step, state.streak, state.gradients, state.queries]),
                "numbers": np.array([getattr(state, name) for name in NUMBERS]),
                "best_score": np.array(state.best_score),
                "best_success": np.array(state.best_success),
                "texture": state.texture.cpu().numpy(),
                "best": state.best,
                **{name: tensor.cpu().numpy() for name, tensor in state.optimizer.arrays().items()},
            },
        )

    def _restore(self, run: RunFolder) -> None:
        saved = run.read_arrays(f"attack/{self.name}/state.npz")
        if saved is None:
            return
        step, streak, gradients, *queries = map(int, saved["counters"])
        numbers = dict(zip(NUMBERS, map(float, saved["numbers"]), strict=True))
        tensors = {name: torch.from_numpy(array) for name, array in saved.items()}
        self.state.optimizer.load(tensors)
        rows = run.read_rows(f"attack/{self.name}/history.parquet")
        self.state = State(
            step=step,
            streak=streak,
            gradients=gradients,
            queries=sum(queries),  # not counted in checkpoints of earlier versions
            **numbers,
            best_score=tuple(map(float, saved["best_score"])),
            best_success=float(saved["best_success"]),
            best=saved["best"],
            history=[row for row in rows if row["step"] <= step],
            texture=tensors["texture"].to(self.stage.renderer.device),
            optimizer=self.state.optimizer,
        )


def predict(stage: Stage, texture: np.ndarray, prepared: list[PreparedView], chunk: int = 16) -> np.ndarray:
    """Logits (V, K) of the deployed file on 8-bit frames of an 8-bit texture; of several files one after the other."""
    starts = range(0, len(prepared), chunk)
    frames = [stage.renderer.frames(texture, prepared[start : start + chunk]) for start in starts]
    images = [np.stack([frame.image for frame in some]) for some in frames]
    return np.concatenate([model.predict(some) for model in stage.models for some in images])


def eight_bit(texture: torch.Tensor) -> np.ndarray:
    """(h, w, 3) uint8 of a texture (3, h, w) in [0, 1]."""
    return (texture * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def _describe(row: dict, state: State) -> str:
    found = f"{row['success_batch']:4.0%} of this step's views, Delta-E {row['delta_e']:.1f}"
    return found if state.best_success < 0 else f"{found}; best validated {state.best_success:.0%}"
