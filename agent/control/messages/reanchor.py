"""Zones of an old picture, proposed on what the camera sees now."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from agent.control.messages.base import Reply, Request, Words
from agent.control.messages.pictures import CameraId

LONGEST_ZONES, LONGEST_PICTURE = 2_000_000, 6_000_000
MOST_ZONES = 1000
Polygon = Annotated[list[tuple[float, float]], Field(min_length=3, max_length=500)]


class OldZone(Reply):
    """A zone as it was drawn on the old picture."""

    zone_id: Annotated[str, Field(min_length=1, max_length=200)]
    polygon: Polygon


class MovedZone(Reply):
    """Where it would lie now.

    ``polygon`` is empty where it lies beyond the picture; ``cut``: a part of it does. ``sure``: it lies where the
    pictures agree; else it is carried on from there, and must be looked at closely.
    """

    zone_id: str
    polygon: list[tuple[float, float]]
    cut: bool
    sure: bool


class ReanchorReply(Reply):
    """A proposal, never more: nothing is changed.

    ``certainty``: how much of what both pictures show looks alike once the old one is moved, 0 to 1. ``transform``:
    the homography from fractions of the old picture to fractions of the new one, row by row.
    """

    camera_id: str
    zones: list[MovedZone]
    certainty: float
    inliers: int
    moved_by: float
    transform: list[list[float]]
    text: Words


class AskReanchor(Request[ReanchorReply]):
    """Move zones from an old picture (a JPEG or PNG, as base64) onto what the camera sees now.

    Without one it is the camera's own commissioning picture: then the zones are the unit's, and it was moved.

    Refused with ``uncertain`` where the pictures do not agree, and in what; with ``not_yet`` while the camera's
    picture is made: ask again in a second.
    """

    verb: ClassVar[str] = "reanchor"
    answer: ClassVar[type[Reply]] = ReanchorReply
    camera_id: CameraId
    reference: Annotated[str, Field(max_length=LONGEST_PICTURE)] | None = None
    zones: Annotated[list[OldZone], Field(min_length=1, max_length=MOST_ZONES)]
