"""Reports storage incidents to the platform: corruption, fallback to memory, lost databases."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.identity.signing_key import FILE as KEY_FILE
from agent.protocol.events import Draft, StorageBody
from agent.storage.paths import DATABASE, KEYS

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from agent.domain.ids import Ids
    from agent.storage.corruption import Quarantined
    from agent.storage.database import Database, StoodIn
    from agent.storage.memory_fallback import TakenBack
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

_MISSING = StorageBody(
    state="missing",
    reason="it was not there",
    kept_as=None,
    previous_epoch=None,
    events=0,
    cases=0,
)

_log = logging.getLogger(__name__)


def is_gone(state_dir: Path) -> bool:
    """Whether the database of a device that had one is missing; ask before it is opened.

    The device's key is made after its first database, and stays; so it shows that there was one.
    """
    return (state_dir / KEYS / KEY_FILE).exists() and not (state_dir / DATABASE).exists()


@dataclass(frozen=True, slots=True)
class AtStart:
    """What was found when the database was opened.

    Attributes:
        gone: What :func:`is_gone` said before.
        quarantined: The database that was put aside, if it was.
        taken_back: What the database in memory had got while the disk took nothing, if it had.
    """

    gone: bool
    quarantined: Quarantined | None
    taken_back: TakenBack | None


def tell(outbox: Outbox, database: Database, found: AtStart, clock: Clock, ids: Ids) -> None:
    """Queue what has become of the storage at this start, and from now on what becomes of it.

    Args:
        outbox: Where it is queued.
        database: Tells when a database in memory stands in for it.
        found: What was found at this start.
        clock: For the events' times.
        ids: For the events' ids.

    Raises:
        StorageError: It could not be written.
    """

    def add(connection: sqlite3.Connection, body: StorageBody) -> None:
        outbox.add(connection, Draft.of_device(body, clock, ids))

    def stood_in(connection: sqlite3.Connection) -> None:
        if database.stood_in is not None:
            add(connection, _volatile(database.stood_in))

    if found.gone:
        _log.error(
            "the database was missing; its waiting events are lost, and a new epoch has begun"
        )
    for body in _at_start(found, database.stood_in):
        database.write(lambda connection, body=body: add(connection, body)).result()  # type: ignore[misc]
    database.on_stand_in(stood_in)


def _at_start(found: AtStart, stood_in: StoodIn | None) -> list[StorageBody]:
    told = [_MISSING] if found.gone else []
    if found.quarantined is not None:
        told.append(StorageBody(state="quarantined", **dataclasses.asdict(found.quarantined)))
    if found.taken_back is not None:
        facts = dataclasses.asdict(found.taken_back)
        told.append(StorageBody(state="durable", reason="", kept_as=None, **facts))
    if stood_in is not None:
        told.append(_volatile(stood_in))
    return told


def _volatile(stood_in: StoodIn) -> StorageBody:
    return StorageBody(state="volatile", kept_as=None, **dataclasses.asdict(stood_in))
