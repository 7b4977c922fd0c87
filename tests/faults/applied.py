"""A configuration that is applied to the running agent, and an end at each step of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.control.client import call
from agent.control.errors import ControlError
from agent.control.messages.configuration import AskApply, AskConfirm
from tests.faults.corner import Corner, steady
from tests.faults.images import NEEDS, Disk
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.sites import zone

if TYPE_CHECKING:
    from tests.faults.corner import Agent

_WRITES = 6
"""What is written: the one in force, that it is, the new one, its trial; then that the new one is, and no trial."""
_CONFIRMED = 9
"""The stop after the fifth of them: from here on the new one is in force."""
_STOPS_AT = """
import os, signal
from agent.config.applied import AppliedConfigurations as Store
passed = 0
def stopping(name):
    write = getattr(Store, name)
    def stop_here():
        global passed
        if passed == int(os.environ["STOP_AT"]):
            os.kill(os.getpid(), signal.SIGSTOP)
        passed += 1
    def written(self, *told):
        stop_here()
        write(self, *told)
        stop_here()
    setattr(Store, name, written)
for name in ("keep", "put_in_force", "begin", "end_trial"):
    stopping(name)
"""


@fault("applied", group="power", short=2, reduced=12, full=48, needs=(*NEEDS, "unshare"))
def applied(run: Run) -> Outcome:
    """Killed or without power at any step of applying, the agent comes up with the old one until it was confirmed."""
    tools = run.folder / "tools"
    tools.mkdir()
    (tools / "sitecustomize.py").write_text(_STOPS_AT, encoding="utf-8")
    stops = list(range(2 * _WRITES))
    run.random.shuffle(stops)
    with Disk(run.folder / "card") as disk:
        for number in range(run.times):
            stop, power = stops[number % len(stops)], (number + number // len(stops)) % 2 == 0
            corner = Corner(
                run.folder / f"corner-{number}", disk.path / f"state-{number}", [steady()]
            )
            _strike(corner, disk, tools, stop, power=power)
            run.progress()
    return Outcome(
        run.times, 0, 0, 0, 0, notes=f"at {min(run.times, 2 * _WRITES)} steps of {2 * _WRITES}"
    )


def _strike(corner: Corner, disk: Disk, tools: Path, stop: int, *, power: bool) -> None:
    environment = {"PYTHONPATH": str(tools), "STOP_AT": str(stop)}
    with corner.start(environment=environment) as agent:
        agent.sees()
        old = _sha256(corner)
        asked = Asked(corner)
        asked.start()
        _stands_still(agent, asked)
        image = disk.cut() if power else None
        agent.kill()
        asked.join()
    if image is not None:
        disk.boot_from(image)
    boot = "5c1c3a1e-0000-4000-8000-00000000a99d" if power else None
    with corner.start(boot_id=boot) as agent:
        agent.sees()
        is_old = _sha256(corner) == old
        agent.stop()
    require(
        is_old == (stop < _CONFIRMED), f"after step {stop} the {'old' if is_old else 'new'} one"
    )


class Asked(threading.Thread):
    """Applies a site with other zones, and confirms it; ends without an answer where the agent is killed."""

    def __init__(self, corner: Corner) -> None:
        super().__init__()
        self._run_dir = corner.folder / "run"
        self.refused: ControlError | None = None

    def run(self) -> None:
        other: dict[str, Any] = zone(camera_id="steady", zone_id="other", place_id="other")
        try:
            with call(self._run_dir, comes_within_s=60) as agent:
                told = agent.ask(AskApply(zones=json.dumps({"zones": [other]})), timeout_s=120)[0]
                agent.ask(AskConfirm(number=told.number), timeout_s=120)
        except ControlError as error:
            self.refused = error


def _stands_still(agent: Agent, asked: Asked) -> None:
    status = Path(f"/proc/{agent.process.pid}/stat")

    def stopped() -> bool:
        require(asked.refused is None, f"the agent answers: {asked.refused}")
        return status.read_text(encoding="utf-8").rpartition(") ")[2][:1] == "T"

    wait_for(stopped, "the agent has come to the step")


def _sha256(corner: Corner) -> str:
    status = corner.status()
    require(status is not None and status.software is not None, "the agent says how it is")
    return "" if status is None or status.software is None else status.software.configuration_sha256
