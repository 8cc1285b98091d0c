"""A model's card: what a file cannot say of itself (normalisation, colour order, crop, labels). `<stem>.card.json`."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rig.errors import ModelError
from rig.model.onnx_file import MAX_INPUT_VALUES, OnnxFile, open_onnx

Channels = tuple[float, float, float]  # in the order of `color`
Positive = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class InputCard(_Strict):
    """The network sees ((range[0] + (range[1] - range[0]) * batch) - mean) / std, batch in [0, 1]."""

    name: str
    layout: Literal["NCHW", "NHWC"]
    dtype: Literal["float32", "float16", "uint8"]
    color: Literal["RGB", "BGR"]
    height_px: int = Field(ge=1)
    width_px: int = Field(ge=1)
    batch: Annotated[int, Field(ge=1)] | None  # None = dynamic
    range: tuple[float, float]
    mean: Channels
    std: tuple[Positive, Positive, Positive]

    @model_validator(mode="after")
    def _is_consistent(self):
        identity = (self.range, self.mean, self.std) == ((0, 255), (0, 0, 0), (1, 1, 1))
        if self.dtype == "uint8" and not identity:
            raise ValueError("a uint8 input takes range [0, 255], mean 0 and std 1")
        if not self.range[0] < self.range[1]:
            raise ValueError("range is [low, high]")
        if (self.batch or 1) * 3 * self.height_px * self.width_px > MAX_INPUT_VALUES:
            raise ValueError(f"an absurdly large input, more than {MAX_INPUT_VALUES} values")
        return self


class ResizeCard(_Strict):
    """How a frame of another size becomes the model's: the centre `crop_frac` of it, resampled with antialiasing."""

    crop_frac: float = Field(gt=0, le=1)
    interpolation: Literal["bilinear", "bicubic"]


class OutputCard(_Strict):
    name: str
    kind: Literal["logits", "probabilities"]


class Card(_Strict):
    name: str
    sha256: str
    input: InputCard
    resize: ResizeCard
    output: OutputCard
    labels: list[str]  # one a class; "first name, synonym, ..." allowed
    guessed: list[str]  # a sentence each; empty when nothing was


def card_path(onnx_path: Path) -> Path:
    return Path(onnx_path).with_suffix(".card.json")


def read_card(onnx_path: Path) -> Card:
    """The card beside a model file. Raises ModelError if it is missing, malformed or contradicts the file."""
    return card_beside(open_onnx(onnx_path))


def card_beside(file: OnnxFile) -> Card:
    """As `read_card`, of a file already opened."""
    card = parse_card(card_path(file.path), Card)
    check_card(card, file)
    return card


def parse_card(path: Path, kind: type[BaseModel]) -> BaseModel:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read the card ({error.strerror})", where=path) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "card"
        raise ModelError(f"{field}: {first['msg']}", where=path) from error


def write_card(card: Card, onnx_path: Path) -> Path:
    """Write whole or not at all."""
    path = card_path(onnx_path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return path


def check_card(card: Card, file: OnnxFile) -> None:
    """Raises ModelError where the card contradicts the file."""
    n, *rest = file.input_dims
    size = [card.input.height_px, card.input.width_px]
    claimed = [3, *size] if card.input.layout == "NCHW" else [*size, 3]
    facts = [
        ("sha256", card.sha256, file.sha256),
        ("input.name", card.input.name, file.input_name),
        ("input.dtype", card.input.dtype, file.input_dtype),
        ("input.batch", card.input.batch, n if n is not None else card.input.batch),
        ("input shape", claimed, [dim if dim is not None else say for dim, say in zip(rest, claimed, strict=True)]),
        (
            "output.name",
            card.output.name,
            card.output.name if card.output.name in file.n_classes else [*file.n_classes],
        ),
        ("number of labels", len(card.labels), file.n_classes.get(card.output.name)),
    ]
    for field, said, found in facts:
        if said != found:
            hint = "correct the card, or delete it to have it guessed"
            raise ModelError(
                f"{field} contradicts the model", where=card_path(file.path), got=said, expected=found, hint=hint
            )
