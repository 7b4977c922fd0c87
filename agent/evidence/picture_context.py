"""What is known of a picture only at the moment it is taken, kept beside it: by this it can be redacted later.

One JSON file a picture, ``<name>.context.json``. It holds boxes and no picture, and never leaves the device.
All boxes are fractions of the **camera's frame**, also those of a close-up: :meth:`PictureContext.shown`
says where in the picture they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent.domain.scene import Box, Detection
from agent.protocol.strict_json import StrictJsonError, read_json
from drivers.pictures import MAX_SIDE_PX
from wording.messages import said

MAX_SEEN, MAX_MOVED, MAX_OWN = 4000, 1000, 200
"""A crowd of sixty over three seconds of ten looks a second, and as much again."""
MAX_BYTES = 1 << 20
"""A longer file is not read."""
MAX_FAULTS = 8
"""So many are named."""
ROUNDED = 5
"""Digits of a coordinate: a tenth of a pixel of the largest picture."""

View = Literal["steady", "moved", "unknown"]
"""Whether the camera looked where it was set up to look."""


class ContextError(ValueError):
    """A picture's context cannot be read, or is none."""


@dataclass(frozen=True, slots=True)
class PictureContext:
    """What redaction must know of one picture.

    Attributes:
        width_px: Of the picture as it was kept.
        height_px: The same.
        crop: What of the camera's frame it shows; all of it: ``WHOLE_FRAME``.
        captured_at: When it was taken.
        seen: People, vehicles and two-wheelers that the detector saw in the last 3 s, at a low threshold,
            as it saw them frame by frame (what only one frame shows counts too).
        moved: What moved against the background in that time and is not the case's own thing.
        own: The case's own things (its members): they are to stay visible.
        masks_applied: Whether the site's masks were blackened in the frame, or there are none.
        view: Whether the camera looked where it should.
        background: Whether there was a background to hold the frame against: without one nobody knows
            what moved.
    """

    width_px: int
    height_px: int
    crop: Box
    captured_at: datetime
    seen: tuple[Detection, ...]
    moved: tuple[Box, ...]
    own: tuple[Box, ...]
    masks_applied: bool
    view: View
    background: bool

    def shown(self, box: Box) -> Box | None:
        """Where in the picture a box of the frame is, in fractions of the picture; None if it shows none of it."""
        width, height = self.crop.width, self.crop.height
        inside = Box(
            max(0.0, (box.left - self.crop.left) / width),
            max(0.0, (box.top - self.crop.top) / height),
            min(1.0, (box.right - self.crop.left) / width),
            min(1.0, (box.bottom - self.crop.top) / height),
        )
        return inside if inside.width > 0 and inside.height > 0 else None

    def in_frame(self, box: Box) -> Box:
        """Where in the frame a box of the picture is."""
        width, height = self.crop.width, self.crop.height
        return Box(
            self.crop.left + box.left * width,
            self.crop.top + box.top * height,
            self.crop.left + box.right * width,
            self.crop.top + box.bottom * height,
        )

    @property
    def frame_aspect(self) -> float:
        """Width by height of the frame in pixels."""
        return self.width_px / self.crop.width * self.crop.height / self.height_px

    def to_json(self) -> str:
        """The text to keep.

        Raises:
            ContextError: It says more than is read again.
        """
        written = {
            "version": 1,
            "width_px": self.width_px,
            "height_px": self.height_px,
            "crop": _edges(self.crop),
            "captured_at": self.captured_at.isoformat(),
            "seen": [
                [each.label, round(each.confidence, ROUNDED), _edges(each.box)]
                for each in self.seen
            ],
            "moved": [_edges(box) for box in self.moved],
            "own": [_edges(box) for box in self.own],
            "masks_applied": self.masks_applied,
            "view": self.view,
            "background": self.background,
        }
        text = json.dumps(written, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        PictureContext.from_json(text.encode())
        return text

    @classmethod
    def from_json(cls, content: bytes) -> PictureContext:
        """Read what :meth:`to_json` wrote.

        Raises:
            ContextError: It is damaged or of another form; with everything that is wrong with it.
        """
        if len(content) > MAX_BYTES:
            raise ContextError(
                said("a picture's context is longer than {most} bytes", most=MAX_BYTES)
            )
        try:
            read_json(content)  # refuses what other readers would read otherwise
            written = _Written.model_validate_json(content)
        except StrictJsonError as error:
            raise ContextError(
                said("a picture's context is damaged: {reason}", reason=error)
            ) from error
        except ValidationError as error:
            raise ContextError(
                said("a picture's context is damaged: {reason}", reason=_faults(error))
            ) from error
        return cls(
            written.width_px,
            written.height_px,
            _box(written.crop),
            written.captured_at,
            tuple(Detection(label, score, _box(edges)) for label, score, edges in written.seen),
            tuple(map(_box, written.moved)),
            tuple(map(_box, written.own)),
            written.masks_applied,
            written.view,
            written.background,
        )


_Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
_Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]


def _ordered(edges: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    if edges[0] > edges[2] or edges[1] > edges[3]:
        raise ValueError("a box ends before it begins")
    return edges


def _some(edges: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    if edges[0] == edges[2] or edges[1] == edges[3]:
        raise ValueError("nothing of the frame is shown")
    return edges


_Edges = Annotated[tuple[_Fraction, _Fraction, _Fraction, _Fraction], AfterValidator(_ordered)]
_Seen = tuple[Annotated[str, Field(min_length=1, max_length=64)], _Fraction, _Edges]


class _Written(BaseModel):
    """The file's form."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    version: Literal[1]
    width_px: _Side
    height_px: _Side
    crop: Annotated[_Edges, AfterValidator(_some)]
    captured_at: AwareDatetime
    seen: Annotated[list[_Seen], Field(max_length=MAX_SEEN)]
    moved: Annotated[list[_Edges], Field(max_length=MAX_MOVED)]
    own: Annotated[list[_Edges], Field(max_length=MAX_OWN)]
    masks_applied: bool
    view: View
    background: bool


def _box(edges: tuple[float, float, float, float]) -> Box:
    return Box(*edges)


def _edges(box: Box) -> list[float]:
    """Within the frame: what a tracker foretells may lie beyond its edge."""
    sides = (box.left, box.top, box.right, box.bottom)
    return [round(min(1.0, max(0.0, side)), ROUNDED) for side in sides]


def _faults(error: ValidationError) -> str:
    """Every fault with its place, without what was written there."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or '-'}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False)[:MAX_FAULTS]
    )
