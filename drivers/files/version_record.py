"""What happened to versions of Kerbwatch, and which one is on trial: one small file in root's folder.

Which version runs is not in it: the link says that. A record that is lost costs the history and an open
trial, and nothing that a start needs.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from drivers.disk import READABLE, replace_file

FOLDER = Path("/var/lib/kerbwatch-versions")
FORMAT = 1
LONGEST = 50
"""Events that are kept, the newest."""
_FILE = "record.json"
What = Literal["placed", "activated", "proved", "went_back", "stayed", "removed"]


@dataclass(frozen=True, slots=True)
class Working:
    """What of a running agent worked at one moment, by its own status.

    Attributes:
        cameras: Those that gave frames.
        broker: Whether it had a connection; None: there is no broker, or it is not known.
        verifier: Whether the verifier answered; None: no scenario asks it.
    """

    cameras: tuple[str, ...] = ()
    broker: bool | None = None
    verifier: bool | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A version that has yet to prove itself.

    Attributes:
        version: Which.
        instead_of: The version that ran before it, and runs again if the proof fails.
        was: What worked when the version before was left; None: no agent ran.
        boot_id: In which boot it was opened, and …
        opened_s: … when, in seconds since that boot.
        boots: The ids of the boots in which a proof was begun.
    """

    version: str
    instead_of: str
    was: Working | None = None
    boot_id: str = ""
    opened_s: float = 0.0
    boots: tuple[str, ...] = ()


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
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Record()


def last_step(record: Record) -> Event | None:
    """The newest event that is more than a version's being there; None: there is none."""
    return next((each for each in reversed(record.events) if each.what != "placed"), None)


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
    was = known.get("was")
    if was is not None:
        was = Working(**(_known(Working, was) | {"cameras": tuple(map(str, was["cameras"]))}))
    boots = tuple(map(str, known.get("boots", ())))
    return Trial(**(known | {"was": was, "boots": boots}))


def _known(kind: type[Any], told: dict[str, Any]) -> dict[str, Any]:
    """What this version knows of: another one may have written more."""
    return {each.name: told[each.name] for each in fields(kind) if each.name in told}
