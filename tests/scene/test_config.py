import re

import pytest

from rig.errors import RigError, SceneError
from rig.scene import PRESETS, load_scene, read_config

SCENE = """
preset = "eot-physical"
[object]
builtin = "baseball"
labels = ["baseball"]
[views]
distance_m = 4
"""


def written(tmp_path, text: str):
    path = tmp_path / "scene.toml"
    path.write_text(text)
    return path


def test_a_preset_fills_in_what_the_file_leaves_open(tmp_path):
    config = read_config(written(tmp_path, SCENE))
    assert config.views.azimuth_deg == (-180, 180)
    assert config.views.distance_m == (4, 4)
    assert config.sensor.gain == (0.5, 2.0)
    assert config.print.offset == (-0.15, 0.15)
    assert config.name == tmp_path.name


def test_presets_hold_the_published_ranges():
    """Athalye et al. 2018: protocols.md, section 1."""
    assert PRESETS["eot-sim"]["views"]["distance_m"] == [2.5, 3.0]
    assert PRESETS["eot-sim"]["views"]["offset_frac"] == [-0.05, 0.05]
    assert PRESETS["eot-sim"]["background"]["color"] == [0.1, 1.0]
    assert "sensor" not in PRESETS["eot-sim"]
    assert PRESETS["eot-physical"]["sensor"] == {"gain": [0.5, 2.0], "offset": [-0.15, 0.15], "noise_std": [0.0, 0.1]}
    assert PRESETS["eot-physical"]["print"] == {"gain": [0.7, 1.3], "offset": [-0.15, 0.15]}


def test_settings_override_the_file(tmp_path):
    config = read_config(written(tmp_path, SCENE), ("views.fov_deg=30", "light.directional=[0.2,0.9]", "name=ball"))
    assert config.views.fov_deg == (30, 30)
    assert config.light.directional == (0.2, 0.9)
    assert config.name == "ball"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("views.distance_m=[3,2]", r"[views] distance_m: range is reversed; expected [2, 3]"),
        ("views.distance_m=[2,inf]", "[views] distance_m: expected finite numbers"),
        ("views.fov_deg=nan", "[views] fov_deg: expected finite numbers"),
        ("views.fov_deg=200", "[views] fov_deg: expected values within 1 .. 150"),
        ("views.distnce_m=3", 'unknown key "distnce_m"; did you mean "distance_m"?'),
        ("view.x=1", 'unknown key "view"; did you mean "views"?'),
        ("light.ambient=[1,2,3]", "[light] ambient: expected a number or [low, high]"),
        ("preset=eot", "unknown preset; got eot; expected eot-sim or eot-physical"),
        ("views.rotation=some", '[views]: unknown rotation; got some; expected "any"'),
        ("object.labels=[]", "[object] labels"),
        ("object.radius_m=-1", "[object] radius_m: input should be greater than 0"),
        ("views=3", "views"),
        ("views.fov_deg.x=3", "--set: not a section; got views.fov_deg.x"),
        ("=3", "--set: not a setting; got =3; expected section.key=value"),
        ("object.builtin=dog", "unknown built-in object; got dog; expected turtle or baseball"),
        ("background.kind=photo", "no background files"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_the_key(tmp_path, setting, message):
    path = written(tmp_path, SCENE + "fov_deg = 45\n")
    with pytest.raises(RigError, match=re.escape(message)) as caught:
        load_scene(path, (setting,))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../turtle.glb", "/etc/passwd", "a/../../b.obj"])
def test_a_scene_file_cannot_name_files_outside_its_folder(tmp_path, name):
    path = written(tmp_path, f'[object]\nmesh = "{name}"\nlabels = ["x"]\n')
    with pytest.raises(SceneError, match="path leaves the scene's folder"):
        read_config(path)


def test_the_users_own_setting_may_name_any_file(tmp_path):
    config = read_config(written(tmp_path, SCENE), ("object.mesh=/somewhere/else.obj",))
    assert str(config.object.mesh) == "/somewhere/else.obj"


def test_a_missing_scene_lists_the_builtin_ones():
    with pytest.raises(SceneError, match="no such scene; got turtel; expected .* baseball, turtle"):
        load_scene("turtel")


def test_broken_toml_is_one_line(tmp_path):
    with pytest.raises(SceneError, match="scene.toml: not valid TOML"):
        read_config(written(tmp_path, "[object\n"))


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", ".", "x" * 200])
def test_a_scenes_name_can_name_a_file(tmp_path, name):
    with pytest.raises(SceneError, match="name"):
        read_config(written(tmp_path, SCENE), (f"name={name!r}",))


def test_a_setting_puts_another_object_in_the_scene(tmp_path):
    config = read_config(written(tmp_path, SCENE), ("object.mesh=cup.obj",))
    assert config.object.mesh.name == "cup.obj" and config.object.builtin is None
