"""Clocks that are set while the agent runs, by hours and by years, and that begin in the past."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.faults.corner import drawn
from tests.faults.lives import STEADY, lives
from tests.faults.suite import Outcome, Run, fault, require
from tests.support.ld_preload import build
from tests.support.paths import SUPPORT
from tests.support.programs import program

if TYPE_CHECKING:
    from tests.faults.stored import Stored

_SOURCE = SUPPORT / "pretended_clock.c"
_HOUR_S, _YEAR_S = 3600, 365 * 86_400
_STANDS_S, _EVERY_S = 2.5, 6.0


class PretendedClock:
    """The wall clock of one process; see ``tests/support/pretended_clock.c``. Use as a context.

    Args:
        folder: Where it is built.
    """

    def __init__(self, folder: Path) -> None:
        self._file, library = folder / "clock", folder / "clock.so"
        build(program("gcc"), _SOURCE, library)
        self._file.write_bytes(struct.pack("qq", 0, 1))
        self.environment = {"LD_PRELOAD": str(library), "PRETENDED_CLOCK": str(self._file)}

    def __enter__(self) -> Self:
        opened = os.open(self._file, os.O_RDWR)
        self._told = mmap.mmap(opened, 16)
        os.close(opened)
        return self

    def __exit__(self, *_: object) -> None:
        self._told.close()

    def set(self, off_s: float, *, synchronised: bool) -> None:
        """From this instant on it is so far off the true time."""
        self._told[:] = struct.pack("qq", int(off_s * 1e9), synchronised)


@fault(
    "clock-steps", group="clock", short=0, reduced=5, full=40, needs=("mosquitto", "gcc", "unshare")
)
def clock_steps(run: Run) -> Outcome:
    """A clock that begins in the past, or leaps by hours or years, costs neither order nor a stay."""
    things = [(_EVERY_S * n + 1, _EVERY_S * n + 1 + _STANDS_S) for n in range(1000)]
    cameras = [
        drawn("busy", things, pace="real_time"),
        drawn(STEADY, [(0.0, 1e6)], pace="real_time"),
    ]
    allowed = {"scenarios": {"misparked_bikes": {"allowed_s": 1, "clear_after_s": 1}}}
    began_s = time.monotonic()
    with (
        PretendedClock(run.folder) as clock,
        lives(run, run.folder / "state", cameras, allowed, tls=True) as device,
    ):
        for _ in range(run.times):
            in_the_past = run.random.random() < 0.5  # no battery: until the network comes
            clock.set(-20 * _YEAR_S if in_the_past else 0, synchronised=not in_the_past)
            with device.boot(environment=clock.environment) as agent:
                device.here.recover_s.append(agent.sees())
                cases = len(device.accept().ids)
                for step_s in run.random.sample(_STEPS_S, 2):
                    clock.set(step_s, synchronised=False)
                    device.run_on(agent, run.random.uniform(1, 3))
                clock.set(0, synchronised=True)
                agent.wait_for(
                    lambda: len(device.accept().ids) > cases + 2,  # noqa: B023
                    "cases are accepted",
                )
                device.delivers(agent)
                _times_hold(device.accept(), time.monotonic() - began_s)
            run.progress()
        with device.boot(environment=clock.environment) as agent:
            agent.sees()
            outcome = device.finish(agent)
        told = device.here.platform.types["device.clock"]
        require(told >= run.times, f"{run.times} clocks were set, {told} corrections told")
        return outcome


_STEPS_S = [_HOUR_S, -3 * _HOUR_S, 12 * _HOUR_S, _YEAR_S, -2 * _YEAR_S, 8 * _YEAR_S, -30 * _YEAR_S]


def _times_hold(found: Stored, lived_s: float) -> None:
    """No stay is longer than the street was watched, and what is told first happened first."""
    last_s = 0.0
    for number, event in sorted(found.events.items()):
        if event["type"].startswith("case."):
            dwell_s = event["body"]["dwell_s"]
            require(0 <= dwell_s <= lived_s, f"event {number}: a stay of {dwell_s:g} s")
            require(event["clock"]["monotonic_s"] >= last_s, f"event {number} is out of order")
            last_s = event["clock"]["monotonic_s"]
