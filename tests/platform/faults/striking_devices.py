"""Devices whose memory or clock is not what it was."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from agent.telemetry.clock_monitor import APART_S
from tests.faults.clocks import PretendedClock
from tests.faults.suite import require, wait_for
from tests.platform.faults.city import ARRIVES_WITHIN_S, on_mosquitto
from tests.platform.faults.devices import Device, corner
from tests.platform.faults.proofs import PROOFS
from tests.platform.faults.suite import fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.suite import Run
    from tests.platform.faults.city import OnMosquitto
    from tests.platform.faults.suite import Found

_YEAR_S = 365 * 86_400
_ON_TWO_CARDS = "no memory is on two cards"
_TWO_PASTS = "every case stands as its device has it"
"""Not where a device has forgotten how a case ended: what has ended has ended, on the platform."""


@fault("device-cloned", short=1, reduced=1, full=6)
def device_cloned(run: Run) -> Found:
    """A card is copied into a second device: both deliver all, under numbers of their own, and SQL names the pair."""
    with on_mosquitto(run) as city:
        first = city.devices[0]
        for number in range(run.times):
            city.goes_on()
            city.arrives()
            first.stop()
            twin = _copy(city, first, number)
            for each in (first, twin):  # in turn, each under the numbers that the other has
                each.start()
                city.goes_on()
                city.devices[0] = each
                city.arrives()
                each.stop()
            city.devices[0] = first
            _took_over(first, twin)
            first.start()
            city.recovers()
        require(city.ask(PROOFS[_ON_TWO_CARDS]), "SQL names the memory that there are two of")
        return city.judged(without=(_ON_TWO_CARDS, _TWO_PASTS))


def _copy(city: OnMosquitto, device: Device, number: int) -> Device:
    """The same card in another device."""
    folder = city.run.folder / f"twin-{number}"
    made = corner(device.name, folder, device.corner.uplink)  # type: ignore[arg-type]
    shutil.copytree(device.corner.state, made.state)
    return Device(device.name, made, dict(device.accepted), dict(device.cases))


def _took_over(device: Device, twin: Device) -> None:
    """What the twin had accepted has to be there, too; its last words as it was ended went with it."""
    twin.forget()
    device.gone += twin.gone
    for key, each in twin.accepted.items():
        device.accepted.setdefault(key, each)


@fault("device-reset", short=0, reduced=1, full=10)
def device_reset(run: Run) -> Found:
    """A device is reset and begins with an empty memory: what it had delivered stays, and a new epoch goes on."""
    with on_mosquitto(run) as city:
        device, lost = city.devices[0], 0
        for _ in range(run.times):
            city.goes_on()
            city.arrives()
            device.stop()
            lost += device.forget()
            shutil.rmtree(device.corner.state)
            device.cases.clear()
            device.start()
            city.goes_on()
            city.recovers()
        return city.judged(notes=_gone(lost))


@fault("device-set-back", short=0, reduced=1, full=10)
def device_set_back(run: Run) -> Found:
    """A device's memory is set back to an older copy, and it gives numbers twice: both events of each are there."""
    with on_mosquitto(run) as city:
        device, lost = city.devices[0], 0
        for number in range(run.times):
            device.stop()
            copy = run.folder / f"older-{number}"
            shutil.copytree(device.corner.state, copy)
            device.start()
            city.goes_on()
            city.arrives()
            device.stop()
            lost += device.forget()
            _put_back(device.corner.state, copy)
            device.start()
            city.goes_on()
            city.recovers()
        return city.judged(without=(_TWO_PASTS,), notes=_gone(lost))


def _gone(lost: int) -> str:
    return f"{lost} last words went with the memory" if lost else ""


def _put_back(state: Path, copy: Path) -> None:
    shutil.rmtree(state)
    shutil.copytree(copy, state)


@fault("clock-wrong", short=0, reduced=1, full=6, needs=("mosquitto", "gcc"))
def clock_wrong(run: Run) -> Found:
    """A clock that begins twenty years back and is set later: every time is corrected, as a view over what came."""
    began_s = time.time()
    with on_mosquitto(run) as city, PretendedClock(run.folder) as clock:
        device = city.devices[0]
        device.environment = clock.environment

        def outside() -> list[tuple[object, ...]]:
            return city.ask(
                "SELECT type, occurred_s + shift_s FROM told WHERE occurred_s + shift_s"
                f" NOT BETWEEN {began_s - 5} AND {time.time() + 5}"
            )

        for _ in range(run.times):
            device.stop()
            clock.set(-20 * _YEAR_S, synchronised=False)
            device.start()
            city.goes_on()
            clock.set(0, synchronised=True)
            city.goes_on()
            city.recovers()
            # Of this boot the device has told the wrong clock as well, and tells the next no sooner than this.
            wait_for(
                lambda: not outside(),
                "every event lies within this run",
                APART_S + ARRIVES_WITHIN_S,
            )
        corrected = city.ask("SELECT count(*) FROM told WHERE abs(shift_s) > 86400")[0][0]
        require(corrected, "some times were corrected")
        return city.judged(notes=f"{corrected} events corrected by 20 years")
