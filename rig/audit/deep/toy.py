"""A network whose best texture is known: the attack has to find it, and to see through logits scaled to saturate.

Mean red less mean green of the frame against a constant: pure red is the optimum from every view, and wins on all.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rig.attack.settings import AttackSettings
from rig.audit.evidence import FOLDER, Evidence
from rig.audit.seen import evaluation_views
from rig.contracts import Frame
from rig.images import encode_png
from rig.metrics.load import read_run
from rig.model import guess_card, write_card
from rig.render import Renderer
from rig.runs import RunFolder
from rig.scene import load_config

SIDE_PX, TEXTURE_PX, STEPS, N_VIEWS = 48, 32, 40, 24
PULL, BOUNDARY = 4.0, 0.05  # logits per unit of redness: so few that the loss never saturates; where the class changes
SATURATED = 1e4  # factor on all logits: softmax gradients vanish in float32, a defence broken since 2017
LEAST_FOOLED, MOST_OFF_FRAC = 0.95, 0.05
LABELS = ["plain", "red"]


def validity(path: Path, resume, progress) -> dict:
    """`cases` by name: ok, and what was found in words."""
    weak, masked = (
        _attacked(path, name, scale, resume, progress) for name, scale in (("toy", 1.0), ("toy-masked", SATURATED))
    )
    return {
        "cases": {
            "a weak network": _case(_fooled(weak), LEAST_FOOLED, "of views fooled"),
            "its known optimum, pure red": _case(_reached(weak), 1 - MOST_OFF_FRAC, "of the way"),
            "logits scaled to hide gradients": _case(_fooled(masked), LEAST_FOOLED, "of views fooled"),
        }
    }


def _case(value: float, least: float, words: str) -> dict:
    return {"ok": value >= least, "value": value, "found": f"{value:.1%} {words} (at least {least:.0%})"}


def _attacked(path: Path, name: str, scale: float, resume, progress) -> Evidence:
    folder = path / FOLDER
    folder.mkdir(exist_ok=True)
    model = folder / f"{name}.onnx"
    write_toy(model, scale)
    run = RunFolder.start(folder / f"{name}-run", ["rig", "audit", str(path), "--deep"], _config(folder, model), seed=0)
    if run.state["status"] != "done":
        resume(run.path, progress)
    return Evidence(read_run(run.path))


def _config(folder: Path, model: Path) -> dict:
    """As rig attack texture would freeze it: a grey cube before mid-grey, no budget."""
    scene = load_config(write_cube(folder)).model_dump(mode="json")
    settings = AttackSettings(target="red", max_delta_e=None, distance_weight=0.0, steps=STEPS, views_per_step=4,
                              texture_px=TEXTURE_PX, validation_views=8, stop_at=1.0, validate_every=STEPS)  # fmt: skip
    return {
        "job": "attack texture",
        "scenes": {scene["name"]: scene},
        "models": [str(model.absolute())],
        "attack": settings.model_dump(mode="json"),
        "trade_off": [],
        "controls": False,
        "sweep": {"views": N_VIEWS, "policy": "random"},
    }


def write_cube(folder: Path) -> Path:
    """A scene file of a cube, the whole grey texture on each side, beside its mesh and texture."""
    texture = np.random.default_rng(0).integers(90, 160, (TEXTURE_PX, TEXTURE_PX, 1), np.uint8).repeat(3, axis=2)
    (folder / "cube.png").write_bytes(encode_png(texture))
    corners = [f"v {x} {y} {z}" for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    sides = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]  # counter-clockwise from outside
    faces = ["f " + " ".join(f"{corner}/{k}" for k, corner in enumerate(side.split(), 1)) for side in sides]
    (folder / "cube.obj").write_text("\n".join([*corners, "vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1", *faces]) + "\n")
    (folder / "cube.toml").write_text(
        'preset = "eot-sim"\n[object]\nmesh = "cube.obj"\ntexture = "cube.png"\nlabels = ["plain"]\n[background]\ncolor = 0.5\n'
    )
    return folder / "cube.toml"


def _fooled(evidence: Evidence) -> float:
    return float(evidence.attacked["fooled"].mean())


def _reached(evidence: Evidence) -> float:
    """The frames' redness gained over clean, of all that a pure red texture gains at the same views."""
    (scene,) = evidence.scenes.values()
    renderer = Renderer(scene, (SIDE_PX, SIDE_PX))
    views = evaluation_views(scene.config, evidence.config["sweep"], evidence.run.record.seed)
    prepared = [renderer.prepare(view) for view in views]
    red = np.zeros_like(scene.mesh.texture) + np.array([255, 0, 0], np.uint8)
    textures = (evidence.texture("clean"), evidence.texture("adversarial"), red)
    clean, painted, best = (_redness(renderer.frames(texture, prepared)) for texture in textures)
    return (painted - clean) / (best - clean)


def _redness(frames: list[Frame]) -> float:
    images = np.stack([frame.image for frame in frames]).astype(float)
    return float((images[..., 0] - images[..., 1]).mean())


def write_toy(path: Path, scale: float) -> None:
    """logits = scale x (0, PULL x (mean red - mean green - BOUNDARY)), with its card."""
    weights = scale * PULL * np.array([[0, 1], [0, -1], [0, 0]], np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["means"]),
        helper.make_node("Flatten", ["means"], ["colour"]),
        helper.make_node("MatMul", ["colour", "weights"], ["pulled"]),
        helper.make_node("Add", ["pulled", "constant"], ["logits"]),
    ]
    constant = np.array([0, -scale * PULL * BOUNDARY], np.float32)
    values = [numpy_helper.from_array(value, name) for name, value in (("weights", weights), ("constant", constant))]
    shapes = {"image": ["n", 3, SIDE_PX, SIDE_PX], "logits": ["n", len(LABELS)]}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    proto = helper.make_model(
        helper.make_graph(nodes, "toy", ends[:1], ends[1:], values), opset_imports=[helper.make_opsetid("", 17)]
    )
    proto.ir_version = 8
    onnx.save(proto, str(path))
    card = guess_card(path)
    plain = card.input.model_copy(update={"range": (0.0, 1.0), "mean": (0.0,) * 3, "std": (1.0,) * 3, "color": "RGB"})
    write_card(card.model_copy(update={"labels": LABELS, "input": plain, "guessed": []}), path)
