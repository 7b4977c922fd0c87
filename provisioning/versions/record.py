"""What happened to versions, and which one is on trial: one small file in root's folder.

Which version runs is not in it: the link says that. A record that is lost costs the history and an open
trial, and nothing that a start needs.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from drivers.disk import READABLE, replace_file

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
LONGEST = 50
"""Events that are kept, the newest."""
_FILE = "record.json"
What = Literal["placed", "activated", "proved", "went_back", "stayed", "removed"]


@dataclass(frozen=True, slots=True)
class Trial:
    """A version that has yet to prove itself.

    Attributes:
        version: Which.
        instead_of: The version that ran before it, and runs again if the proof fails.
        broker_was_reached: Whether the version before had a connection to its broker when it was left;
            None: not known.
        boots: The ids of the boots since then, without the one in which it was opened.
        opened_in: That boot's id.
    """

    version: str
    instead_of: str
    broker_was_reached: bool | None = None
    boots: tuple[str, ...] = ()
    opened_in: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: when (seconds since 1970, by the device's clock), what, to which version, why."""

    at: float
    what: str
    version: str
    instead_of: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that is kept of the versions."""

    trial: Trial | None = None
    events: tuple[Event, ...] = field(default=())

    def and_then(
        self, what: What, version: str, *, instead_of: str | None = None, why: str = ""
    ) -> Record:
        """The record with one more event, of now."""
        event = Event(time.time(), what, version, instead_of, why)
        return replace(self, events=(*self.events, event)[-LONGEST:])


def read(folder: Path) -> Record:
    """The record in a folder; what is missing or damaged counts as nothing."""
    try:
        told = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if not isinstance(told, dict) or told.get("format") != FORMAT:
            return Record()
        trial = told.get("trial")
        return Record(
            None if trial is None else _trial(trial),
            tuple(Event(**_known(Event, each)) for each in told.get("events", ())),
        )
    except (OSError, ValueError, TypeError, RecursionError):
        return Record()


def write(folder: Path, record: Record) -> None:
    """Store the record; it is on the disk when this returns.

    Raises:
        OSError: It could not be written; the old one stands.
    """
    told = {"format": FORMAT, **asdict(record)}
    replace_file(
        folder / _FILE, json.dumps(told, ensure_ascii=False, indent=1) + "\n", mode=READABLE
    )


def _trial(told: dict[str, Any]) -> Trial:
    known = _known(Trial, told)
    return Trial(**(known | {"boots": tuple(map(str, known.get("boots", ())))}))


def _known(kind: type[Any], told: dict[str, Any]) -> dict[str, Any]:
    """What this version knows of: another one may have written more."""
    return {each.name: told[each.name] for each in fields(kind) if each.name in told}
