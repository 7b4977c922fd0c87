"""A drawn street corner as a camera: things come, stand, move and go at stated times.

For tests, and for trying a configuration where there is no footage. The same settings give the
same pictures on every machine. No network takes its boxes for bicycles: it tries the plumbing.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

import cv2
import numpy as np
from pydantic import Field, model_validator

from drivers.cameras import CameraSettings, Frame, Picture, SizedSettings
from drivers.cameras._recorded import DEFAULT_STARTS_AT, StartsAt, luma_of, shared
from wording.messages import said

_BANDS = ((0.0, 0.45, (150, 140, 135)), (0.45, 0.6, (165, 170, 175)), (0.6, 1.0, (95, 95, 95)))
"""Wall, pavement and carriageway: top, bottom (fractions of the height) and colour (BGR)."""
Place = Annotated[float, Field(ge=-10, le=10)]
"""A fraction of the frame; what is on its way may be outside."""
_NOISE_LEVELS = 5
_NOISE_SLACK_PX = 32


class Thing(CameraSettings):
    """Something on the street. Places are fractions of the frame.

    Attributes:
        shape: ``box`` or ``ellipse``.
        colour: ``#rrggbb``.
        from_s: When it comes.
        to_s: When it is gone again; left out: it stays.
        left: Its left edge when it comes.
        top: Its top edge when it comes.
        width: How wide it is.
        height: How high it is.
        moves_to: Left and top at ``to_s`` (which must then be given); left out: it stands.
    """

    shape: Literal["box", "ellipse"] = "box"
    colour: str = Field(default="#b02020", pattern=r"^#[0-9a-fA-F]{6}$")
    from_s: float = Field(default=0.0, ge=0)
    to_s: float | None = None
    left: Place
    top: Place
    width: float = Field(gt=0, le=10)
    height: float = Field(gt=0, le=10)
    moves_to: tuple[Place, Place] | None = None

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.to_s is None and self.moves_to is not None:
            raise ValueError(said("moves_to needs to_s: when it arrives"))
        if self.to_s is not None and self.to_s <= self.from_s:
            raise ValueError(said("to_s must be after from_s"))
        return self

    def corner(self, at_s: float) -> tuple[float, float]:
        """Left and top at a time."""
        if self.moves_to is None or self.to_s is None:
            return self.left, self.top
        share = (at_s - self.from_s) / (self.to_s - self.from_s)
        left, top = self.moves_to
        return self.left + share * (left - self.left), self.top + share * (top - self.top)

    def there(self, at_s: float) -> bool:
        return at_s >= self.from_s and (self.to_s is None or at_s < self.to_s)


class Settings(SizedSettings):
    """Settings of the drawn street.

    Attributes:
        width: Of the colour picture, in pixels.
        height: Of the colour picture, in pixels.
        seconds: How long it lasts.
        frames_per_s: How many frames a second.
        seed: Of the street's texture and the camera's noise.
        things: What comes and goes; later ones hide earlier ones.
        pace: ``fast``, or ``real_time`` as a live camera: frames come when they are due, with the
            device's own times.
        starts_at: The wall-clock time of the first frame; 2026-01-01T10:00:00+08:00 by default. In
            real time it has no meaning.
        hangs_in: What never returns: opening, reading or closing. To rehearse what a device does
            about a camera that hangs.
        hangs_after_s: When reading begins to hang, in the street's time.
    """

    width: int = Field(default=640, ge=64, le=4096)
    height: int = Field(default=360, ge=64, le=4096)
    seconds: float = Field(default=60.0, gt=0)
    frames_per_s: float = Field(default=5.0, gt=0, le=100)
    seed: int = Field(default=0, ge=0)
    things: tuple[Thing, ...] = ()
    pace: Literal["fast", "real_time"] = "fast"
    starts_at: StartsAt = DEFAULT_STARTS_AT
    hangs_in: Literal["open", "read", "close"] | None = None
    hangs_after_s: float = Field(default=0.0, ge=0)


def open_camera(camera_id: str, settings: Settings) -> Synthetic:
    """Begin drawing. Never fails."""
    if settings.hangs_in == "open":
        _hang()
    return Synthetic(camera_id, settings)


class Synthetic:
    """A street being drawn. See :class:`drivers.cameras.Camera`."""

    def __init__(self, camera_id: str, settings: Settings) -> None:
        self._camera_id, self._settings = camera_id, settings
        self.live = settings.pace == "real_time"
        self.size_px = (settings.width, settings.height)
        self.source = f"synthetic street, seed {settings.seed}"
        self._random = np.random.default_rng(settings.seed)
        self._street = _street(settings, self._random)
        size = (settings.height + _NOISE_SLACK_PX, settings.width + _NOISE_SLACK_PX, 3)
        self._grain = self._random.integers(_NOISE_LEVELS, size=size, dtype=np.uint8)
        self._sequence = 0
        self._began_s: float | None = None

    def read(self) -> Frame | None:
        """Draw the next frame; in real time, when it is due."""
        at_s = self._sequence / self._settings.frames_per_s
        if self._settings.hangs_in == "read" and at_s >= self._settings.hangs_after_s:
            _hang()
        if at_s >= self._settings.seconds:
            return None
        monotonic_s, captured_at = self._times(at_s)
        picture = shared(self._draw(at_s))
        frame = Frame(
            camera_id=self._camera_id,
            sequence=self._sequence,
            luma=luma_of(picture),
            bgr=lambda: picture,
            monotonic_s=monotonic_s,
            captured_at=captured_at,
        )
        self._sequence += 1
        return frame

    def _times(self, at_s: float) -> tuple[float, datetime]:
        """A frame's monotonic and wall time; in real time, wait until then."""
        if not self.live:
            return at_s, (self._settings.starts_at + timedelta(seconds=at_s)).astimezone(UTC)
        now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        if self._began_s is None:
            self._began_s = now_s
        time.sleep(max(0.0, self._began_s + at_s - now_s))
        return time.clock_gettime(time.CLOCK_BOOTTIME), datetime.now(UTC)

    def close(self) -> None:
        """Nothing needs closing."""
        if self._settings.hangs_in == "close":
            _hang()

    def _draw(self, at_s: float) -> Picture:
        picture = self._street.copy()
        for thing in self._settings.things:
            if thing.there(at_s):
                _draw_thing(picture, thing, at_s)
        # Fresh noise for every pixel would cost more than the rest: the same grain is shifted.
        right, down = self._random.integers(_NOISE_SLACK_PX, size=2)
        height, width = picture.shape[:2]
        grain = self._grain[down : down + height, right : right + width]
        return np.asarray(cv2.add(picture, grain), dtype=np.uint8)


