"""The whole of `rig print`: a run's texture as sheets to cut out, and its object for 3D colour printing."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rig.calibrate.board import Board, default_board
from rig.calibrate.layout import known_paper_mm
from rig.calibrate.layout import lay_out as lay_out_board
from rig.campaign.records import scene_hashes
from rig.contracts import Artefact
from rig.errors import RigError, RunError
from rig.images import content_hash, encode_png
from rig.metrics.patch import PATCH_JOB
from rig.printing.gamut import Preview, preview
from rig.printing.islands import Island, islands_of
from rig.printing.pages import MIN_ISLAND_MM2, Page, largest_scale, lay_out
from rig.printing.sheets import pdf_of, scale_words
from rig.printing.solid import MM_PER_M, glb_of, longest_side_m, obj_of
from rig.printing.sticker import sticker_files
from rig.runs import RunFolder, write_atomically
from rig.scene import Scene, rebuilt
from rig.scene.gamut import gamut_of
from rig.scene.response import ColorResponse

MAX_SIZE_MM = 10_000.0


@dataclass(frozen=True)
class Asked:
    """`size_mm`: the object's longest side; None is the scene's own size, or the largest that fits the paper."""

    artefact: str
    paper: str
    dpi: int
    size_mm: float | None
    board: Board | None = None
    response: ColorResponse | None = None


@dataclass(frozen=True)
class Print:
    """What was made, in words and files."""

    record: dict
    files: list[Path]
    words: list[str] | None = None  # of a sticker

    def in_words(self) -> list[str]:
        if self.words is not None:
            return [*self.words, *map(str, self.files)]
        record, left_out = self.record, self.record["left_out"]
        size = f"longest side {record['size_mm']:g} mm ({record['size_why']})"
        sheets = f"{len(record['islands'])} islands on {record['sheets']} sheets of {record['paper']}"
        if left_out["islands"]:
            sheets += (
                f"; {left_out['islands']} too small to cut left out, {left_out['surface_frac']:.1%} of the surface"
            )
        return [
            f"{record['object']}, {record['artefact']}: {size}",
            sheets,
            f"{record['outside_gamut_frac']:.1%} of its texels lie outside the gamut of {record['gamut']}",
            *map(str, self.files),
        ]


def print_run(path: Path, asked: Asked, out: Path) -> Print:
    """Writes PDF, GLB, OBJ, the board's file and print.json into `out`. Refuses to replace another print."""
    paper_mm = known_paper_mm(asked.paper)
    run = RunFolder.open(path)
    if run.state["config"].get("job") == PATCH_JOB:
        return Print(*sticker_files(path, asked, out))
    artefact = _artefact(run, asked.artefact)
    scene = _scene(run, artefact)
    board = asked.board or _default_board(paper_mm)
    board_sheet = lay_out_board(board, asked.paper)
    size_mm, why = _size_mm(scene, asked)
    islands, left_out = _worth_cutting(_islands(scene, size_mm))
    if not islands:
        raise RigError("too small to cut out", where="--size-mm", got=f"{size_mm:g} mm", hint="choose a larger one")
    pages = lay_out(islands, asked.paper)
    seen = preview(artefact.texture, scene.mesh, gamut_of(asked.response or scene.config.print.response))
    record = _record(run, scene, artefact, asked, pages, seen) | {
        "size_mm": size_mm,
        "size_why": why,
        "left_out": left_out,
    }
    _require_same(out, record)
    title = f"{path.resolve().name}, {artefact.name}: {scene.name}, longest side {size_mm:g} mm"
    contents = {
        f"{artefact.name}.pdf": pdf_of(pages, artefact.texture, scene.mesh, asked.dpi, title, seen, board_sheet),
        f"{artefact.name}.glb": glb_of(scene.mesh, artefact.texture, size_mm),
        **obj_of(scene.mesh, artefact.texture, size_mm, artefact.name),
        "gamut.png": encode_png(seen.picture),
        "board.toml": board.to_toml().encode(),
        "print.json": json.dumps(record, indent=1, ensure_ascii=False).encode(),
    }
    files = [
        write_atomically(out / name, lambda partial, c=content: partial.write_bytes(c))
        for name, content in contents.items()
    ]
    return Print(record, files)


