"""A device that delivers: its outbox and its uplink."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agent.config.schema import UplinkSection
from agent.delivery.uplink import Uplink
from agent.domain.ids import RandomIds
from agent.storage.database import Database
from agent.storage.outbox import Outbox
from agent.storage.outbox_queries import Lane
from drivers.clock import SystemClock
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox
from tests.support.topics import DEVICE, TENANT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.protocol.events import Draft
    from drivers.clock import Clock


def uplink_of(
    settings: UplinkSection,
    database: Database,
    outbox: Outbox,
    clock: Clock,
    *,
    tenant: str = TENANT,
    device: str = DEVICE,
    **hooks: Any,
) -> Uplink:
    """The uplink of the tests' device; ``hooks`` are those of :class:`Uplink`."""
    return Uplink(
        settings,
        database=database,
        outbox=outbox,
        tenant=tenant,
        device_id=device,
        clock=clock,
        ids=RandomIds(),
        agent_version="0",
        configuration_sha256="0" * 64,
        **hooks,
    )


class Device:
    """One device's outbox and uplink."""

    def __init__(
        self,
        folder: Path,
        settings: UplinkSection,
        *,
        clock: Clock | None = None,
        alive: Callable[[], object] = lambda: None,
        pictures: Path | None = None,
    ) -> None:
        self._pictures = pictures
        self.clock = clock or SystemClock()
        self.database = Database(folder / "device.db")
        self.outbox = open_outbox(self.database, keep_arrived=settings.keep_arrived)
        self._settings = settings
        self.uplink = self.another_uplink(alive)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.uplink.run, args=(self._stop,))

    def another_uplink(self, alive: Callable[[], object] = lambda: None) -> Uplink:
        return uplink_of(
            self._settings,
            self.database,
            self.outbox,
            self.clock,
            alive=lambda: (alive(), None)[1],
            pictures=self._pictures,
        )

    def connect(self) -> Self:
        self._thread.start()
        return self

    def open_cases(self, count: int = 1, *, padding: int = 0, lane: Lane = Lane.CASE) -> list[int]:
        return self.add([case_opened(self.clock, padding=padding) for _ in range(count)], lane=lane)

    def add(self, drafts: list[Draft], *, lane: Lane = Lane.CASE) -> list[int]:
        return self.database.write(
            lambda connection: [self.outbox.add(connection, draft, lane) for draft in drafts]
        ).result()

    def waiting(self) -> list[int]:
        with closing(self.database.read()) as connection:
            rows = connection.execute(
                "SELECT sequence FROM outbox WHERE arrived = 0 AND type LIKE 'case.%'"
                " ORDER BY sequence"
            )
            return [sequence for (sequence,) in rows]

    def dead_letters(self) -> list[tuple[int, str]]:
        with closing(self.database.read()) as connection:
            return connection.execute(
                "SELECT sequence, reason FROM kept WHERE standing != 'arrived'"
            ).fetchall()

    def wait_until_online(self) -> None:
        """Until the broker has answered the state, and so has subscribed us before: what is said now is heard."""
        wait_until(self._is_online)

    def wait_until_drained(self) -> None:
        wait_until(lambda: self.outbox.figures().rows == 0)

    def _is_online(self) -> bool:
        figures = self.uplink.figures
        return figures.connected_since is not None and "state" in figures.codes

    @property
    def last_error(self) -> str:
        return self.uplink.figures.last_error or ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.ident is None:
            self.uplink.run(self._stop)  # it lets go of what it holds, and ends
        if self._thread.is_alive():
            self._thread.join(60)
            assert not self._thread.is_alive()
        self.database.close()
