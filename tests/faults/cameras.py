"""Cameras that are unplugged, fall silent, give garbage, freeze, never open or hang.

The USB camera is the real driver on a pretended device; see ``tests/support/virtual_usb_camera.c``. Beside it
another camera goes on all the time: one camera blinds no other.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np

from agent.runtime.supervisor import LEFT_OUT
from tests.faults.corner import busy, drawn
from tests.faults.lives import STEADY, lives
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.decompression_bombs import claiming
from tests.support.ld_preload import build
from tests.support.paths import SUPPORT
from tests.support.ports import free_port
from tests.support.programs import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.corner import Agent, Section, Unit
    from tests.faults.lives import Lives

_SOURCE = SUPPORT / "virtual_usb_camera.c"
_NEEDS = ("root", "gcc", "mosquitto", "unshare")
_BUSY = "busy"
_SOON: dict[str, dict[str, Any]] = {
    "view_guard": {"lost_after_s": 2, "frozen_after_s": 2, "return_after_s": 1}
}
"""What is a minute on a street is two seconds here."""


class UsbCamera:
    """A pretended USB camera before which something red stands. Use as a context.

    Args:
        folder: Where it is built and its pictures lie.
    """

    def __init__(self, folder: Path) -> None:
        self._device = Path(f"/dev/kerbwatch-fault-{os.getpid()}")
        self._state, self._frames = folder / "usb-state", folder / "usb-frames"
        library = folder / "usb.so"
        build(program("gcc"), _SOURCE, library)
        self._frames.mkdir()
        self._show("run")
        self.environment = {
            "LD_PRELOAD": str(library),
            "PRETENDED_CAMERA": str(self._device),
            "PRETENDED_FRAMES": str(self._frames),
            "PRETENDED_STATE": str(self._state),
            "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "1",
        }
        self.section: Section = {
            "camera_id": STEADY,
            "driver": "v4l2",
            "settings": {"device": str(self._device), "frames_per_s": 5},
        }

    def __enter__(self) -> Self:
        self.fares("run")
        return self

    def __exit__(self, *_: object) -> None:
        self._device.unlink(missing_ok=True)

    def fares(self, how: str) -> None:
        """``run``, ``silent``, ``damaged``, ``gone``, ``frozen`` or ``absurd``."""
        if how == "gone":
            self._device.unlink()
        else:
            self._device.touch()
        self._show(how)
        shown = {"frozen", "absurd"}
        self._state.write_text("run" if how in shown else how, encoding="ascii")

    def _show(self, how: str) -> None:
        """Twelve pictures: the sensor's noise makes them different, they are one, or claim to be huge."""
        street = np.full((720, 1280, 3), 120, np.uint8)
        street[360:] = 90
        cv2.rectangle(street, (512, 252), (704, 446), (20, 20, 220), cv2.FILLED)
        noise = np.random.default_rng(1)
        for index in range(12):
            if index == 0 or how != "frozen":
                grain = noise.integers(12, size=street.shape, dtype=np.uint8)
                _, jpeg = cv2.imencode(".jpg", cv2.add(street, grain))
            encoded = jpeg.tobytes()
            half = self._frames / "half"
            half.write_bytes(claiming(encoded, 48000, 27000) if how == "absurd" else encoded)
            half.replace(self._frames / f"{index:03d}.jpg")


@contextmanager
def _watched(
    run: Run, *cameras: Section, usb: UsbCamera | None = None, hang_s: float = 60
) -> Iterator[_Watched]:
    sections: dict[str, Section] = {**_SOON, "recovery": {"camera_hang_s": hang_s}}
    with lives(run, run.folder / "state", [busy(every_s=60), *cameras], sections) as device:
        yield _Watched(device, usb.environment if usb else {})


class _Watched:
    """A corner of which one camera is about to fail."""

    def __init__(self, device: Lives, environment: dict[str, str]) -> None:
        self.device, self._environment = device, environment

    def boot(self) -> Agent:
        return self.device.boot(environment=self._environment)

    def view(self) -> str:
        """What the agent says of the steady camera's view."""
        status = self.device.corner.status()
        camera = None if status is None else status.cameras.get(STEADY)
        return "" if camera is None or camera.view is None else camera.view.view

    def has_case(self) -> bool:
        """Whether the thing before the steady camera is an open case that does not abstain."""
        told = self.device.here.platform.cases(STEADY)
        return list(told.values()) in (["case.opened"], ["case.persisting"])

    def abstains(self) -> bool:
        return list(self.device.here.platform.cases(STEADY).values()) == ["case.abstained"]

    def strikes(self, begin: Callable[[], None], end: Callable[[], None], view: str) -> None:
        """Let the camera fail and come back, while the agent lives on and the other camera sees."""
        with self.boot() as agent:
            agent.sees(_BUSY)
            agent.wait_for(self.has_case, "what stands there is a case")
            begin()
            agent.wait_for(lambda: self.view() == view, f"its view is {view}")
            agent.wait_for(self.abstains, "its case abstains")
            agent.sees(_BUSY)
            end()
            self.device.here.recover_s.append(agent.sees(STEADY))
            agent.wait_for(self.has_case, "the case goes on")
            self.device.accept()
            self.device.delivers(agent)
        self.device.here.run.progress()


