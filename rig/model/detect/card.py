"""A detector's card, `<stem>.card.json` with "task": "detection": what its head says, and how frames are fitted."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from rig.errors import ModelError
from rig.model.card import InputCard, card_path, parse_card
from rig.model.onnx_file import OnnxFile

Fraction = Annotated[float, Field(ge=0, le=1)]
N_OUTPUTS = {
    "objectness_rows": 1,
    "class_rows": 1,
    "class_columns": 1,
    "boxes_scores": 2,
    "detections": 3,
    "detection_rows": 1,
}
FINAL = ("detections", "detection_rows")  # suppressed in the graph


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class FitCard(_Strict):
    """How a frame of another size becomes the model's: stretched, or whole in the middle of a grey of `fill`."""

    mode: Literal["letterbox", "stretch"]
    fill: Fraction


class HeadCard(_Strict):
    """What the outputs are, A boxes and K classes an image; the first four suppress no overlaps themselves.

    objectness_rows: (N, A, 5 + K), box, objectness, class scores (YOLOv5). class_rows: (N, A, 4 + K).
    class_columns: (N, 4 + K, A) (YOLOv8, 11). boxes_scores: (N, A, 4) and (N, A, K).
    detections: boxes (N, D, 4) or (D, 4), scores and labels (N, D) or (D,), suppressed in the graph.
    detection_rows: (N, D, 6), box, score, label (YOLOv10, 26).
    """

    layout: Literal[*N_OUTPUTS]
    outputs: list[str]  # in the order above
    box_form: Literal["xyxy", "yxyx", "cxcywh"]
    box_unit: Literal["px", "frac"]  # of the model's image, from its corner
    activation: Literal["none", "sigmoid", "softmax"]  # still to be applied to the scores
    background: Literal["none", "first", "last"]  # a column of the scores that is no object
    first_label: int = Field(0, ge=0)  # the label of the scores' first column

    @property
    def is_final(self) -> bool:
        return self.layout in FINAL


class ThresholdsCard(_Strict):
    """Boxes below `score` are no detections; of two of one class that overlap more than `iou` the better one stays."""

    score: Fraction
    iou: Fraction


class DetectorCard(_Strict):
    task: Literal["detection"]
    name: str
    sha256: str
    input: InputCard
    fit: FitCard
    head: HeadCard
    thresholds: ThresholdsCard
    labels: list[str]  # empty where unknown: labels are then numbers
    guessed: list[str]  # a sentence each; empty when nothing was


def read_detector_card(file: OnnxFile) -> DetectorCard:
    """The card beside a file. Raises ModelError if it is missing, malformed or contradicts the file."""
    path = card_path(file.path)
    card = parse_card(path, DetectorCard)
    outputs = {value.name for value in file.proto.graph.output}
    facts = [
        ("sha256", card.sha256, file.sha256),
        ("input.name", card.input.name, file.input_name),
        ("input.dtype", card.input.dtype, file.input_dtype),
        ("input.batch", card.input.batch, file.input_dims[0] or card.input.batch),
        ("number of head.outputs", len(card.head.outputs), N_OUTPUTS[card.head.layout]),
        ("head.outputs", card.head.outputs, [name for name in card.head.outputs if name in outputs]),
    ]
    for field, said, found in facts:
        if said != found:
            hint = "correct the card, or delete it to have it guessed"
            raise ModelError(f"{field} contradicts the model", where=path, got=said, expected=found, hint=hint)
    return card
