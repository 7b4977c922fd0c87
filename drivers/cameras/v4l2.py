"""USB cameras, through Video4Linux; pictures come as JPEGs and are decoded when used.

The grey picture for the cheap looking is decoded at a quarter or an eighth of the size, straight
from the JPEG's coarse part; colour is decoded only for frames that a network or a case asks for.
"""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from pydantic import Field, field_validator

from drivers.cameras import LUMA_WIDTH_PX, CameraError, FoundCamera, Frame, SizedSettings
from drivers.cameras._recorded import fitted, luma_size_px, once, shared
from drivers.pacing import Thinning
from drivers.pictures import PictureError, PictureSizeError, decoded, frame_fault, size_of
from wording.messages import said, text_of

if TYPE_CHECKING:
    from drivers.cameras import Picture

BY_ID = Path("/dev/v4l/by-id")
MJPG = cv2.VideoWriter.fourcc(*"MJPG")
_REDUCED = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
BAD_IN_A_ROW = 30
"""Number of damaged pictures in a row after which the camera counts as lost."""

_TIMEOUT = "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"
# OpenCV reads it once, in whole seconds, at the first camera; nothing else bounds its wait.
os.environ.setdefault(_TIMEOUT, "5")

_log = logging.getLogger(__name__)


def timeout_s() -> float:
    """A camera that gives no picture for this long is lost."""
    return float(os.environ[_TIMEOUT])


class Settings(SizedSettings):
    """Settings of a USB camera. What is left out stays as the camera has it.

    Attributes:
        device: ``/dev/v4l/by-id/…`` stays the same when it is plugged in again; ``/dev/videoN``
            may be another camera after the next start.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        frames_per_s: Maximum rate of frames handed on.
        exposure: The camera's own number for a fixed exposure (often in 0.1 ms).
        gain: The camera's own number.
        focus: The camera's own number for a fixed focus; 0 is far on most cameras.
    """

    device: Path
    width: int = Field(default=1280, ge=160, le=4096)
    height: int = Field(default=720, ge=120, le=4096)
    frames_per_s: float = Field(default=10.0, gt=0, le=120)
    exposure: float | None = None
    gain: float | None = None
    focus: float | None = None

    @field_validator("device")
    @classmethod
    def _a_device(cls, device: Path) -> Path:
        if device.parts[:2] != ("/", "dev"):
            raise ValueError(said("give a path below /dev, best one of /dev/v4l/by-id/"))
        return device


def open_camera(camera_id: str, settings: Settings) -> UsbCamera:
    """Open a USB camera and ask it for JPEGs.

    Raises:
        CameraError: It is not there, is busy, or gives no JPEGs of that size.
    """
    return UsbCamera(camera_id, settings)


