"""What a device says of itself with each connection: that it is online or offline, and its birth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.protocol.base import VERSION
from agent.protocol.events import BirthBody, DeviceState, Draft
from agent.storage.case_table import open_case_ids

if TYPE_CHECKING:
    import sqlite3

    from agent.domain.ids import Ids
    from agent.protocol.events import PublicKey
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock


class Presence:
    """Says so for one device.

    Args:
        topic: Of the state.
        database: Where the open cases are.
        outbox: Its epoch is named; births are queued in it.
        clock: Dates births.
        ids: For births.
        agent_version: For births.
        configuration_sha256: For births.
        signing_key: For births; None: the device signs nothing.
    """

    def __init__(
        self,
        topic: str,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        ids: Ids,
        *,
        agent_version: str,
        configuration_sha256: str,
        signing_key: PublicKey | None,
    ) -> None:
        self.topic = topic
        self._database, self._outbox = database, outbox
        self._clock, self._ids = clock, ids
        self._agent_version, self._signing_key = agent_version, signing_key
        self.configuration_sha256 = configuration_sha256
        """Of the configuration by which is judged; the next birth names it."""

    def state(self, session_id: str, *, online: bool) -> bytes:
        """The state as it is retained under :attr:`topic`."""
        state = DeviceState(
            session_id=session_id,
            online=online,
            epoch=self._outbox.epoch,
            predecessor=self._outbox.predecessor,
        )
        return state.model_dump_json().encode()

    def announce(self, session_id: str) -> None:
        """Queue the birth as an event: retained messages do not reach every consumer.

        It is on the disk before anything is sent: an epoch's first birth goes first.

        Raises:
            StorageError: The disk did not take it.
        """

        def announce(connection: sqlite3.Connection) -> None:
            begun = self._outbox.begun
            body = BirthBody(
                session_id=session_id,
                predecessor=begun.predecessor,
                because=begun.because,
                carried=begun.carried,
                agent_version=self._agent_version,
                contract_version=VERSION,
                configuration_sha256=self.configuration_sha256,
                signing_key=self._signing_key,
                open_cases=open_case_ids(connection),
            )
            self._outbox.add_birth(connection, Draft.of_device(body, self._clock, self._ids))

        self._database.write(announce).result()
