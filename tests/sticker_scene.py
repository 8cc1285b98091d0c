"""A box whose every face is one island of its texture, for stickers whose place and size can be worked out on paper."""

from pathlib import Path

import numpy as np

from rig.audit.deep.toy import write_toy
from rig.images import encode_png

SIDES_MM = np.array([600.0, 600.0, 900.0])  # x, y, z
CELLS = 3, 2  # faces in the texture: columns, rows
TEXTURE_PX = 192  # 64 x 96 texels a face


def box_obj() -> str:
    """Six rectangles, counter-clockwise from outside, around the origin; one is painted inside out."""
    lines, n = [], 0
    for axis in range(3):
        for side in (0, 1):
            along = [(axis + 1) % 3, (axis + 2) % 3][:: 1 if side else -1]
            corners = np.zeros((4, 3))
            corners[:, axis] = side
            corners[[1, 2], along[0]] = 1
            corners[[2, 3], along[1]] = 1
            number = 2 * axis + side
            uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
            if number == 3:
                uv[:, 0] = 1 - uv[:, 0]
            uv = (0.02 + 0.96 * uv + [number % CELLS[0], number // CELLS[0]]) / CELLS
            lines += ["v {:.9f} {:.9f} {:.9f}".format(*corner) for corner in (corners - 0.5) * SIDES_MM]
            lines += ["vt {:.9f} {:.9f}".format(*at) for at in uv]
            lines += ["f " + " ".join(f"{n + k}/{n + k}" for k in three) for three in ((1, 2, 3), (1, 3, 4))]
            n += 4
    return "\n".join(lines)


def write_box(folder: Path, name: str = "box") -> Path:
    """The scene file of a grey box seen from in front, the network that looks for red beside it."""
    (folder / "box.obj").write_text(box_obj())
    grey = np.random.default_rng(0).integers(90, 160, (TEXTURE_PX, TEXTURE_PX, 1), np.uint8).repeat(3, axis=2)
    (folder / "box.png").write_bytes(encode_png(grey))
    path = folder / f"{name}.toml"
    path.write_text(
        'preset = "eot-sim"\n[object]\nmesh = "box.obj"\ntexture = "box.png"\nlabels = ["plain"]\nup = "z"\n'
        "[views]\nazimuth_deg = [-110, 110]\nelevation_deg = [-20, 40]\nroll_deg = 0\ndistance_m = 2.5\n"
        "[background]\ncolor = 0.5\n"
    )
    write_toy(folder / "toy.onnx", 10.0)
    return path


def lifted(mesh, texels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where flat texel indices lie on a mesh, (T, 3) metres, and their face, -1 for none: by barycentric coordinates."""
    height, width = mesh.texture.shape[:2]
    at = np.stack([(texels % width + 0.5) / width, 1 - (texels // width + 0.5) / height], axis=1)
    points, owner = np.full((len(texels), 3), np.nan), np.full(len(texels), -1)
    for number, face in enumerate(mesh.faces):
        a, b, c = mesh.uv[face]
        near = np.flatnonzero(((at >= np.min([a, b, c], 0)) & (at <= np.max([a, b, c], 0))).all(1))
        shares = np.linalg.solve(np.stack([b - a, c - a], axis=1), (at[near] - a).T).T
        inside = (shares >= -1e-9).all(1) & (shares.sum(1) <= 1 + 1e-9)
        first, *edges = mesh.vertices_m[face][0], *(mesh.vertices_m[face][1:] - mesh.vertices_m[face][0])
        points[near[inside]] = first + shares[inside] @ np.stack(edges)
        owner[near[inside]] = number
    return points, owner