def _usb(run: Run, how: str, view: str = "camera_lost") -> Outcome:
    with UsbCamera(run.folder) as usb, _watched(run, usb.section, usb=usb) as watched:
        for _ in range(run.times):
            watched.strikes(lambda: usb.fares(how), lambda: usb.fares("run"), view)
        with watched.boot() as agent:
            agent.sees(STEADY)
            return watched.device.finish(agent)


@fault("camera-unplugged", group="camera", short=1, reduced=2, full=20, needs=_NEEDS)
def camera_unplugged(run: Run) -> Outcome:
    """A USB camera that is pulled out and put back: its case abstains and goes on, one and the same."""
    return _usb(run, "gone")


@fault("camera-silent", group="camera", short=0, reduced=2, full=20, needs=_NEEDS)
def camera_silent(run: Run) -> Outcome:
    """A camera that stops delivering is lost and opened again; the others go on."""
    return _usb(run, "silent")


@fault("camera-garbage", group="camera", short=0, reduced=2, full=20, needs=_NEEDS)
def camera_garbage(run: Run) -> Outcome:
    """A camera of which only damaged pictures come is taken for lost, and never for an empty street."""
    return _usb(run, "damaged")


@fault("camera-absurd", group="camera", short=0, reduced=1, full=10, needs=_NEEDS)
def camera_absurd(run: Run) -> Outcome:
    """Pictures whose header claims 48000 × 27000 pixels are not decoded; they cost their camera alone."""
    return _usb(run, "absurd")


@fault("camera-frozen", group="camera", short=0, reduced=2, full=20, needs=_NEEDS)
def camera_frozen(run: Run) -> Outcome:
    """A picture that stands still is no street in order: the case abstains until it lives again."""
    return _usb(run, "frozen", "view_frozen")


@fault(
    "camera-never-opens",
    group="camera",
    short=0,
    reduced=2,
    full=20,
    needs=("mosquitto", "unshare"),
)
def camera_never_opens(run: Run) -> Outcome:
    """Cameras that cannot be opened are reported as lost; the one beside them sees and reports."""
    cameras = [
        {
            "camera_id": "network",
            "driver": "rtsp",
            "settings": {"url": f"rtsp://127.0.0.1:{free_port()}/street"},
        },
        {
            "camera_id": "usb",
            "driver": "v4l2",
            "settings": {"device": "/dev/v4l/by-id/nobody"},
        },
    ]
    with _watched(run, *cameras) as watched:
        for _ in range(run.times):
            with watched.boot() as agent:
                watched.device.here.recover_s.append(agent.sees(_BUSY))
                agent.wait_for(lambda: _lost(watched.device) == {"network", "usb"}, "both are lost")
                agent.sees(_BUSY)
                watched.device.accept()
                watched.device.delivers(agent)
            run.progress()
        with watched.boot() as agent:
            agent.sees(_BUSY)
            return watched.device.finish(agent)


def _lost(device: Lives) -> set[str]:
    status = device.corner.status()
    told = {} if status is None else status.cameras
    return {name for name, each in told.items() if each.view and each.view.view == "camera_lost"}


@fault(
    "camera-hangs",
    group="camera",
    short=0,
    reduced=1,
    full=10,
    needs=("mosquitto", "unshare"),
)
def camera_hangs(run: Run) -> Outcome:
    """Cameras that block in opening, reading and closing earn one restart, and are then left out."""
    cameras = [
        drawn("open", (), hangs_in="open"),
        drawn("read", (), hangs_in="read", hangs_after_s=5),
        drawn("close", (), hangs_in="close", seconds=5),
    ]
    with _watched(run, *cameras, hang_s=3) as watched:
        for _ in range(run.times):
            with watched.device.unit() as unit:
                watched.device.here.recover_s.append(watched.device.sees(unit))
                _are_left_out(watched.device, unit)
                watched.device.accept()
                watched.device.delivers_with(unit)
            run.progress()
        with watched.device.unit() as unit:
            _are_left_out(watched.device, unit)
            return watched.device.finish(unit.agent)


def _are_left_out(device: Lives, unit: Unit) -> None:
    """Wait for that; the last of the three may hang when the process has begun anew for the others."""
    hanging = {"open", "read", "close"}
    wait_for(lambda: _left_out(device) == hanging, "they are left out")
    require(len(unit.ends) <= len(hanging), f"it ended {len(unit.ends)} times")
    unit.agent.sees(_BUSY)


def _left_out(device: Lives) -> set[str]:
    status = device.corner.status()
    told = {} if status is None else status.cameras
    return {name for name, each in told.items() if each.state == LEFT_OUT}
