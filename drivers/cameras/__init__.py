"""Cameras: one file each, chosen by its name in the configuration.

A driver file defines two things, and the contract tests run over every file in this folder:

- ``Settings``: a frozen pydantic model of the driver's settings;
- ``open_camera(camera_id, settings)``: a :class:`Camera`, or :class:`CameraError`.

Only the file that the configuration names is imported: a laptop never imports libcamera.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, Self, cast, runtime_checkable

from pydantic import BaseModel, ConfigDict, model_validator

from drivers.pictures import Picture as Picture
from drivers.pictures import frame_fault
from wording.messages import said
from wording.validation import may_be_secret

LUMA_WIDTH_PX = 320
"""Frames carry a grey picture about this wide; the cheap looking is done on it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera.

    Attributes:
        camera_id: The camera's name in the configuration.
        sequence: Counts this camera's frames from 0; a gap is a dropped frame.
        luma: Brightness, uint8 (h, w), about :data:`LUMA_WIDTH_PX` wide. Always there.
        bgr: Gives the colour picture, uint8 (H, W, 3), made only when asked for. May be called
            from any thread, more than once, as long as the frame lives.
        monotonic_s: When the picture was taken, on a clock that never goes back.
        captured_at: The same moment in UTC, as well as the device knew it.
    """

    camera_id: str
    sequence: int
    luma: Picture
    bgr: Callable[[], Picture]
    monotonic_s: float
    captured_at: datetime

    def time_of(self, moment_s: float) -> datetime:
        """The wall time of another moment of ``monotonic_s``, by the clock as it was at this frame."""
        return self.captured_at - timedelta(seconds=self.monotonic_s - moment_s)


class CameraError(OSError):
    """A camera could not be opened, or was lost while reading."""

    def __init__(self, camera_id: str, reason: str) -> None:
        super().__init__(said("camera {camera_id!r}: {reason}", camera_id=camera_id, reason=reason))
        self.camera_id, self.reason = camera_id, reason


class LoginRefusedError(CameraError):
    """A camera refused user or password. Asked again soon, it may lock its user out."""


class UnknownDriverError(ValueError):
    """The configuration names a driver that does not exist."""

    def __init__(self, driver: str, known: tuple[str, ...]) -> None:
        super().__init__(
            said(
                "no camera driver {driver!r}; there are: {known}",
                driver="…" if may_be_secret(driver) else driver,
                known=known,
            )
        )
        self.driver, self.known = driver, known


class CameraSettings(BaseModel):
    """Base of all drivers' settings: frozen, unknown keys refused, no input repeated in errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )

    @classmethod
    def shown(cls, told: Mapping[str, Any]) -> dict[str, Any]:
        """Settings without secrets, for display.

        Args:
            told: Some or all of them, as they are configured.
        """
        return dict(told)


class SizedSettings(CameraSettings):
    """Settings of a driver whose picture size is configured.

    Attributes:
        width: Of the colour picture, in pixels.
        height: Of the colour picture, in pixels.
    """

    width: int
    height: int

    @model_validator(mode="after")
    def _shows_a_street(self) -> Self:
        if fault := frame_fault(self.width, self.height):
            raise ValueError(fault)
        return self


@runtime_checkable
class Camera(Protocol):
    """An open camera.

    ``read`` is called by one thread only and blocks until there is a frame. It is never called
    again after it gave None or raised.
    """

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the colour picture; every frame's, until it is reopened.

        They are such that :func:`drivers.pictures.frame_fault` finds no fault.
        """

    @property
    def live(self) -> bool:
        """Whether pictures keep coming when not read: then only the newest counts.

        A source that is not live waits for its reader, and every frame of it is analysed.
        """

    @property
    def source(self) -> str:
        """Name of the source, the same from run to run (no absolute path)."""

    def read(self) -> Frame | None:
        """Give the next frame; None when the source has come to its end.

        Raises:
            CameraError: The camera was lost. The runner closes and reopens it.
        """

    def close(self) -> None:
        """Close the camera. May be called twice, and after an error."""


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A camera that a driver sees on this machine, whether or not it is configured.

    Attributes:
        driver: The driver's name in the configuration.
        address: What stays the same when it is plugged in again.
        name: What its maker calls it.
        hint: The line for ``settings`` in site.toml that chooses it.
    """

    driver: str
    address: str
    name: str
    hint: str


class CameraDriver(Protocol):
    """A module of this folder.

    A recording's camera may have a ``remark``, once it has come to its end: what is odd about it.
    A driver of hardware may also have ``list_cameras() -> list[FoundCamera]``, which opens none
    of them, and its cameras ``adjust(settings)``, which takes other settings while running.
    """

    Settings: type[CameraSettings]

    def open_camera(self, camera_id: str, settings: Any) -> Camera:
        """Open a camera.

        Raises:
            CameraError: It is not there, is busy, or gives no picture.
        """


def driver_names() -> tuple[str, ...]:
    """Names of all camera drivers: the files in this folder. None of them is imported."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load_driver(driver: str) -> CameraDriver:
    """Import one driver by its name.

    Raises:
        UnknownDriverError: There is no such file.
        ImportError: The driver needs a package that this machine lacks.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", driver) or driver not in driver_names():
        raise UnknownDriverError(driver, driver_names())
    return cast("CameraDriver", importlib.import_module(f"{__name__}.{driver}"))