def _hang() -> None:
    threading.Event().wait()


def _street(settings: Settings, random: np.random.Generator) -> Picture:
    picture = np.empty((settings.height, settings.width, 3), dtype=np.uint8)
    for top, bottom, colour in _BANDS:
        picture[round(top * settings.height) : round(bottom * settings.height)] = colour
    size = (settings.width, settings.height)
    coarse = random.integers(40, size=(9, 16, 3), dtype=np.uint8)
    patches = cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.add(picture, patches), dtype=np.uint8)


def _draw_thing(picture: Picture, thing: Thing, at_s: float) -> None:
    height, width = picture.shape[:2]
    left, top = thing.corner(at_s)
    first = (round(left * width), round(top * height))
    last = (round((left + thing.width) * width) - 1, round((top + thing.height) * height) - 1)
    red, green, blue = bytes.fromhex(thing.colour[1:])
    colour = (blue, green, red)
    if thing.shape == "box":
        cv2.rectangle(picture, first, last, colour, cv2.FILLED)
    else:
        middle = ((first[0] + last[0]) // 2, (first[1] + last[1]) // 2)
        axes = (max(1, (last[0] - first[0]) // 2), max(1, (last[1] - first[1]) // 2))
        cv2.ellipse(picture, middle, axes, 0, 0, 360, colour, cv2.FILLED)
