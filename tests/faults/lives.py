"""One device through many lives: what each had accepted is held against what the platform has."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.faults import stored
from tests.faults.corner import Corner, Unit, busy, steady
from tests.faults.street import Street, street
from tests.faults.suite import Outcome, require, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.faults.corner import Agent, Section
    from tests.faults.stored import Stored
    from tests.faults.suite import Run

STEADY = "steady"
"""The camera before which one thing stands for ever."""


@dataclass(slots=True)
class Lives:
    """A corner, its broker and its platform.

    Attributes:
        here: Broker and platform, and what was accepted.
        corner: The device.
        boots: How many boots it has seen.
        cut_short: Cases of which something is known to be lost: nobody can tell that they are over.
    """

    here: Street
    corner: Corner
    boots: int = 0
    cut_short: set[str] = field(default_factory=set)
    _away: bool = False

    def boot(self, *before: str, environment: Mapping[str, str] | None = None) -> Agent:
        """Start the agent after the machine's start."""
        self.boots += 1
        return self.corner.start(*before, environment=environment, boot_id=self._boot_id)

    def again(self) -> Agent:
        """Start the agent again within the same boot."""
        return self.corner.start(boot_id=self._boot_id)

    def unit(self, *before: str) -> Unit:
        """Start the agent after the machine's start, and again whenever it ends."""
        self.boots += 1
        return Unit(lambda: self.corner.start(*before, boot_id=self._boot_id))

    @property
    def _boot_id(self) -> str:
        return f"00000000-0000-4000-8000-{self.boots:012d}"

    def broker_is(self, away: bool) -> None:
        if away and not self._away:
            self.here.broker.stop()
        if self._away and not away:
            self.here.broker.start()
        self._away = away

    def accept(self) -> Stored:
        """What the agent has accepted by now: it has to arrive."""
        for path in (self.corner.database, self.corner.in_memory):
            found = stored.beside(path)
            self.know(found)
        return stored.beside(self.corner.database)

    def know(self, found: Stored) -> None:
        """These events are on the disk now; they may come under other numbers later."""
        self.here.accepted |= found.ids
        self.here.moved |= found.numbered

    def run_on(self, agent: Agent, seconds: float) -> None:
        """Let the agent live for a while; it must not end by itself."""
        until_s = time.monotonic() + seconds
        agent.wait_for(lambda: time.monotonic() >= until_s, "its time is over")

    def delivers(self, agent: Agent) -> None:
        """Let a living agent deliver all that was accepted."""
        self.broker_is(away=False)
        agent.wait_for(lambda: self.here.platform.has(self.here.accepted), "all arrives", 300)

    def lives_on(self) -> None:
        """What was struck is over: another life within the same boot sees, and delivers what waits."""
        with self.again() as agent:
            self.here.recover_s.append(agent.sees())
            self.delivers(agent)
        self.here.run.progress()

    def last_boot(self, notes: str = "") -> Outcome:
        """One boot more, which nothing strikes, and :meth:`finish`."""
        with self.boot() as agent:
            agent.sees()
            return self.finish(agent, notes)

    def sees(self, unit: Unit) -> float:
        """Wait until a frame is analysed from now on, by whichever process; how long that took."""
        agent, before = unit.agent, self.corner.analysed()
        return wait_for(
            lambda: self.corner.analysed() > (before if unit.agent is agent else 0), "it sees"
        )

    def run_with(self, seconds: float) -> None:
        """Let a unit live for a while; its process may end, and is started again."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            time.sleep(0.05)

    def delivers_with(self, unit: Unit) -> None:
        """Let a unit deliver all that was accepted."""
        self.broker_is(away=False)
        wait_for(lambda: self.here.platform.has(self.here.accepted), "all arrives", 300)

    def finish(self, agent: Agent, notes: str = "") -> Outcome:
        """End the last life as planned, deliver what still waits, and hold it all together.

        Raises:
            BrokenError: A promise was broken.
        """
        self.accept()
        self.delivers(agent)
        require(agent.stop() == 0, f"a planned end: {agent.process.returncode}")
        found = stored.of_a_copy(self.corner.database)
        require(not found.damage, f"the last database: {found.damage[:1]}")
        self.know(found)
        for each in (self.corner.database, *_journals(self.corner.database)):
            shutil.copy(each, self.here.run.folder / each.name.replace(each.stem, "device", 1))
        shutil.move(self.here.run.folder / "device.sqlite3", self.here.run.folder / "device.db")
        outcome = self.here.drained(notes)
        # What a damaged page took, and was told as such, is opened again: nobody can know of it.
        cases = self.here.platform.cases(STEADY).keys() - self.cut_short
        if any(each["camera_id"] == STEADY for each in self.corner.cameras):
            require(len(cases) == 1, f"one thing that stands, one case: {len(cases)} cases")
        return replace(outcome, double_cases=self.here.platform.double_cases(self.cut_short))


def _journals(path: Path) -> list[Path]:
    return [each for each in (path.with_name(path.name + "-wal"),) if each.exists()]


@contextmanager
def lives(
    run: Run,
    state: Path,
    cameras: Sequence[Section] | None = None,
    sections: Mapping[str, Section] | None = None,
    **changes: Any,
) -> Iterator[Lives]:
    """A corner with a broker and a platform that stores.

    Args:
        run: Whose folder is used.
        state: Where the device keeps what must last.
        cameras: None: one with case after case, and one before which a thing stands for ever.
        sections: Further settings of the site.
        changes: Of the uplink's settings.
    """
    with street(run, **changes) as here:
        own = [busy(), steady(STEADY)] if cameras is None else cameras
        yield Lives(here, Corner(run.folder / "corner", state, own, here.settings, sections or {}))