def list_cameras(folder: Path = BY_ID) -> list[FoundCamera]:
    """The USB cameras that are plugged in, by their lasting names."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        FoundCamera("v4l2", str(path), path.name, f'device = "{path}"')
        for path in paths
        if path.name.endswith("index0")  # the others of one camera give metadata, no pictures
    ]


class UsbCamera:
    """A running USB camera. See :class:`drivers.cameras.Camera`.

    Attributes:
        unsupported: Settings that this camera did not take.
    """

    live = True

    def __init__(self, camera_id: str, settings: Settings) -> None:
        self._camera_id, self._settings = camera_id, settings
        self._sequence = -1
        self._thinning = Thinning(settings.frames_per_s)
        self.source = f"v4l2 {settings.device.name}"
        if not settings.device.exists():
            raise CameraError(camera_id, said("there is no {device}", device=settings.device))
        if settings.device.parent == Path("/dev"):
            _log.warning("%s may be another camera after a restart; see %s", settings.device, BY_ID)
        self._stream = self._opened()
        try:
            self._assert_as_asked()
            self.unsupported = self._adjusted()
        except BaseException:
            self.close()
            raise
        self.size_px = (settings.width, settings.height)

    def _opened(self) -> cv2.VideoCapture:
        settings = self._settings
        # OpenCV opens by number or by a plain device path: a lasting name is a link to one.
        path = str(settings.device.resolve())
        stream = cv2.VideoCapture(
            path,
            cv2.CAP_V4L2,
            [
                cv2.CAP_PROP_FOURCC,
                MJPG,
                cv2.CAP_PROP_FRAME_WIDTH,
                settings.width,
                cv2.CAP_PROP_FRAME_HEIGHT,
                settings.height,
                cv2.CAP_PROP_CONVERT_RGB,
                0,
            ],
        )
        if not stream.isOpened():
            stream.release()
            busy = os.access(path, os.R_OK | os.W_OK)
            text = (
                said("{device} is busy or no camera", device=settings.device)
                if busy
                else said("{device} may not be read by this user", device=settings.device)
            )
            raise CameraError(self._camera_id, text)
        return stream

    def _assert_as_asked(self) -> None:
        settings = self._settings
        found = int(self._stream.get(cv2.CAP_PROP_FOURCC))
        size = (
            int(self._stream.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._stream.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        if found == MJPG and size == (settings.width, settings.height):
            return
        raise CameraError(
            self._camera_id,
            said(
                "the camera gives {format} at {width} × {height}; asked for was MJPG at"
                " {wanted_width} × {wanted_height}",
                format=found.to_bytes(4, "little").decode("ascii", "replace"),
                width=size[0],
                height=size[1],
                wanted_width=settings.width,
                wanted_height=settings.height,
            ),
        )

    def _adjusted(self) -> tuple[str, ...]:
        settings = self._settings
        wanted: list[tuple[str, int, float]] = []
        if settings.exposure is not None:
            wanted.append(("exposure", cv2.CAP_PROP_AUTO_EXPOSURE, 1))  # V4L2_EXPOSURE_MANUAL
            wanted.append(("exposure", cv2.CAP_PROP_EXPOSURE, settings.exposure))
        if settings.gain is not None:
            wanted.append(("gain", cv2.CAP_PROP_GAIN, settings.gain))
        if settings.focus is not None:
            wanted.append(("focus", cv2.CAP_PROP_AUTOFOCUS, 0))
            wanted.append(("focus", cv2.CAP_PROP_FOCUS, settings.focus))
        refused = [name for name, number, value in wanted if not self._stream.set(number, value)]
        if refused:
            _log.warning("camera %s did not take: %s", self._camera_id, ", ".join(refused))
        return tuple(dict.fromkeys(refused))

    def read(self) -> Frame | None:
        """Wait for the next whole picture that is wanted, at most :func:`timeout_s` for each."""
        bad, fault = 0, ""
        while bad < BAD_IN_A_ROW:
            began_s = time.monotonic()
            if not self._stream.grab():
                raise CameraError(self._camera_id, self._loss(time.monotonic() - began_s))
            monotonic_s = time.clock_gettime(time.CLOCK_BOOTTIME)
            self._sequence += 1
            if not self._thinning.keeps(monotonic_s):
                continue
            try:
                jpeg = self._encoded()
                return self._frame(jpeg, grey_of(jpeg, self.size_px), monotonic_s)
            except PictureSizeError as error:
                bad, fault = bad + 1, text_of(error)
            except PictureError:
                bad, fault = bad + 1, said("only damaged pictures come")
        raise CameraError(self._camera_id, fault)

    def _encoded(self) -> Picture:
        """The picture that was grabbed, as the camera sent it."""
        try:
            read, raw = self._stream.retrieve()
        except cv2.error:
            read, raw = False, None
        if not read or raw is None:
            raise PictureError(said("the camera gives an empty buffer"))
        return np.array(raw, np.uint8).reshape(-1)  # OpenCV's own buffer is filled anew

    def _frame(self, jpeg: Picture, luma: Picture, monotonic_s: float) -> Frame:
        return Frame(
            camera_id=self._camera_id,
            sequence=self._sequence,
            luma=shared(luma),
            bgr=once(lambda: _colour_of(self._camera_id, jpeg, self.size_px)),
            monotonic_s=monotonic_s,
            captured_at=datetime.now(UTC),
        )

    def _loss(self, waited_s: float) -> str:
        if not self._settings.device.exists():
            return said("unplugged")
        if waited_s >= 0.9 * timeout_s():
            return said("no picture for {seconds:g} s", seconds=timeout_s())
        return said("the camera ended the stream")

    def close(self) -> None:
        """Close the device."""
        self._stream.release()


def grey_of(jpeg: Picture, size_px: tuple[int, int]) -> Picture:
    """A JPEG's brightness, about :data:`LUMA_WIDTH_PX` wide.

    Args:
        jpeg: The encoded picture, uint8 (n,).
        size_px: Width and height that the camera was opened with.

    Returns:
        uint8 (h, w), of the same size for every picture of the camera.

    Raises:
        PictureSizeError: It is of a size that is not judged, whatever the camera announced.
        PictureError: It is damaged.
    """
    claimed = size_of(jpeg.tobytes())
    if claimed is not None and (fault := frame_fault(*claimed)):
        raise PictureSizeError(fault)
    times = max(times for times in _REDUCED if times == 1 or size_px[0] // times >= LUMA_WIDTH_PX)
    return fitted(decoded(jpeg, _REDUCED[times]), luma_size_px(size_px))


def _colour_of(camera_id: str, jpeg: Picture, size_px: tuple[int, int]) -> Picture:
    try:
        return fitted(decoded(jpeg), size_px)
    except PictureError as error:
        raise CameraError(camera_id, text_of(error)) from error
