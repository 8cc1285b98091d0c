"""What is left of attacks once a printer has given the nearest colours that it can: as designed beside as printed.

    .venv/bin/python tools/bench/printed.py RUN [RUN ...]

Runs of `rig attack texture` or `attack patch` on one object. Every painted texel of the attack's 8-bit texture is replaced by
the nearest colour of offset printing on coated paper, and both textures are scored on the run's own evaluation views (of a
patch: those that show it, and all). Runs on the same views are compared with the first, both as printed.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from rig.attack.goal import goal_of
from rig.attack.settings import AttackSettings
from rig.images import read_image
from rig.metrics.compare_difference import newcombe_paired
from rig.metrics.patch import SHARE, VISIBLE_FRAC
from rig.metrics.rates import proportion
from rig.model import DeployedModel, resolve
from rig.model.detect import open_judge
from rig.render import Renderer
from rig.runs import RunFolder
from rig.scene import rebuilt
from rig.scene.gamut import Gamut, gamut_of
from rig.settings import validated
from rig.sweep import frame_size
from rig.views import draw_views

TEXTURES = ("designed", "printed")
CHUNK = 16  # views rendered at once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    gamut, first = gamut_of(None), None
    for path in parser.parse_args().runs:
        reached = score(path, gamut)
        first = reached if first is None else first
        shown = {"that show it": pl.col(SHARE) >= VISIBLE_FRAC} if SHARE in reached.columns else {}
        for words, of in (shown | {"in all": pl.lit(True)}).items():
            rows = reached.filter(of)
            for name in TEXTURES:
                print(f"  {name}: {_rate(rows[name])} of views {words}{_over(first.filter(of), rows, name)}")


def score(path: Path, gamut: Gamut) -> pl.DataFrame:
    """A row for each evaluation view: whether either texture reaches the goal there, and what of the frame shows a patch."""
    run = RunFolder.open(path)
    config = run.state["config"]
    (scene_config,) = config["scenes"].values()
    attack = validated(AttackSettings, config["attack"], f"{path}/run.json [attack]")
    scene, model = rebuilt(scene_config, attack.texture_px), open_judge(resolve(config["models"][0]))
    renderer, goal = Renderer(scene, frame_size(scene, model)), goal_of(scene, attack.target, model.labels)
    views = draw_views(scene.config, config["sweep"]["views"], run.state["seed"], "eval")
    prepared = [renderer.prepare(view) for view in views]
    textures = dict(zip(TEXTURES, _textures(path, scene.mesh.texture, gamut), strict=True))
    found = {name: goal.reached(_logits(renderer, model, texture, prepared)) for name, texture in textures.items()}
    stored = pl.concat([pl.read_parquet(part) for part in sorted((path / "trials").glob("part-*.parquet"))])
    clean = stored.filter((pl.col("split") == "eval") & (pl.col("artefact") == "clean"))
    return pl.DataFrame({"view": [view.id for view in views], **found}).join(clean, on="view")


def _textures(path: Path, clean: np.ndarray, gamut: Gamut) -> tuple[np.ndarray, np.ndarray]:
    """The attack's, and what a printer makes of what it painted."""
    designed = read_image(path / "artefacts" / "adversarial" / "texture.png")
    painted = (designed != clean).any(axis=2)
    near, distance = gamut.nearest(designed)
    outside = gamut.outside(designed)[painted]
    print(
        f"{path.name}: {outside.mean():.1%} of what is painted lies outside; Delta-E to it {distance[painted].mean():.1f}"
    )
    return designed, np.where(painted[..., None], near, designed)


def _logits(renderer: Renderer, model: DeployedModel, texture: np.ndarray, prepared: list) -> np.ndarray:
    chunks = [renderer.frames(texture, prepared[start : start + CHUNK]) for start in range(0, len(prepared), CHUNK)]
    return np.concatenate([model.predict(np.stack([frame.image for frame in frames])) for frames in chunks])


def _rate(reached: pl.Series) -> str:
    one = proportion(int(reached.sum()), len(reached))
    return f"{one['k']}/{one['n']} = {one['rate']:.1%} [{one['low']:.1%}, {one['high']:.1%}]"


def _over(first: pl.DataFrame, rows: pl.DataFrame, name: str) -> str:
    """How much more views than those of the first run's attack as printed; "" for that one itself."""
    pairs = first.select("view", before="printed").join(rows.select("view", after=name), on="view")
    before, after = pairs["before"], pairs["after"]
    if len(pairs) < len(rows) or before.equals(after):
        return ""
    counts = [
        int((one & other).sum())
        for one, other in ((before, after), (before, ~after), (~before, after), (~before, ~after))
    ]
    low, high = newcombe_paired(*counts)
    return f"; over the first as printed {after.mean() - before.mean():+.1%} [{low:+.1%}, {high:+.1%}]"


if __name__ == "__main__":
    main()
