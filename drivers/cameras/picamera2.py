"""The Raspberry Pi's own cameras, through Picamera2 and libcamera.

Two streams of one sensor: ``main`` in colour for networks and evidence, ``lores`` of which only
the plane of brightness is read. The image processor scales it, the CPU does nothing for it.
Picamera2 and libcamera come from the system (apt: python3-picamera2); they are imported only when a
camera is opened, so that a site's configuration can be checked anywhere.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from drivers.cameras import LUMA_WIDTH_PX, CameraError, FoundCamera, Frame, SizedSettings
from drivers.cameras._planes import FORMATS, PLANAR, Layout, bgr_of, brightness_of
from drivers.cameras._recorded import once, shared
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from drivers.cameras import Picture


CLOSE_TIMEOUT_S = 5.0
BUFFERS = 4
"""Requests in circulation. Every picture is copied out at once, so that few are enough."""
OLD_S = 60.0
"""A picture older than this when it is handed over has no honest time stamp."""
_WHITE_BALANCE = {  # libcamera's AwbModeEnum
    "auto": 0,
    "incandescent": 1,
    "tungsten": 2,
    "fluorescent": 3,
    "indoor": 4,
    "daylight": 5,
    "cloudy": 6,
}
_AF_MANUAL, _AF_CONTINUOUS = 0, 2  # libcamera's AfModeEnum

_log = logging.getLogger(__name__)


class Settings(SizedSettings):
    """Settings of a Raspberry Pi camera. What is left out stays as the camera's tuning has it.

    Attributes:
        camera: Its number (0 is the first), or its libcamera id, which survives a second camera.
        width: Of the colour picture, in pixels.
        height: Of the colour picture, in pixels.
        frames_per_s: How many pictures a second the sensor takes.
        hflip: Mirror left and right.
        vflip: Mirror top and bottom; both together turn the picture round.
        focus: ``continuous``, or ``fixed`` at ``lens_position_dpt``.
        lens_position_dpt: Dioptres: 0 is infinity, 0.1 is ten metres.
        exposure_us: A fixed exposure time, in microseconds.
        gain: A fixed analogue gain.
        exposure_value: Brighter or darker than the automatic exposure, in stops.
        white_balance: One of the automatic white balance's modes.
        timeout_s: A camera that gives no picture for this long is lost.
    """

    camera: int | str = 0
    width: int = Field(default=1280, ge=320, le=4096, multiple_of=2)
    height: int = Field(default=720, ge=240, le=4096, multiple_of=2)
    frames_per_s: float = Field(default=10.0, gt=0, le=120)
    hflip: bool = False
    vflip: bool = False
    focus: Literal["continuous", "fixed"] | None = None
    lens_position_dpt: float | None = Field(default=None, ge=0, le=32)
    exposure_us: int | None = Field(default=None, ge=1)
    gain: float | None = Field(default=None, ge=1, le=64)
    exposure_value: float | None = Field(default=None, ge=-8, le=8)
    white_balance: (
        Literal["auto", "incandescent", "tungsten", "fluorescent", "indoor", "daylight", "cloudy"]
        | None
    ) = None
    timeout_s: float = Field(default=5.0, gt=0, le=60)

    @model_validator(mode="after")
    def _focus_and_position_together(self) -> Settings:
        if (self.focus == "fixed") != (self.lens_position_dpt is not None):
            raise ValueError(said('focus = "fixed" and lens_position_dpt go together'))
        return self

    def controls(self) -> dict[str, Any]:
        """These settings as libcamera's controls."""
        frame_us = round(1e6 / self.frames_per_s)
        wanted: dict[str, Any] = {"FrameDurationLimits": (frame_us, frame_us)}
        if self.focus is not None:
            fixed = self.focus == "fixed"
            wanted["AfMode"] = _AF_MANUAL if fixed else _AF_CONTINUOUS
        if self.lens_position_dpt is not None:
            wanted["LensPosition"] = self.lens_position_dpt
        if self.exposure_us is not None:
            wanted["ExposureTime"] = self.exposure_us
        if self.gain is not None:
            wanted["AnalogueGain"] = self.gain
        if self.exposure_value is not None:
            wanted["ExposureValue"] = self.exposure_value
        if self.white_balance is not None:
            wanted["AwbMode"] = _WHITE_BALANCE[self.white_balance]
        return wanted


