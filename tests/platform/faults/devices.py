"""Three real agents, each a process with a drawn street, and what each has accepted: the truth."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.faults.corner import Corner, drawn

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import UplinkSection
    from tests.faults.corner import Agent

TENANT = "example-city"
DEVICES = ("corner-1", "corner-2", "corner-3")
STANDS_S, EVERY_S = 2.0, 5.0
"""What stands on the busy street, and how soon the next comes: a case each."""
_THINGS = 1000


class Given(NamedTuple):
    """One event under one number, as the device has it; ``waits``: no receipt has named it."""

    epoch: str
    sequence: int
    event_id: str
    waits: bool


@dataclass
class Device:
    """One of them.

    Attributes:
        name: Its id.
        corner: Its site and its process.
        accepted: Every event and number that its database has had, whenever it was looked at.
        cases: Each case that it knows of, and its state.
        untold: Those of which an event still waits.
        gone: What waited on it when its memory was taken away: nobody can send it any more.
    """

    name: str
    corner: Corner
    accepted: dict[tuple[str, int, str], Given] = field(default_factory=dict)
    cases: dict[str, str] = field(default_factory=dict)
    untold: set[str] = field(default_factory=set)
    gone: list[Given] = field(default_factory=list)
    agent: Agent | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start it, and wait until it sees."""
        self.agent = self.corner.start(environment=self.environment)
        self.agent.sees()

    def stop(self) -> None:
        """End it as planned, and look at what it leaves."""
        if self.agent is not None:
            self.agent.stop()
            self.agent = None
        self.know()

    def kill(self) -> None:
        """Whatever it is about."""
        if self.agent is not None:
            self.agent.kill()
            self.agent = None

    def know(self) -> set[str]:
        """Note what its database has by now; the ids of all that it has ever accepted."""
        path = self.corner.database
        with (
            suppress(sqlite3.OperationalError),  # not there yet
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as own,
        ):
            own.execute("BEGIN")
            now = [
                Given(epoch, number, event_id, bool(waits))
                for epoch, number, event_id, waits in own.execute(_GIVEN)
            ]
            # What is no longer there has arrived, or has another number now.
            self.accepted = {key: each._replace(waits=False) for key, each in self.accepted.items()}
            self.accepted |= {(each.epoch, each.sequence, each.event_id): each for each in now}
            self.cases |= dict(own.execute("SELECT case_id, state FROM cases").fetchall())
            self.untold = {case_id for (case_id,) in own.execute(_UNTOLD)}
        return {each.event_id for each in self.accepted.values()}

    def forget(self) -> int:
        """Its memory is to be taken away: what waits on it goes, too. How many events these are."""
        self.know()
        waiting = {key: each for key, each in self.accepted.items() if each.waits}
        self.gone += waiting.values()
        self.accepted = {key: each for key, each in self.accepted.items() if key not in waiting}
        return len(waiting)

    def waiting(self) -> int:
        """How many events no receipt has named yet."""
        self.know()
        return sum(each.waits for each in self.accepted.values())


_GIVEN = """
SELECT (SELECT value FROM state WHERE name = 'outbox.epoch'), sequence, event_id, arrived = 0 FROM outbox
UNION ALL SELECT epoch, sequence, event_id, 0 FROM kept
"""
_UNTOLD = "SELECT DISTINCT event ->> '$.body.case_id' FROM outbox WHERE arrived = 0 AND type LIKE 'case.%'"


def corner(name: str, folder: Path, uplink: UplinkSection, **sections: dict[str, Any]) -> Corner:
    """A site with a busy street, and one on which one thing stands for ever; few frames, for they share a machine."""
    things = [(EVERY_S * n + 1, EVERY_S * n + 1 + STANDS_S) for n in range(_THINGS)]
    cameras = [
        drawn("busy", things, pace="real_time", frames_per_s=2),
        drawn("steady", [(0.0, 1e6)], pace="real_time", frames_per_s=1),
    ]
    own: dict[str, dict[str, Any]] = {
        "site": {"tenant": TENANT, "device_id": name},
        "scenarios": {"misparked_bikes": {"allowed_s": 1, "clear_after_s": 1}},
        "models": {"verifier": "", "threads": 1},
    }
    return Corner(folder, folder / "state", cameras, uplink, own | sections)
