"""`rig scene check` and `rig scene unwrap`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from rig.cli_run import errors


def scene_check_command(
    scene: Annotated[str, typer.Argument(help="A scene file, or the name of a built-in scene.")],
    settings: Annotated[
        list[str], typer.Option("--set", help="Override a setting: views.distance_m=[2,4]. Repeatable.")
    ] = [],  # noqa: B006 - typer reads the default
) -> None:
    """Load a scene, print what it resolves to, and say what is odd about its mesh and texture."""
    from rig.scene import load_scene
    from rig.scene.findings import file_findings, texture_findings

    loaded = load_scene(scene, tuple(settings))
    mesh, file = loaded.mesh, loaded.config.object.mesh
    print(json.dumps(loaded.config.model_dump(mode="json"), indent=1, ensure_ascii=False))
    for note in [*(file_findings(file) if file else []), *texture_findings(mesh)]:
        errors.print(f"note: {note}")
    part = "all of it" if loaded.mask is None else f"{loaded.mask.mean():.1%} of it"
    size = f"texture {mesh.texture.shape[1]} x {mesh.texture.shape[0]}"
    errors.print(f"{len(mesh.faces)} faces, {size}, {part} may be painted: ready")


def scene_unwrap_command(
    mesh: Annotated[Path, typer.Argument(help="OBJ, GLB or PLY with UVs that overlap.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for MESH.glb, its texture inside.")],
    texture: Annotated[Path | None, typer.Option("--texture", help="Where the mesh has none of its own.")] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=16, max=8192, help="Texels of a side; default: as the old texture.")
    ] = None,
) -> None:
    """Lay a mesh out anew, so that no two parts share a texel, and carry its texture over."""
    from rig.scene.unwrap import unwrap

    path, found = unwrap(mesh, out, texture, size)
    errors.print(f"{len(found.faces)} faces, texture {found.texture.shape[1]} x {found.texture.shape[0]}")
    print(path)