def open_camera(camera_id: str, settings: Settings) -> PiCamera:
    """Open a Pi camera and start it.

    Raises:
        CameraError: Picamera2 is missing, the camera is not there or busy, or it cannot give
            pictures of the kind asked for.
    """
    try:
        library = _library()
    except ImportError as error:
        raise CameraError(
            camera_id,
            said("the package picamera2 is missing; on the device: apt install python3-picamera2"),
        ) from error
    try:
        return PiCamera(camera_id, settings, library)
    except (RuntimeError, IndexError, OSError, TypeError, ValueError) as error:
        if isinstance(error, CameraError):
            raise
        raise CameraError(camera_id, reason_of(error)) from error


def list_cameras() -> list[FoundCamera]:
    """The cameras that libcamera finds, without USB cameras; empty without Picamera2."""
    try:
        found = _library().Picamera2.global_camera_info()
    except ImportError:
        return []
    return [
        FoundCamera(
            driver="picamera2",
            address=str(each["Id"]),
            name=str(each.get("Model", "")),
            hint=f'camera = "{each["Id"]}"',
        )
        for each in found
        if "usb" not in str(each["Id"]).lower()
    ]


def _library() -> ModuleType:
    """Picamera2 and libcamera are imported here and nowhere else."""
    import picamera2  # noqa: PLC0415

    return picamera2  # type: ignore[no-any-return]


