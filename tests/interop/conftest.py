"""Small real runs through the campaign's own code, on a network whose every answer is known."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # magenta_network, lab_session

from lab_session import write_session  # noqa: E402
from magenta_network import write_magenta  # noqa: E402

from rig.attack.pixel.settings import search_settings  # noqa: E402
from rig.campaign import PixelJob, SessionJob, SweepJob, attack_pixels, sweep_camera_sessions, sweep_scenes  # noqa: E402
from rig.images import encode_png  # noqa: E402
from rig.scene import load_config, load_scene  # noqa: E402

TEXTURE_PX, N_VIEWS = 64, 8
AZIMUTHS_DEG = (0, 90)
LOST = 1  # number of the session's frame without a board
LABELS = 'object.labels=["ball"]'
SETTINGS = (  # every kind of randomness that a frame has
    LABELS,
    "sensor.noise_std=[0,0.05]",
    "sensor.blur_px=[0,1]",
    "light.ambient=[0.4,0.8]",
    "light.directional=[0.2,0.6]",
    "print.gain=[0.9,1.1]",
)


def quiet(*_) -> None:
    pass


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Path:
    """Two networks, of different sizes, and a texture of which one island is magenta: it fools from some views."""
    folder = tmp_path_factory.mktemp("bench")
    write_magenta(folder / "small.onnx", 32)
    write_magenta(folder / "wide.onnx", 48)
    texture = load_scene("turtle", (), TEXTURE_PX).mesh.texture.copy()
    texture[: TEXTURE_PX // 3, : TEXTURE_PX // 3] = (255, 0, 255)
    (folder / "adversarial").mkdir()
    (folder / "adversarial" / "texture.png").write_bytes(encode_png(texture))
    return folder


@pytest.fixture(scope="session")
def swept(bench, tmp_path_factory) -> Path:
    """Two objects, two networks, clean and painted."""
    scene = load_config("turtle", SETTINGS).model_dump(mode="json")
    other = load_config("turtle", (LABELS,)).model_dump(mode="json") | {"name": "other"}
    models = tuple(str(bench / f"{name}.onnx") for name in ("small", "wide"))
    given = (str(bench / "adversarial"),)
    job = SweepJob((scene, other), models, given, "magenta", N_VIEWS, "sobol", TEXTURE_PX, 7)
    return sweep_scenes(job, tmp_path_factory.mktemp("runs") / "swept", ["rig"], quiet).path


@pytest.fixture(scope="session")
def filmed(bench, tmp_path_factory) -> Path:
    """A camera session, cropped and whole, with rendered twins."""
    folder = tmp_path_factory.mktemp("lab")
    scene = load_scene("turtle", ("object.radius_m=0.07", LABELS), TEXTURE_PX)
    painted = scene.mesh.texture[..., ::-1].copy()
    write_session(folder / "desk", scene, AZIMUTHS_DEG, painted, lost=(LOST,))
    worn = folder / "run" / "artefacts" / "adversarial"
    worn.mkdir(parents=True)
    (worn / "texture.png").write_bytes(encode_png(painted))
    sessions, models = (str(folder / "desk"),), (str(bench / "small.onnx"),)
    job = SessionJob(sessions, models, (str(worn),), ("board",), "magenta", True, TEXTURE_PX, 3)
    return sweep_camera_sessions(job, folder / "swept", ["rig"], quiet).path


@pytest.fixture(scope="session")
def pixels(bench, tmp_path_factory) -> Path:
    """Grey images, of which one pixel in the right colour makes magenta; one image is called that already."""
    folder = tmp_path_factory.mktemp("images")
    images = np.random.default_rng(0).integers(90, 110, (4, 32, 32, 3), dtype=np.uint8)
    images[3, 5, 5] = (255, 0, 255)
    np.savez(folder / "set.npz", images=images, labels=np.zeros(4, np.int64))
    searches = {"random": search_settings("random", {"max_queries": 60})}
    asked = (
        str(folder / "set.npz"),
        (str(bench / "small.onnx"),),
        (1,),
        searches,
        None,
        False,
        None,
        False,
        False,
        1,
        0,
    )
    return attack_pixels(PixelJob(*asked), folder / "run", ["rig"], quiet).path
