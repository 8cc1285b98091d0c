"""What may be asked of the lab over POST /control, strictly checked."""

import json
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from rig.errors import RigError
from rig.settings import Section, validated

MAX_TURN_DEG_PER_S = 720.0
Show = Literal["object", "board", "chart"]
Texture = Literal["clean", "adversarial"]
Fault = Literal["unplug", "freeze", "stall", "garbage", "resize", "none"]
Degrees = Annotated[float, Field(ge=-36000, le=36000)]


class _Strict(Section):
    model_config = ConfigDict(strict=True)  # no "1", no true for a number


class LightControl(_Strict):
    """Keys left out stay as they are."""

    ambient: float | None = Field(None, ge=0, le=10)
    directional: float | None = Field(None, ge=0, le=10)
    azimuth_deg: float | None = Field(None, ge=-360, le=360)
    elevation_deg: float | None = Field(None, ge=0, le=90)


class BoardPose(_Strict):
    """The board held before the camera: its middle at a place in the frame, (0, 0) upper left and (1, 1) lower right.

    Untilted and unrolled it is upright and parallel to the image; see rig.calibrate.simulated.pose_of.
    """

    tilt_deg: float = Field(0.0, ge=-80, le=80)
    towards_deg: Degrees = 0.0
    roll_deg: Degrees = 0.0
    x_frac: float = Field(0.5, ge=-0.5, le=1.5)
    y_frac: float = Field(0.5, ge=-0.5, le=1.5)
    distance_m: float = Field(0.5, ge=0.05, le=10)


class Control(_Strict):
    """Any of these at once. A target azimuth is reached by the shorter way, at |turn_deg_per_s|.

    Faults: `unplug` ends the stream and refuses new ones; `freeze` repeats one frame; `stall` sends nothing;
    `garbage` sends what is no JPEG, or half of one; `resize` sends frames of half the size.
    """

    turn_to_deg: Degrees | None = None
    turn_deg_per_s: float | None = Field(None, ge=-MAX_TURN_DEG_PER_S, le=MAX_TURN_DEG_PER_S)
    distance_m: float | None = Field(None, ge=0.05, le=10)
    elevation_deg: float | None = Field(None, ge=3, le=90)
    light: LightControl = LightControl()
    exposure: float | None = Field(None, gt=0, le=64)
    texture: Texture | None = None
    show: Show | None = None
    board_pose: BoardPose = BoardPose()
    fault: Fault | None = None

    @model_validator(mode="after")
    def _says_something(self):
        if not self.model_fields_set:
            raise ValueError(f"nothing to do; expected any of {', '.join(type(self).model_fields)}")
        if self.turn_to_deg is not None and self.turn_deg_per_s == 0:
            raise ValueError("a plate that does not turn reaches no azimuth")
        return self


def parse_control(body: bytes) -> Control:
    """A control from a request's body. Raises RigError."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RigError("not valid JSON", where="control", expected='such as {"turn_to_deg": 90}') from error
    if not isinstance(document, dict):
        raise RigError("not a JSON object", where="control", expected='such as {"turn_to_deg": 90}')
    return validated(Control, document, "control")