class PiCamera:
    """A running Pi camera. See :class:`drivers.cameras.Camera`.

    Attributes:
        unsupported: Controls that were asked for and that this camera does not have.
    """

    live = True

    def __init__(self, camera_id: str, settings: Settings, library: ModuleType) -> None:
        self._camera_id, self._settings = camera_id, settings
        self._sequence, self._last_s = -1, float("-inf")
        self.unsupported: tuple[str, ...] = ()
        self._camera: Any = library.Picamera2(_number(camera_id, settings.camera, library))
        try:
            self._main, self._lores = self._configured()
            self._controls = self._supported(settings)
            self._camera.set_controls(self._controls)
            self._camera.start()
        except BaseException:
            self.close()
            raise
        self.size_px = (self._main.width, self._main.height)
        self.source = f"picamera2 {settings.camera}"

    def _configured(self) -> tuple[Layout, Layout]:
        """Request two streams and check what was configured: libcamera adjusts silently."""
        settings = self._settings
        height = max(2, round(LUMA_WIDTH_PX * settings.height / settings.width / 2) * 2)
        wanted = self._camera.create_video_configuration(
            main={"size": (settings.width, settings.height), "format": "RGB888"},
            lores={"size": (LUMA_WIDTH_PX, height), "format": "YUV420"},
            raw=None,
            buffer_count=BUFFERS,
            display=None,
            encode=None,
            queue=False,
        )
        wanted["transform"].hflip = settings.hflip
        wanted["transform"].vflip = settings.vflip
        self._camera.configure(wanted)
        given = self._camera.camera_configuration()
        main, lores = _layout(given["main"]), _layout(given["lores"])
        self._assert_usable("main", main, (settings.width, settings.height), FORMATS)
        self._assert_usable("lores", lores, (LUMA_WIDTH_PX, height), sorted(PLANAR))
        return main, lores

    def _assert_usable(
        self, stream: str, given: Layout, size_px: tuple[int, int], formats: Any
    ) -> None:
        if given.format in formats and (given.width, given.height) == size_px:
            if given.stride < given.least_stride:
                raise CameraError(
                    self._camera_id,
                    said(
                        "the {stream} stream's rows of {width} pixels cannot lie in {stride} bytes",
                        stream=stream,
                        width=given.width,
                        stride=given.stride,
                    ),
                )
            return
        raise CameraError(
            self._camera_id,
            said(
                "the {stream} stream is {width} × {height} {format}; asked for were"
                " {wanted_width} × {wanted_height}, in one of: {formats}",
                stream=stream,
                width=given.width,
                height=given.height,
                format=given.format,
                wanted_width=size_px[0],
                wanted_height=size_px[1],
                formats=list(formats),
            ),
        )

    def _supported(self, settings: Settings) -> dict[str, Any]:
        """The controls that this camera advertises; within its limits, or refused."""
        advertised: Mapping[str, Any] = self._camera.camera_controls
        wanted = settings.controls()
        missing = sorted(wanted.keys() - advertised.keys())
        if missing and tuple(missing) != self.unsupported:
            _log.warning("camera %s has no %s", self._camera_id, ", ".join(missing))
        self.unsupported = tuple(missing)
        controls = {name: value for name, value in wanted.items() if name in advertised}
        for name, value in controls.items():
            low, high = advertised[name][:2]
            if not isinstance(value, tuple) and not low <= value <= high:
                raise CameraError(
                    self._camera_id,
                    said(
                        "{control} {value} is outside what this camera takes: {low} to {high}",
                        control=name,
                        value=value,
                        low=low,
                        high=high,
                    ),
                )
        return controls

    def adjust(self, settings: Settings) -> None:
        """Change exposure, focus, colour or rate while running, as between day and night.

        Size, flips and the camera itself stay as they were opened.

        Raises:
            CameraError: A value is outside what this camera takes.
        """
        controls = self._supported(settings)
        # 0 gives exposure or gain back to the automatic control.
        given_back = self._controls.keys() & {"ExposureTime", "AnalogueGain"} - controls.keys()
        self._camera.set_controls({**controls, **dict.fromkeys(given_back, 0)})
        self._settings, self._controls = settings, controls

    def read(self) -> Frame | None:
        """Wait for the next picture, at most ``timeout_s``."""
        request = self._next_request()
        try:
            taken_ns = request.get_metadata().get("SensorTimestamp")
            main = request.make_buffer("main")
            lores = request.make_buffer("lores")
        except RuntimeError as error:
            raise CameraError(self._camera_id, reason_of(error)) from error
        finally:
            request.release()
        self._assert_whole(main, self._main)
        self._assert_whole(lores, self._lores)
        age_s = _age_s(taken_ns)
        monotonic_s = time.clock_gettime(time.CLOCK_BOOTTIME) - age_s
        self._count(monotonic_s)
        return Frame(
            camera_id=self._camera_id,
            sequence=self._sequence,
            luma=shared(brightness_of(lores, self._lores)),
            bgr=once(lambda: np.ascontiguousarray(bgr_of(main, self._main))),
            monotonic_s=monotonic_s,
            captured_at=datetime.now(UTC) - timedelta(seconds=age_s),
        )

    def _assert_whole(self, buffer: Picture, layout: Layout) -> None:
        if buffer.size < layout.size_bytes:
            reason = said(
                "a buffer of {size} bytes, where a picture takes {wanted}",
                size=buffer.size,
                wanted=layout.size_bytes,
            )
            raise CameraError(self._camera_id, reason)

    def _next_request(self) -> Any:
        try:
            job = self._camera.capture_request(wait=False)
            return self._camera.wait(job, timeout=self._settings.timeout_s)
        except TimeoutError as error:
            text = said("no picture for {seconds:g} s", seconds=self._settings.timeout_s)
            raise CameraError(self._camera_id, text) from error
        except RuntimeError as error:
            raise CameraError(self._camera_id, reason_of(error)) from error

    def _count(self, monotonic_s: float) -> None:
        """Number the frame; frames that the sensor took and nobody read leave a gap."""
        between = (monotonic_s - self._last_s) * self._settings.frames_per_s
        paced = "FrameDurationLimits" in self._camera.camera_controls and self._sequence >= 0
        self._sequence += max(1, round(between)) if paced else 1
        self._last_s = monotonic_s

    def close(self) -> None:
        """Close the camera. One that hangs while closing is abandoned."""
        camera, self._camera = self._camera, None
        if camera is None:
            return
        closing = threading.Thread(target=_close, args=(camera,), daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT_S)
        if closing.is_alive():
            _log.warning("camera %s does not close; it is left behind", self._camera_id)


def _close(camera: Any) -> None:
    try:
        camera.close()
    except (RuntimeError, OSError) as error:
        _log.warning("a camera did not close well: %s", error)


def _number(camera_id: str, wanted: int | str, library: ModuleType) -> int:
    """The camera's number today; numbers change with what is plugged in, ids do not."""
    ids = [str(each["Id"]) for each in library.Picamera2.global_camera_info()]
    if isinstance(wanted, int) and wanted < len(ids):
        return wanted
    if isinstance(wanted, str) and wanted in ids:
        return ids.index(wanted)
    if not ids:
        raise CameraError(camera_id, said("libcamera sees no camera; look at cable and connector"))
    text = said("no camera {wanted!r}; libcamera sees: {known}", wanted=wanted, known=ids)
    raise CameraError(camera_id, text)


def _layout(stream: Mapping[str, Any]) -> Layout:
    width, height = stream["size"]
    return Layout(str(stream["format"]), width, height, stream["stride"])


def _age_s(taken_ns: int | None) -> float:
    """How long ago the sensor took it; SensorTimestamp counts on CLOCK_BOOTTIME."""
    if taken_ns is None:
        return 0.0
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - taken_ns / 1e9
    return age_s if 0.0 <= age_s < OLD_S else 0.0
