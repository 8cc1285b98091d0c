"""report.json against its documented schema."""

import json
from functools import cache
from importlib import resources
from pathlib import Path

import jsonschema


def conforming(path: Path) -> dict:
    """The record, which has every documented key and, where keys are documented, no other."""
    record = json.loads(path.read_text(encoding="utf-8"))
    _validator().validate(record)
    return record


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((resources.files("rig.report") / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)
