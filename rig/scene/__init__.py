from rig.scene.config import PRESETS, SceneConfig, read_config, resolve
from rig.scene.scene import Scene, build_scene, load_scene, shrink

__all__ = ["PRESETS", "Scene", "SceneConfig", "build_scene", "load_scene", "read_config", "resolve", "shrink"]
