"""One batch in one transaction: what is stored of it, and what is due once it is committed."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kerbwatch_platform import evidence, store
from kerbwatch_platform.contract.message import Message, place_of
from kerbwatch_platform.intake import answers, quarantine
from kerbwatch_platform.intake.faults import is_passing
from kerbwatch_platform.store import orders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg

    from kerbwatch_platform.settings import Settings

_log = logging.getLogger(__name__)
Device = tuple[str, str]
TEST_CASES = uuid.UUID("5f0c5c52-9d9a-4a6b-9c55-0e6b4d7f2a11")
"""Of the orders' ids below: the same for the same case, so that a case that comes twice is one order."""
_READERS: dict[str, Callable[[psycopg.Connection[Any], str, str, bytes], None]] = {
    "answers": answers.answered,
    "state": answers.connected,
}


@dataclass(slots=True)
class Due:
    """What is to be told after the commit.

    Attributes:
        touched: Devices that a receipt is due to, some time soon.
        births: Those that it is due to at once: they have just connected, and missed what was told before.
        pictures: Of each device, what is there of which picture.
        rubbish: Bytes that could not be read, by device.
        ordered: Whether an order is to be sent at once.
    """

    touched: set[Device] = field(default_factory=set)
    births: set[Device] = field(default_factory=set)
    pictures: dict[Device, dict[str, int]] = field(default_factory=dict)
    rubbish: dict[Device, int] = field(default_factory=dict)
    ordered: bool = False


def take(
    connection: psycopg.Connection[Any], settings: Settings, messages: Sequence[Message]
) -> Due:
    """Store everything of some messages, or nothing.

    Raises:
        psycopg.Error: The database is lost, or does not take something of it.
        OSError: A disk does not take a picture.
    """
    due = Due()
    events: list[Message] = []
    pieces: list[Message] = []
    with connection.transaction():
        for message in messages:
            try:
                channel = place_of(message.topic, settings.prefix).channel
            except ValueError as error:
                quarantine.put(connection, settings.prefix, message, "odd_topic", str(error))
                continue
            if channel == "events":
                events.append(message)
            elif channel.startswith("pictures/"):
                pieces.append(message)
            elif channel in _READERS:
                _read(connection, settings.prefix, message, channel)
        if events:
            _take_events(connection, settings, events, due)
        if pieces:
            for device, has in evidence.take(connection, settings, pieces).items():
                due.pictures.setdefault(device, {}).update(has)
    return due


def _read(connection: psycopg.Connection[Any], prefix: str, message: Message, channel: str) -> None:
    place = place_of(message.topic, prefix)
    try:
        _READERS[channel](connection, place.tenant, place.device, message.payload)
    except ValueError as error:
        quarantine.put(connection, prefix, message, "unclear", str(error))


def _take_events(
    connection: psycopg.Connection[Any], settings: Settings, events: Sequence[Message], due: Due
) -> None:
    taken = store.take(connection, events, prefix=settings.prefix)
    due.touched |= {(tenant, device) for tenant, device, _ in taken.epochs}
    due.births |= taken.births
    due.rubbish |= taken.set_aside
    for tenant, device, case_id in taken.test_cases:
        orders.order(connection, tenant, device, test_ticket(case_id), by="platform")
    _verify(connection, taken)
    if taken.births:
        _wake(connection, taken.births)
    due.ordered = bool(taken.test_cases or taken.births)


def _verify(connection: psycopg.Connection[Any], taken: store.Taken) -> None:
    """Verify what a device has signed. A fault of ours in that costs no event: it is verified with the rest, later."""
    try:
        with connection.transaction():
            evidence.verify_arrived(connection, taken.packed, taken.births)
    except Exception as error:
        if is_passing(error):
            raise
        _log.exception("records are not verified yet")


def test_ticket(case_id: str) -> dict[str, Any]:
    """The answer to a test case: a number at once, which no clerk sees.

    A technician stands at the pole and waits for it: that it comes shows that the way works in both directions.
    """
    ticket = "TEST-" + hashlib.sha256(case_id.encode()).hexdigest()[:8].upper()
    order_id = str(uuid.uuid5(TEST_CASES, case_id))
    return {"command": "ticket", "command_id": order_id, "case_id": case_id, "ticket": ticket}


def _wake(connection: psycopg.Connection[Any], births: set[Device]) -> None:
    """Send at once what a device has not answered: while it was away, nothing of it arrived."""
    by_tenant: dict[str, list[str]] = defaultdict(list)
    for tenant, device in births:
        by_tenant[tenant].append(device)
    for tenant, devices in by_tenant.items():
        connection.execute(
            "UPDATE outgoing SET next_at = now() WHERE tenant = %s AND device = ANY(%s)"
            " AND answer IS NULL AND answered_at IS NULL AND not_before <= now() AND next_at > now()",
            (tenant, devices),
        )
