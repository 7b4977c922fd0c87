"""One worker: takes what a broker has, stores it, settles it after the commit, and tells devices what is stored."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from kerbwatch_platform import store
from kerbwatch_platform.intake import attempts, faults, gaps, quarantine, upkeep
from kerbwatch_platform.intake.limits import Buckets
from kerbwatch_platform.intake.sending import Receipts, send_orders
from kerbwatch_platform.intake.taking import take
from kerbwatch_platform.transports import WINDOW

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from kerbwatch_platform.settings import Settings
    from kerbwatch_platform.transports import Delivery, Transport

Device = tuple[str, str]
WAIT_S = 0.2
ORDERS_S, LOOK_S, UPKEEP_S = 1.0, 60.0, 30.0
"""Between one look for orders, for gaps, for dead letters and limits and the next."""
SUSPECTED_S = 3600.0
"""For so long a device is taken by itself after a message of its could not be taken."""
AGAIN_S = (0.5, 10.0)
MOST_LOOKED_AT = 500
"""Devices whose gaps are looked for at a time."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Worker:
    """Use :meth:`run`; the database is connected to, and again whenever it is lost.

    Attributes:
        settings: What the operator chose.
        transport: The way to and from the devices; the caller closes it.
        clock: Seconds that only grow.
    """

    settings: Settings
    transport: Transport
    clock: Callable[[], float] = time.monotonic
    _db: psycopg.Connection[Any] | None = None
    _held: list[Delivery] = field(default_factory=list)
    """What came and is neither stored nor settled."""
    _begun: dict[int, int] = field(default_factory=dict)
    """Of what is held and came again: how many workers began with it before this one."""
    _gappy: set[Device] = field(default_factory=set)
    _suspected: dict[Device, float] = field(default_factory=dict)
    _killers: frozenset[tuple[str, str]] = frozenset()
    _next: dict[str, float] = field(default_factory=dict)
    _buckets: Buckets = field(init=False)
    _receipts: Receipts = field(init=False)

    def __post_init__(self) -> None:
        self._buckets = Buckets(self.settings.limits)
        self._receipts = Receipts(self.settings.prefix)

    def run(self, stop: threading.Event, until: Callable[[], bool] = lambda: False) -> int:
        """Work until ``stop`` is set, or ``until`` says so; what was taken is settled and told before it ends.

        While the database is away nothing is settled: the broker keeps it. Gives the number of messages.
        """
        count = 0
        try:
            while not stop.is_set() and (self._held or not until()):
                try:
                    count += self.turn(WAIT_S)
                except Exception as error:  # anything else is a fault of ours, and ends the process
                    if not faults.is_passing(error):
                        raise
                    _log.warning(
                        "the database is away, nothing is acknowledged: %s", faults.told(error)
                    )
                    self.close()
                    stop.wait(random.uniform(*AGAIN_S))  # noqa: S311 - no secret
            self._tell_the_rest()
        finally:
            self.close()
        return count

    def turn(self, wait_s: float) -> int:
        """Take what has come, and do what is due; how many messages.

        Raises:
            psycopg.Error: The database is away. What came is held, and taken at the next turn.
        """
        came = 0
        if not self._held:
            came = self._receive(wait_s)
        connection = self._connected()
        self._take(connection)
        self._do_due(connection)
        return came

    def close(self) -> None:
        """Let the database go; what is held stays held, and is taken at the next turn."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _receive(self, wait_s: float) -> int:
        """Hold what has come; what is beyond its device's limits, or killed workers before, is settled unread."""
        now_s = self.clock()
        deliveries = self.transport.receive(WINDOW, wait_s)
        unread: list[Delivery] = []
        for each in deliveries:
            admitted = self._buckets.admits(self._device(each), each.message.payload, now_s)
            if not admitted or (self._killers and _key(each) in self._killers):
                unread.append(each)
            else:
                self._held.append(each)
        self.transport.settle(unread)
        return len(deliveries)

    def _take(self, connection: psycopg.Connection[Any]) -> None:
        """Take what is held: most of it together, that of each suspected device by itself, what came again one by one."""
        now_s = self.clock()
        together: list[Delivery] = []
        apart: dict[Device, list[Delivery]] = {}
        alone: list[Delivery] = []
        for each in self._held:
            device = self._device(each)
            if each.again:
                alone.append(each)
            elif self._suspected.get(device, 0.0) > now_s:
                apart.setdefault(device, []).append(each)
            else:
                together.append(each)
        for batch in (together, *apart.values()):
            self._take_batch(connection, batch, now_s)
        for delivery in alone:
            self._take_alone(connection, delivery, now_s)

    def _settle(self, deliveries: Sequence[Delivery]) -> None:
        """Settle, and hold no longer: an acknowledgement told twice would hit another message."""
        self.transport.settle(deliveries)
        self._release(deliveries)

    def _release(self, deliveries: Sequence[Delivery]) -> None:
        gone = {id(each) for each in deliveries}
        self._begun = {of: tries for of, tries in self._begun.items() if of not in gone}
        self._held = [each for each in self._held if id(each) not in gone]

    def _take_batch(
        self, connection: psycopg.Connection[Any], batch: Sequence[Delivery], now_s: float
    ) -> None:
        """Take it in one transaction; where that fails, one by one, so that one message costs no other."""
        if not batch:
            return
        try:
            self._store(connection, batch, now_s)
        except Exception as error:
            if faults.is_passing(error):
                raise
            for delivery in batch:
                self._take_alone(connection, delivery, now_s)

    def _take_alone(
        self, connection: psycopg.Connection[Any], delivery: Delivery, now_s: float
    ) -> None:
        if delivery.again and self._died_with(connection, delivery) >= attempts.MOST_TRIES:
            why = f"{attempts.MOST_TRIES} workers ended while they took it"
            self._put_aside(connection, delivery, "killed", why)
            return
        try:
            self._store(connection, [delivery], now_s)
        except Exception as error:
            if faults.is_passing(error):
                raise
            _log.exception("a message is put into quarantine")
            self._suspected[self._device(delivery)] = now_s + SUSPECTED_S
            self._put_aside(connection, delivery, "raised", faults.told(error))

    def _died_with(self, connection: psycopg.Connection[Any], delivery: Delivery) -> int:
        """How many workers began with it and did not come back; marked once, however often this one has to wait."""
        if id(delivery) not in self._begun:
            self._begun[id(delivery)] = attempts.begin(connection, delivery.message)
        return self._begun[id(delivery)]

    def _store(
        self, connection: psycopg.Connection[Any], batch: Sequence[Delivery], now_s: float
    ) -> None:
        with connection.transaction():
            due = take(connection, self.settings, [each.message for each in batch])
            for each in batch:
                if each.again:
                    attempts.end(connection, each.message)
        self._settle(batch)
        self._receipts.note(due, now_s)
        self._buckets.charge(due.rubbish, now_s)
        self._gappy |= due.births
        if due.ordered:
            self._next["orders"] = now_s

    def _put_aside(
        self,
        connection: psycopg.Connection[Any],
        delivery: Delivery,
        kind: quarantine.Kind,
        why: str,
    ) -> None:
        try:
            with connection.transaction():
                quarantine.put(connection, self.settings.prefix, delivery.message, kind, why)
                attempts.end(connection, delivery.message)
        except psycopg.Error as error:
            if faults.is_passing(error):
                raise
            _log.exception("the database does not even keep it; the broker shall")
            self.transport.reject(delivery)
            self._release([delivery])
            return
        self._killers |= {_key(delivery)}
        self._settle([delivery])

    def _do_due(self, connection: psycopg.Connection[Any]) -> None:
        """Do what it is time for; a step that fails costs itself, and is tried again when its time comes."""
        now_s = self.clock()
        if self._receipts.is_due(now_s):
            self._gappy |= self._receipts.send(connection, self.transport, now_s)
        steps: tuple[tuple[str, float, Callable[[psycopg.Connection[Any]], object]], ...] = (
            ("orders", ORDERS_S, self._send_orders),
            ("upkeep", UPKEEP_S, self._look_after),
            ("gaps", LOOK_S, self._look_for_gaps),
        )
        for what, every_s, step in steps:
            if not self._is_time(what, every_s, now_s):
                continue
            try:
                step(connection)
            except Exception as error:
                if faults.is_passing(error):
                    raise
                _log.exception("%s: left out this time", what)

    def _send_orders(self, connection: psycopg.Connection[Any]) -> None:
        send_orders(connection, self.transport, self.settings.prefix)

    def _look_for_gaps(self, connection: psycopg.Connection[Any]) -> None:
        chosen = sorted(self._gappy)[:MOST_LOOKED_AT]
        if chosen:
            self._gappy = self._gappy.difference(chosen) | set(gaps.look(connection, chosen))

    def _look_after(self, connection: psycopg.Connection[Any]) -> None:
        now_s = self.clock()
        upkeep.note_limits(connection, self.settings.limits, self._buckets.over())
        upkeep.keep_dead_letters(connection, self.transport, self.settings.prefix)
        self._killers = quarantine.killers(connection)
        self._suspected = {of: until for of, until in self._suspected.items() if until > now_s}

    def _tell_the_rest(self) -> None:
        """Before it ends: what is stored is told, so that nobody sends it again for want of a receipt."""
        try:
            connection = self._connected()
            self._receipts.hurry()
            while self._receipts.is_due(self.clock()):
                before = self._receipts.waiting
                self._receipts.send(connection, self.transport, self.clock())
                if self._receipts.waiting == before:  # there is no broker either
                    break
            upkeep.note_limits(connection, self.settings.limits, self._buckets.over())
        except psycopg.Error as error:
            _log.warning("it ends without a database: %s", faults.told(error))

    def _is_time(self, what: str, every_s: float, now_s: float) -> bool:
        if now_s < self._next.get(what, 0.0):
            return False
        self._next[what] = now_s + every_s
        return True

    def _device(self, delivery: Delivery) -> Device:
        tenant, device = quarantine.whose(delivery.message.topic, self.settings.prefix)
        return tenant or "", device or ""

    def _connected(self) -> psycopg.Connection[Any]:
        if self._db is None or self._db.closed:
            self._db = store.connect(self.settings.database, store.WORKER)
            self._killers = quarantine.killers(self._db)
            self._gappy |= gaps.noted(self._db)
        return self._db


def _key(delivery: Delivery) -> tuple[str, str]:
    topic = quarantine.readable(delivery.message.topic, 600)
    return topic, quarantine.sha256_of(delivery.message)
