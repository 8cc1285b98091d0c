from rig.scene.config import PRESETS, SceneConfig, read_config, resolve_scene
from rig.scene.scene import Scene, build_scene, builtin_scenes, load_config, load_scene, rebuilt, shrink

__all__ = [
    "PRESETS",
    "Scene",
    "SceneConfig",
    "build_scene",
    "builtin_scenes",
    "load_config",
    "load_scene",
    "read_config",
    "rebuilt",
    "resolve_scene",
    "shrink",
]
