"""A folder of pictures as a camera: each is shown from its time on, until the next one's.

For demonstrations and behaviour tests with photographs: a street that stands still for minutes
and changes at stated times.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, timedelta
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from drivers import pictures
from drivers.cameras import CameraError, CameraSettings, Frame, Picture
from drivers.cameras._recorded import (
    DEFAULT_STARTS_AT,
    StartsAt,
    content_hash,
    fitted,
    luma_of,
    shared,
)
from wording.known_errors import reason_of
from wording.messages import said, text_of
from wording.validation import faults_of, no_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STILLS = True
"""The same picture comes again and again: that is meant, and no sign of a frozen camera."""


class Shown(CameraSettings):
    """From when on a picture is shown.

    Attributes:
        from_s: Seconds since the first frame.
        file: The picture's name in the folder.
    """

    from_s: float = Field(ge=0, allow_inf_nan=False)
    file: str = Field(min_length=1)


class Settings(CameraSettings):
    """Settings of a folder of pictures.

    Attributes:
        folder: Where the pictures are.
        timeline: What is shown when; the first begins at 0, each later than the one before. Left
            out: the ``timeline.json`` in the folder, a list of the same entries.
        frames_per_s: How many frames a second.
        until_s: When it ends. Left out: after one frame of the last picture.
        starts_at: The wall-clock time of the first frame; 2026-01-01T10:00:00+08:00 by default.
    """

    folder: Path
    timeline: tuple[Shown, ...] | None = None
    frames_per_s: float = Field(default=1.0, gt=0, le=100)
    until_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    starts_at: StartsAt = DEFAULT_STARTS_AT

    @field_validator("folder", mode="before")
    @classmethod
    def _no_address(cls, folder: object) -> object:
        return no_address(folder)


def open_camera(camera_id: str, settings: Settings) -> PictureFolder:
    """Open a folder of pictures. All of them are decoded once, so that faults show now.

    Raises:
        CameraError: With every fault of the timeline and of the pictures it names.
    """
    return PictureFolder(camera_id, settings)


class PictureFolder:
    """An open folder of pictures. See :class:`drivers.cameras.Camera`.

    A picture of another size is stretched to the size of the first one: a camera has one size.
    """

    live = False

    def __init__(self, camera_id: str, settings: Settings) -> None:
        self._camera_id, self._settings = camera_id, settings
        try:
            timeline = _timeline(settings)
        except ValueError as error:
            raise CameraError(camera_id, text_of(error)) from error
        if faults := [*_order_faults(timeline), *_picture_faults(settings.folder, timeline)]:
            raise CameraError(camera_id, said("{faults}", faults=faults))
        self._timeline = timeline
        self._paths = [settings.folder / shown.file for shown in timeline]
        plan = json.dumps([[shown.from_s, shown.file] for shown in timeline])
        self.source = f"{settings.folder.name} sha256:{content_hash(self._paths, plan)}"
        last_s = timeline[-1].from_s + 1 / settings.frames_per_s
        self._until_s = last_s if settings.until_s is None else settings.until_s
        self._sequence = 0
        self._shown = 0
        first = self._decoded(0)
        height, width = first.shape[:2]
        self.size_px = (width, height)
        self._show(first)

    def read(self) -> Frame | None:
        """Give the next frame; pictures that stay are neither decoded nor shrunk again."""
        at_s = self._sequence / self._settings.frames_per_s
        if at_s >= self._until_s:
            return None
        newest = max(i for i, shown in enumerate(self._timeline) if shown.from_s <= at_s)
        if newest != self._shown:
            self._shown = newest
            self._show(self._decoded(newest))
        picture = self._picture
        frame = Frame(
            camera_id=self._camera_id,
            sequence=self._sequence,
            luma=self._luma,
            bgr=lambda: picture,
            monotonic_s=at_s,
            captured_at=(self._settings.starts_at + timedelta(seconds=at_s)).astimezone(UTC),
        )
        self._sequence += 1
        return frame

    def close(self) -> None:
        """Nothing is held open between two frames."""

    def _decoded(self, index: int) -> Picture:
        path = self._paths[index]
        try:
            return pictures.read(path)
        except pictures.PictureError as error:
            reason = said("{file}: {reason}", file=path.name, reason=text_of(error))
            raise CameraError(self._camera_id, reason) from error

    def _show(self, picture: Picture) -> None:
        self._picture = shared(fitted(picture, self.size_px))
        self._luma = shared(luma_of(self._picture))


def _timeline(settings: Settings) -> Sequence[Shown]:
    """The timeline that holds. Raises ValueError in words."""
    if settings.timeline is not None:
        return settings.timeline
    path = settings.folder / "timeline.json"
    try:
        return TypeAdapter(tuple[Shown, ...]).validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(said("{file}: {reason}", file=path, reason=reason_of(error))) from error
    except ValidationError as error:
        faults = list(faults_of(error))
        raise ValueError(said("{file}: {faults}", file=path.name, faults=faults)) from error


def _order_faults(timeline: Sequence[Shown]) -> Iterator[str]:
    if not timeline:
        yield said("the timeline is empty")
        return
    if timeline[0].from_s > 0:
        yield said(
            "the first picture must begin at 0 s, begins at {from_s:g} s", from_s=timeline[0].from_s
        )
    for earlier, later in pairwise(timeline):
        if later.from_s <= earlier.from_s:
            yield said(
                "{later} begins at {later_s:g} s, not after {earlier} at {earlier_s:g} s",
                later=later.file,
                later_s=later.from_s,
                earlier=earlier.file,
                earlier_s=earlier.from_s,
            )


def _picture_faults(folder: Path, timeline: Sequence[Shown]) -> Iterator[str]:
    for file in dict.fromkeys(shown.file for shown in timeline):
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts:
            yield said("{file} lies outside the folder", file=file)
        elif not os.path.isfile(folder / path):  # noqa: PTH113  a name too long is none, not an error
            yield said("{file} is not in {folder}", file=file, folder=folder.name)
        else:
            yield from _picture_fault(folder / path, file)


def _picture_fault(path: Path, file: str) -> Iterator[str]:
    try:
        height, width = pictures.read(path).shape[:2]
    except pictures.PictureSizeError as error:
        yield said("{file}: {reason}", file=file, reason=text_of(error))
        return
    except pictures.PictureError:
        yield said("{file} is no picture that can be read", file=file)
        return
    if fault := pictures.frame_fault(width, height):
        yield said("{file}: {reason}", file=file, reason=fault)
