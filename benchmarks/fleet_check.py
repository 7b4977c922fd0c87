"""Holds the outboxes of simulated devices against a platform's store, by SQL: nothing lost, nothing twice.

The platform is PostgreSQL or SQLite with the tables of the contract's data model (docs/platform/data-model.md).
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.storage.database_file import read_only
from agent.storage.paths import DATABASE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Ask = Callable[[str], Iterable[tuple[Any, ...]]]

_NEVER = ("refused", "conflict", "set_aside", "lost")


@dataclass(frozen=True, slots=True)
class Found:
    """What became of the events of all devices.

    Attributes:
        devices: How many there are.
        given: Events that the outboxes ever gave a number.
        stored: Those that the platform has.
        lost: Those that a device takes for delivered, and the platform has not.
        waiting: Those that still wait on a device, and the platform has not.
        twice: Rows of the platform beyond one for each event.
        unknown: Events of the platform that no device has drawn.
        gaps: Numbers below a device's last that the platform does not have, beyond those that wait.
        rubbish: Rows in the tables that shall be empty, by table.
    """

    devices: int
    given: int
    stored: int
    lost: int
    waiting: int
    twice: int
    unknown: int
    gaps: int
    rubbish: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether every event is there once, or waits on its device."""
        faults = (self.lost, self.twice, self.unknown, self.gaps, *self.rubbish.values())
        return not any(faults) and self.given > 0

    @property
    def line(self) -> str:
        rubbish = ", ".join(f"{count} {name}" for name, count in self.rubbish.items() if count)
        return (
            f"{'ok ' if self.holds else 'NOT'} {self.devices} devices gave {self.given} events, "
            f"{self.stored} are stored: {self.lost} lost, {self.twice} twice, {self.unknown} unknown, "
            f"{self.gaps} gaps, {self.waiting} still waiting{'; ' + rubbish if rubbish else ''}"
        )


def held_against(folder: Path, tenant: str, ask: Ask) -> Found:
    """Compare every device's outbox with the store.

    Args:
        folder: Of ``kerbwatch simulate``.
        tenant: Its tenant; a name, which needs no quoting.
        ask: Runs a query of the store.
    """
    stored: dict[str, set[str]] = defaultdict(set)
    rows = twice = 0
    for device, event_id in ask(f"SELECT device, event_id FROM event WHERE tenant = '{tenant}'"):  # noqa: S608
        twice += event_id in stored[device]
        stored[device].add(event_id)
        rows += 1
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for device, epoch, sequence in ask(
        f"SELECT device, epoch, sequence FROM numbered WHERE tenant = '{tenant}'"  # noqa: S608
    ):
        numbers[device, epoch].add(sequence)
    given = lost = waiting = gaps = 0
    outboxes = sorted(folder.glob(f"*/{DATABASE}"))
    for path in outboxes:
        device = path.parent.name
        there = stored[device]
        own = _Own.of(path)
        given += len(own.delivered) + len(own.waiting)
        lost += len(own.delivered - there)
        waiting += len(own.waiting.keys() - there)
        missing = set(range(1, own.last + 1)) - numbers[device, own.epoch]
        gaps += len(missing - set(own.waiting.values()))
        stored[device] = there - own.delivered - own.waiting.keys()
    known = {path.parent.name for path in outboxes}
    return Found(
        devices=len(outboxes),
        given=given,
        stored=rows,
        lost=lost,
        waiting=waiting,
        twice=twice,
        unknown=sum(len(left) for device, left in stored.items() if device in known),
        gaps=gaps,
        rubbish={name: _count(ask, name) for name in _NEVER},
    )


def _count(ask: Ask, table: str) -> int:
    [(count,)] = ask(f"SELECT count(*) FROM {table}")  # noqa: S608
    return int(count)


@dataclass(frozen=True, slots=True)
class _Own:
    """What a device knows: events by id, those that wait with their numbers."""

    epoch: str
    last: int
    delivered: set[str]
    waiting: dict[str, int]

    @classmethod
    def of(cls, path: Path) -> _Own:
        with closing(read_only(path)) as own:
            epoch = _one(own, "SELECT value FROM state WHERE name = 'outbox.epoch'")
            last = _one(own, "SELECT coalesce(max(sequence), 0) FROM outbox")
            delivered = {
                event_id
                for query in (
                    "SELECT event_id FROM outbox WHERE arrived = 1",
                    "SELECT event_id FROM kept WHERE standing = 'arrived'",
                )
                for (event_id,) in own.execute(query)
            }
            waiting = dict(own.execute("SELECT event_id, sequence FROM outbox WHERE arrived = 0"))
        return cls(str(epoch), int(last), delivered, waiting)


def _one(connection: sqlite3.Connection, query: str) -> Any:
    [(value,)] = connection.execute(query)
    return value
