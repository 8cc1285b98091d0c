"""Scene files for scanned meshes that are not part of this project, for `rig bench eot`.

    .venv/bin/python tools/mesh_scenes.py ../shared/assets/meshes --out runs/scenes [--only sea_turtle --only baseball]

MESHES/NAME/mesh.obj and texture.png (mesh_unique.obj and texture_unique.png where UVs overlap) are copied beside a
scene.toml, as a scene names no file outside its folder; their NOTICE.md comes along.
"""

import argparse
import shutil
from pathlib import Path

# ImageNet classes that count as right. Left out: assault_rifle, the target-class object of a control
LABELS = {
    "baseball": [429],
    "sea_turtle": [33, 34, 35, 36, 37],
    "basketball": [430],
    "crash_helmet": [518],
    "crate": [519],
    "folding_chair": [559],
    "hammer": [587],
    "french_loaf": [930],
    "bell_pepper": [945],
    "teapot": [849, 505],
    "barrel": [427, 756],
    "cup": [968, 504],
    "clownfish": [393],
    "punching_bag": [747],
    "shopping_basket": [790],
    "lawn_mower": [621],
    "cheeseburger": [933],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meshes", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/scenes"))
    parser.add_argument("--only", action="append", choices=list(LABELS))
    asked = parser.parse_args()
    for name in asked.only or LABELS:
        print(write_scene(name, asked.meshes / name, asked.out / name))


def write_scene(name: str, mesh: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    unique = "_unique" if (mesh / "mesh_unique.obj").exists() else ""
    for there, here in (
        (f"mesh{unique}.obj", "mesh.obj"),
        (f"texture{unique}.png", "texture.png"),
        ("NOTICE.md", "NOTICE.md"),
    ):
        shutil.copyfile(mesh / there, folder / here)
    lines = [f'name = "{name}"', 'preset = "eot-sim"', "[object]", 'mesh = "mesh.obj"', 'texture = "texture.png"']
    (folder / "scene.toml").write_text("\n".join([*lines, f"labels = {LABELS[name]}"]) + "\n", encoding="utf-8")
    return folder / "scene.toml"


if __name__ == "__main__":
    main()
