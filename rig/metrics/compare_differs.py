"""What is the same in two runs and what is not: files by their hashes, settings one by one."""

import json

import polars as pl

from rig.metrics.compare_load import Side
from rig.metrics.compare_match import Match, Views
from rig.runs import _flat

UNKNOWN = "not recorded"
FILES = ("models", "artefacts")  # settings that name files, told by their hashes


def differing(first: Side, second: Side, models: list[Match], artefacts: list[Match], views: Views):
    """(same, differs): lists of {"what"} and of {"what", "first", "second"}, files before settings."""
    facts = [
        *_models(first, second, models),
        *_artefacts(first, second, artefacts),
        *_hashes(first, second),
        *_frames(views),
        ("seed", first.run.record.seed, second.run.record.seed),
        *_settings(first, second),
        *_software(first, second),
    ]
    same = [what for what, one, other in facts if one == other and one is not None]
    differs = [
        {"what": what, "first": _text(one), "second": _text(other)} for what, one, other in facts if one != other
    ]
    return same, differs


def _models(first: Side, second: Side, models: list[Match]) -> list[tuple]:
    """A model of another name in the second run stands here even where its file is the same."""
    of_first, of_second = ({one.name: one.sha256_before for one in side.run.record.models} for side in (first, second))
    names = [("model", match.first, match.second) for match in models if match.first != match.second]
    files = [
        (f"model file of {match.first}", of_first.get(match.first), of_second.get(match.second)) for match in models
    ]
    return names + files


def _artefacts(first: Side, second: Side, artefacts: list[Match]) -> list[tuple]:
    of_first, of_second = (side.run.artefacts for side in (first, second))
    return [
        (f"texture of {match.first}", _texture(of_first.get(match.first)), _texture(of_second.get(match.second)))
        for match in artefacts
    ]


def _texture(record) -> str | None:
    return record.texture_sha256 if record else None


def _hashes(first: Side, second: Side) -> list[tuple]:
    """Meshes, textures, image sets, sessions: what run.json holds hashes of, of objects in both."""
    of_first, of_second = first.run.record.hashes, second.run.record.hashes
    return [(name, of_first[name], of_second[name]) for name in of_first if name in of_second]


def _frames(views: Views) -> list[tuple]:
    """Whether paired trials are of the very same pictures."""
    if views.both is None:
        return []
    groups = views.both.partition_by("artefact", as_dict=True, maintain_order=True).items()
    return [
        (f"frames of {name}", "", "" if (n := _n_other(group)) == 0 else f"{n} of {len(group)} are other pictures")
        for (name,), group in groups
    ]


def _n_other(group: pl.DataFrame) -> int:
    return int((group["frame_hash"] != group["frame_hash_second"]).sum())


def _settings(first: Side, second: Side) -> list[tuple]:
    of_first, of_second = (_flat(_without_files(side)) for side in (first, second))
    return [(f"setting {name}", of_first.get(name), of_second.get(name)) for name in of_first | of_second]


def _without_files(side: Side) -> dict:
    return {name: value for name, value in side.run.record.config.items() if name not in FILES}


def _software(first: Side, second: Side) -> list[tuple]:
    of_first, of_second = ({"rig": record.rig, "git revision": record.git, **record.versions}
                           for record in (first.run.record, second.run.record))  # fmt: skip
    return [(f"version of {name}", of_first.get(name), of_second.get(name)) for name in of_first | of_second]


def _text(value) -> str:
    if value is None:
        return UNKNOWN
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