def _artefact(run: RunFolder, name: str) -> Artefact:
    """Only what lies in the run's own folder of artefacts, whatever the name says."""
    folder = run.path / "artefacts"
    known = sorted(one.parent.name for one in folder.glob("*/texture.png"))
    if not known:
        raise RunError("holds no texture", where=run.path, hint="rig print takes runs of rig attack texture")
    if name not in known:
        raise RunError("no such artefact", where=run.path, got=name, expected=" or ".join(known))
    return run.artefact(name)


def _scene(run: RunFolder, artefact: Artefact) -> Scene:
    scenes, height_px = run.state["config"].get("scenes") or {}, max(artefact.texture.shape[:2])
    if len(scenes) != 1:
        raise RunError("of which object?", where=run.path, got=f"{len(scenes)} scenes", expected="a run of one scene")
    scene = rebuilt(next(iter(scenes.values())), height_px)
    if scene.mesh.texture.shape != artefact.texture.shape:
        raise RunError("the object's texture changed its size since this run", where=run.path)
    name = f"{scene.name} mesh"
    if scene_hashes(scene)[name] != run.state.get("hashes", {}).get(name):
        raise RunError("the object's mesh changed since this run", where=run.path, hint="its islands would not fit")
    return scene


def _default_board(paper_mm: tuple[float, float]) -> Board:
    """The usual one, a little smaller where the paper is shorter."""
    return default_board() if max(paper_mm) > 290 else default_board(square_mm=24.0)


def _islands(scene: Scene, size_mm: float) -> list[Island]:
    return islands_of(scene.mesh, size_mm / longest_side_m(scene.mesh))


def _worth_cutting(islands: list[Island]) -> tuple[list[Island], dict]:
    kept = [island for island in islands if island.surface_mm2 >= MIN_ISLAND_MM2]
    whole_mm2 = sum(island.surface_mm2 for island in islands)
    left_out_mm2 = sum(island.surface_mm2 for island in islands[len(kept) :])  # the largest come first
    return kept, {"islands": len(islands) - len(kept), "surface_frac": left_out_mm2 / whole_mm2}


def _size_mm(scene: Scene, asked: Asked) -> tuple[float, str]:
    """The object's longest side, and where that comes from."""
    own_mm = longest_side_m(scene.mesh) * MM_PER_M
    most_mm = own_mm * largest_scale(_islands(scene, own_mm), asked.paper)
    fitting_mm = float(np.floor(most_mm))
    if asked.size_mm is not None:
        if not 0 < asked.size_mm <= MAX_SIZE_MM:
            raise RigError("not a size", where="--size-mm", got=asked.size_mm, expected=f"up to {MAX_SIZE_MM:g} mm")
        if asked.size_mm > most_mm:
            expected = f"at most {fitting_mm:g} mm, where every island fits {asked.paper}"
            raise RigError("too large for the paper", where="--size-mm", got=f"{asked.size_mm:g} mm", expected=expected)
        return asked.size_mm, "as asked"
    if own_mm <= most_mm:
        return own_mm, "the scene's own size"
    return fitting_mm, f"the largest that fits {asked.paper}; the scene's own is {own_mm:.0f} mm"


def _record(run: RunFolder, scene: Scene, artefact: Artefact, asked: Asked, pages: list[Page], seen: Preview) -> dict:
    placed = [(number, one) for number, page in enumerate(pages, start=1) for one in page.islands]
    return {
        "run": run.path.resolve().name,
        "object": scene.name,
        "artefact": artefact.name,
        "texture_sha256": content_hash(artefact.texture),
        "paper": asked.paper,
        "dpi": asked.dpi,
        "sheets": len(pages),
        "gamut": seen.gamut,
        "outside_gamut_frac": seen.outside_frac,
        "islands": [
            {"number": one.number, "sheet": sheet, "size_mm": one.island.size_mm, "surface_mm2": one.island.surface_mm2}
            | {"scale": asdict(one.island.scale), "in_words": scale_words(one.island)}
            for sheet, one in placed
        ],
    }


def _require_same(out: Path, record: dict) -> None:
    described = out / "print.json"
    if described.exists() and json.loads(described.read_text(encoding="utf-8")) != json.loads(json.dumps(record)):
        raise RunError(
            "describes another print, perhaps on paper already", where=described, hint="choose another --out"
        )
