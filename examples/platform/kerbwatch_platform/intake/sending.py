"""What goes out to devices: receipts and orders."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from kerbwatch_platform import store
from kerbwatch_platform.intake.faults import is_passing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kerbwatch_platform.intake.taking import Due
    from kerbwatch_platform.transports import Transport

_log = logging.getLogger(__name__)
Device = tuple[str, str]
EVERY_S = 10.0
"""Between the receipts of a device that goes on sending."""
AT_A_TIME = 100
"""Devices whose receipts are computed before the next batch is taken."""
_MOST_PICTURES = 100
_EXPIRY_S = 60
"""An order that did not reach its device within this is sent again: no broker needs to keep it."""
_AGAIN_S, _AGAIN_MOST_S = 30, 3600
_DUE = f"""
UPDATE outgoing SET sent_at = now(), times_sent = times_sent + 1,
  next_at = now() + make_interval(secs => least({_AGAIN_MOST_S}, {_AGAIN_S} * power(4, least(times_sent, 9))))
WHERE order_id IN (
  SELECT order_id FROM outgoing WHERE answered_at IS NULL AND next_at <= now() AND not_after > now()
  ORDER BY next_at, created_at LIMIT 200 FOR UPDATE SKIP LOCKED
) RETURNING tenant, device, command, signed_jws, created_at
"""


@dataclass(slots=True)
class Receipts:
    """Which devices are to be told what is stored, and when."""

    prefix: str
    _touched: dict[Device, float] = field(default_factory=dict)
    """Since when, in order."""
    _now: dict[Device, None] = field(default_factory=dict)
    _pictures: dict[Device, dict[str, int]] = field(default_factory=dict)

    def note(self, due: Due, now_s: float) -> None:
        """What a batch has left to tell."""
        for device in due.touched:
            self._touched.setdefault(device, now_s)
        for device, has in due.pictures.items():
            self._pictures.setdefault(device, {}).update(has)
            self._touched.setdefault(device, now_s)
        self._now |= dict.fromkeys(due.births)

    def send(
        self, connection: psycopg.Connection[Any], transport: Transport, now_s: float
    ) -> set[Device]:
        """Tell some of those that it is time for; gives those of them whose numbers have gaps.

        Computed of what is committed, in a transaction of its own, for the whole device: another worker may have
        taken what lies between.

        Raises:
            psycopg.Error: The database is lost: they stay due.
        """
        gappy: set[Device] = set()
        for device in self._ready(now_s):
            try:
                with connection.transaction():
                    bodies = store.receipts(connection, *device)
            except Exception as error:
                if is_passing(error):
                    raise
                _log.exception("no receipt for one device")
                bodies = []
            pictures = list(self._pictures.get(device, {}).items())
            if not self._told(transport, device, _with(bodies, pictures[:_MOST_PICTURES])):
                break
            self._now.pop(device, None)
            self._touched.pop(device, None)
            if rest := pictures[_MOST_PICTURES:]:
                self._pictures[device] = dict(rest)
                self._now[device] = None
            else:
                self._pictures.pop(device, None)
            if any(body.get("ranges") for body in bodies):
                gappy.add(device)
        return gappy

    def hurry(self) -> None:
        """Everything that is due at all is due now."""
        self._now |= dict.fromkeys(self._touched)

    @property
    def waiting(self) -> int:
        """Devices that something is still to be told to."""
        return len(self._now | self._touched)

    def is_due(self, now_s: float) -> bool:
        """Whether something is to be told now."""
        return bool(self._ready(now_s))

    def _ready(self, now_s: float) -> list[Device]:
        found = list(self._now)[:AT_A_TIME]
        for device, since_s in self._touched.items():
            if len(found) >= AT_A_TIME or now_s - since_s < EVERY_S:
                break
            if device not in self._now:
                found.append(device)
        return found

    def _told(self, transport: Transport, device: Device, bodies: Iterable[dict[str, Any]]) -> bool:
        topic = "/".join([self.prefix, *device, "receipts"])
        return all(transport.publish(topic, json.dumps(body).encode()) for body in bodies)


def _with(bodies: list[dict[str, Any]], pictures: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """The first of them says of pictures, too: of a device without events no picture is told, and it comes again."""
    if not bodies or not pictures:
        return bodies
    told = [[sha256, size] for sha256, size in pictures]
    return [bodies[0] | {"pictures": told}, *bodies[1:]]


def send_orders(connection: psycopg.Connection[Any], transport: Transport, prefix: str) -> int:
    """Send the orders that it is time for; how many. Several workers send none of them twice.

    They are noted as sent once the broker has them. A worker that dies in between sends them again, which a device
    knows by their ``command_id``.

    Raises:
        psycopg.Error: The database is lost.
    """
    with connection.transaction() as sending:
        rows = connection.execute(_DUE).fetchall()
        for tenant, device, command, signed, _ in sorted(rows, key=lambda row: row[-1]):
            told = command if signed is None else {"contract": 2, "jws": signed}
            topic = f"{prefix}/{tenant}/{device}/commands"
            text = json.dumps(told, ensure_ascii=False).encode()
            if not transport.publish(topic, text, expiry_s=_EXPIRY_S):
                rows = []
                raise psycopg.Rollback(
                    sending
                )  # no connection to the broker: they stay as they were
    return len(rows)
