"""Tells the platform what became of the device's storage, at the start and while it runs."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from agent.identity.signing_key import FILE as KEY_FILE
from agent.protocol.base import ClockReading
from agent.protocol.events import Draft, StorageBody
from agent.storage.memory_fallback import NAME
from agent.storage.outbox_queries import Lane

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from agent.domain.ids import Ids
    from agent.runtime.composition import Parts
    from agent.storage.database import StoodIn
    from drivers.clock import Clock

TYPE = "device.storage"
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
    """Whether the database of a device that had one is not there; to be asked before it is opened.

    The device's key is made after its first database, and stays.
    """
    return (state_dir / "keys" / KEY_FILE).exists() and not (state_dir / NAME).exists()


def tell(parts: Parts, clock: Clock, ids: Ids, *, gone: bool = False) -> None:
    """Queue what has become of the storage at this start, and from now on what becomes of it.

    Args:
        parts: With the database.
        clock: For the events' times.
        ids: For the events' ids.
        gone: What :func:`is_gone` said.

    Raises:
        StorageError: The disk did not take it.
    """

    def add(connection: sqlite3.Connection, body: StorageBody) -> None:
        at = clock.now()
        draft = Draft(
            event_id=ids.new(at),
            type=TYPE,
            occurred_at=at,
            clock=ClockReading.of(clock),
            body=body,
        )
        parts.outbox.add(connection, draft, Lane.HEALTH)

    def stood_in(connection: sqlite3.Connection) -> None:
        if parts.database.stood_in is not None:
            add(connection, _volatile(parts.database.stood_in))

    if gone:
        _log.error(
            "the database was gone; what had waited in it is lost, and a new epoch has begun"
        )
    for body in [*([_MISSING] if gone else []), *_at_start(parts)]:
        parts.database.write(lambda connection, body=body: add(connection, body)).result()  # type: ignore[misc]
    parts.database.on_stand_in(stood_in)


def _at_start(parts: Parts) -> list[StorageBody]:
    told = []
    if parts.quarantined is not None:
        told.append(StorageBody(state="quarantined", **dataclasses.asdict(parts.quarantined)))
    if parts.taken_back is not None:
        facts = dataclasses.asdict(parts.taken_back)
        told.append(StorageBody(state="durable", reason="", kept_as=None, **facts))
    if parts.database.stood_in is not None:
        told.append(_volatile(parts.database.stood_in))
    return told


def _volatile(stood_in: StoodIn) -> StorageBody:
    return StorageBody(state="volatile", kept_as=None, **dataclasses.asdict(stood_in))
