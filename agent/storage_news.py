"""Tells the platform what became of the device's storage, at the start and while it runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from agent.events import ClockReading, Draft, StorageBody
from agent.outbox import Lane

if TYPE_CHECKING:
    import sqlite3

    from agent.assembly import Parts
    from agent.database import StoodIn
    from agent.ids import Ids
    from drivers.clock import Clock

TYPE = "device.storage"


def tell(parts: Parts, clock: Clock, ids: Ids) -> None:
    """Queue what has become of the storage at this start, and from now on what becomes of it.

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

    for body in _at_start(parts):
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
