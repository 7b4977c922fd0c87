"""Live pictures of a running agent, its commissioning pictures, and who is followed in them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from agent.control.messages.base import Reply, Request, Words

CameraId = Annotated[str, Field(min_length=1, max_length=64)]
Fraction = float
BoxSides = tuple[Fraction, Fraction, Fraction, Fraction]
"""Left, top, right and bottom, in fractions of the picture."""
Foot = tuple[Fraction, Fraction]
"""Where a thing stands: the middle of its lower edge."""
View = Literal["steady", "moved", "unknown"]


class SeenThing(Reply):
    """Something that the detector sees."""

    label: str
    confidence: float
    box: BoxSides
    foot: Foot


class AimFigures(Reply):
    """Figures of the frame as it was taken, not of the redacted picture; see :class:`agent.perception.aiming.Aim`.

    ``sharpness`` and ``noise`` are in grey levels, ``brightness`` from 0 to 255, shares from 0 to 1. Those that
    need a commissioning picture are None where there is none.
    """

    sharpness: float
    sharpness_share: float | None
    noise: float | None
    brightness: float
    black_share: float
    burnt_share: float
    alike_share: float | None
    moved_by: float | None


class PictureReply(Reply):
    """A redacted picture; the JPEG follows.

    ``kind`` says how it was redacted: ``whole`` as what leaves for the platform, ``preview`` small and quickly.
    ``because`` says why it is a preview though a whole one was asked for.
    """

    camera_id: str
    kind: Literal["whole", "preview"]
    because: Words | None
    captured_at: datetime
    width_px: int
    height_px: int
    camera_width_px: int
    camera_height_px: int
    view: View
    commissioned: bool
    seen: list[SeenThing]
    aim: AimFigures


class AskPicture(Request[PictureReply]):
    """Show what a camera sees now. Refused with ``not_yet`` while it is made: ask again in a second."""

    verb: ClassVar[str] = "picture"
    answer: ClassVar[type[Reply]] = PictureReply
    camera_id: CameraId
    kind: Literal["whole", "preview"] = "whole"


class ReferenceReply(Reply):
    """A camera's commissioning picture, redacted; the JPEG follows."""

    camera_id: str
    taken_at: datetime
    sha256: str
    width_px: int
    height_px: int


class AskReference(Request[ReferenceReply]):
    """Show a camera's commissioning picture."""

    verb: ClassVar[str] = "reference"
    answer: ClassVar[type[Reply]] = ReferenceReply
    camera_id: CameraId


class ZoneStay(Reply):
    """For how long something has its foot in a zone, and of that, for how long it has stood still."""

    zone_id: str
    inside_s: float
    stands_s: float | None


class FollowedThing(Reply):
    """Something that is followed."""

    track_id: int
    label: str
    confidence: float
    box: BoxSides
    foot: Foot
    seen_now: bool
    moves: bool
    zones: list[ZoneStay]


class TracksReply(Reply):
    """Who and what is followed now; ``looked_share``: how much of the picture the network looks at."""

    camera_id: str
    at: datetime
    looked_share: float
    tracks: list[FollowedThing]


class AskTracks(Request[TracksReply]):
    """Who and what is followed now? Refused with ``not_yet`` until the next frame."""

    verb: ClassVar[str] = "tracks"
    answer: ClassVar[type[Reply]] = TracksReply
    camera_id: CameraId
