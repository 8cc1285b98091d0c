"""User-given settings: strict pydantic models, `a.b=c` overrides, and one clear line for whatever is wrong."""

import difflib
import tomllib
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from rig.errors import RigError


class Section(BaseModel):
    """A table of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnySection = TypeVar("AnySection", bound=Section)


def validated(
    kind: type[AnySection], document: dict, where: str, error_kind: type[RigError] = RigError, also_known: tuple = ()
) -> AnySection:
    """`document` as a `kind`, or an error that names the key; `also_known` are keys to suggest beside the fields."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise _one_line(error.errors()[0], kind, where, error_kind, also_known) from error


def read_toml(path: Path, what: str, error_kind: type[RigError]) -> dict:
    """A TOML file's document; `what` names it in the line about whatever is wrong."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise error_kind(f"cannot read the {what} ({error.strerror})", where=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise error_kind(f"not valid TOML ({error})", where=path) from error


def parse_override(text: str) -> tuple[list[str], Any]:
    """The path and value of `a.b=c`; the value as TOML where it is valid TOML, else as plain text."""
    key, equals, value = text.partition("=")
    path = [part.strip() for part in key.split(".")]
    if not equals or not all(path):
        raise RigError("not a setting", where="--set", got=text, expected="section.key=value")
    try:
        return path, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return path, value.strip()


def override(document: dict, path: list[str], value: Any) -> None:
    """Set a value deep in a document, making sections on the way."""
    for part in path[:-1]:
        document = document.setdefault(part, {})
        if not isinstance(document, dict):
            raise RigError("not a section", where="--set", got=".".join(path))
    document[path[-1]] = value


def _one_line(found: dict, kind: type[Section], where: str, error_kind: type[RigError], also_known: tuple) -> RigError:
    if not found["loc"]:  # a check across several keys
        return error_kind(_sentence(found["msg"]), where=where)
    sections, key = _location(found["loc"], kind)
    place = f"{where} [{'.'.join(sections)}]" if sections else where
    if found["type"] == "extra_forbidden":
        return error_kind(
            f'unknown key "{key}"', where=place, hint=_suggestion(key, _section(kind, sections), also_known)
        )
    if found["type"] == "missing":
        return error_kind(f'"{key}" is missing', where=place)
    return error_kind(_sentence(found["msg"]), where=f"{place} {key}", got=repr(found["input"]))


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _location(location: tuple, kind: type[Section]) -> tuple[list[str], str]:
    """Sections and key of a pydantic error's location, without what pydantic adds (union branches, indices)."""
    sections: list[str] = []
    for part in map(str, location):
        field = kind.model_fields.get(part)
        inner = None if field is None else _section_of(field.annotation)
        if inner is None:
            return sections, part
        sections, kind = [*sections, part], inner
    return sections[:-1], sections[-1]


def _section(kind: type[Section], sections: list[str]) -> type[Section]:
    for name in sections:
        kind = _section_of(kind.model_fields[name].annotation)
    return kind


def _section_of(annotation: Any) -> type[Section] | None:
    """The section that a field holds, or may hold (`Section | None`); None for a field of anything else."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    only = kinds[0] if len(kinds) == 1 else None
    return only if isinstance(only, type) and issubclass(only, Section) else None


def _suggestion(key: str, section: type[Section], also_known: tuple) -> str:
    known = [*section.model_fields, *also_known]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(known)}"
