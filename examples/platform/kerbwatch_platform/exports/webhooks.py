"""Tells a city's own systems of cases: signed, in order, again until it is answered.

The signature is that of Standard Webhooks (HMAC-SHA256 over id, time and body), so that a receiver has libraries for
it. One event has one ``webhook-id``, however often it is sent: a receiver drops what it has. Of one case nothing
overtakes what came before it.
"""

from __future__ import annotations

import json
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from standardwebhooks.webhooks import Webhook as Signer

from kerbwatch_platform.exports.forms import CLOUDEVENTS, formed
from kerbwatch_platform.store import orders
from kerbwatch_platform.transports.exchange import Exchanges

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from kerbwatch_platform.settings import Webhook

WITHIN_S = 20.0
"""For one event, from finding the receiver to the last byte of its answer."""
ROUND_S = 120.0
"""For one receiver at a time, as long as it answers; what is still due comes with the next round, after the others."""
FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 3600.0
GIVEN_UP_AFTER = timedelta(days=3)
AT_ONCE = 100
LARGEST_ANSWER = 65_536
LONGEST_TICKET = 100
_LOOK_BACK = timedelta(hours=1)
"""A transaction that began earlier may be committed later: the last hour is looked through again."""
_LATER = {408, 425, 429}
"""HTTP status codes that ask to come again, besides 5xx (RFC 9110, 15)."""
_IDS = uuid.UUID("6b8d4d0c-6c0c-4f0a-9a1d-0a4f2f6b9b57")


class Told(NamedTuple):
    """What was done for one system.

    Attributes:
        delivered: Events that it took.
        waiting: Those that it has not taken yet.
        given_up: Those that it never took, given up now.
        failed: What went wrong last; None: nothing did.
    """

    delivered: int
    waiting: int
    given_up: int
    failed: str | None


class _Due(NamedTuple):
    tenant: str
    device: str
    event_id: str
    case_id: str
    tries: int
    raw: dict[str, Any]


class _Answer(NamedTuple):
    """``status`` None: there was none. ``wait_s``: as the receiver asked."""

    status: int | None
    failed: str | None
    wait_s: float | None = None
    ticket: str | None = None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_down(self) -> bool:
        """Whether nothing else need be tried now."""
        return self.status is None or self.status >= 500 or self.status in _LATER


def tell(connection: psycopg.Connection, hook: Webhook) -> Told:
    """Tell one system what is due. Two processes that do it at once do not tell it twice.

    Raises:
        OSError: The file with its secret cannot be read.
        ValueError: There is no secret in it.
    """
    signer = _signer(hook)
    with _alone(connection, hook.name) as mine:
        if not mine:
            return Told(0, 0, 0, None)
        _queue(connection, hook)
        given_up = connection.execute(
            "UPDATE webhook_delivery SET given_up_at = now() WHERE name = %s AND delivered_at IS NULL"
            " AND given_up_at IS NULL AND queued_at < %s",
            (hook.name, datetime.now(UTC) - GIVEN_UP_AFTER),
        ).rowcount
        delivered, failed = _deliver(connection, hook, signer)
        [waiting] = connection.execute(
            "SELECT count(*) FROM webhook_delivery"
            " WHERE name = %s AND delivered_at IS NULL AND given_up_at IS NULL",
            (hook.name,),
        ).fetchone() or (0,)
    return Told(delivered, int(waiting), given_up, failed)


def _signer(hook: Webhook) -> Signer:
    text = hook.secret_file.read_text(encoding="ascii").strip()
    try:
        return Signer(text)
    except Exception as error:
        raise ValueError(
            f"{hook.secret_file}: no secret; `openssl rand -base64 32` makes one"
        ) from error


@contextmanager
def _alone(connection: psycopg.Connection, name: str) -> Iterator[bool]:
    ours = "(hashtext('webhook'), hashtext(%s))"
    row = connection.execute(f"SELECT pg_try_advisory_lock{ours}".encode(), (name,)).fetchone()
    mine = bool(row and row[0])
    try:
        yield mine
    finally:
        if mine:
            connection.execute(f"SELECT pg_advisory_unlock{ours}".encode(), (name,))


def _queue(connection: psycopg.Connection, hook: Webhook) -> None:
    """Note what has come since the last time. A system that is new here is told nothing of before."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO webhook VALUES (%s, now(), now()) ON CONFLICT DO NOTHING", (hook.name,)
        )
        connection.execute(
            "INSERT INTO webhook_delivery (name, tenant, device, event_id, case_id)"
            " SELECT w.name, e.tenant, e.device, e.event_id, e.case_id FROM webhook w JOIN event e"
            " ON e.received_at >= greatest(w.since, w.reached - %s::interval)"
            " WHERE w.name = %s AND e.type LIKE 'case.%%' AND e.type = ANY(%s) AND NOT e.test"
            " AND e.case_id IS NOT NULL ORDER BY e.received_at, (SELECT max(n.sequence) FROM numbered n"
            "   WHERE (n.tenant, n.device, n.event_id) = (e.tenant, e.device, e.event_id)), e.event_id"
            " ON CONFLICT DO NOTHING",
            (_LOOK_BACK, hook.name, list(hook.events)),
        )
        connection.execute("UPDATE webhook SET reached = now() WHERE name = %s", (hook.name,))


_NEXT = """
SELECT d.tenant, d.device, d.event_id, d.case_id, d.tries, e.raw FROM webhook_delivery d
JOIN event e USING (tenant, device, event_id)
WHERE d.name = %(name)s AND d.delivered_at IS NULL AND d.given_up_at IS NULL AND d.next_at <= now()
  AND NOT EXISTS (SELECT 1 FROM webhook_delivery b
    WHERE (b.name, b.tenant, b.device, b.case_id) = (d.name, d.tenant, d.device, d.case_id)
    AND b.number < d.number AND b.delivered_at IS NULL AND b.given_up_at IS NULL)
ORDER BY d.number LIMIT %(most)s
"""


def _deliver(
    connection: psycopg.Connection, hook: Webhook, signer: Signer
) -> tuple[int, str | None]:
    delivered, failed = 0, None
    until_s = time.monotonic() + ROUND_S
    with Exchanges(WITHIN_S, LARGEST_ANSWER) as exchanges:
        while True:
            given = {"name": hook.name, "most": AT_ONCE}
            due = [_Due(*row) for row in connection.execute(_NEXT, given).fetchall()]
            for each in due:
                answer = _sent(exchanges, hook, signer, each)
                _note(connection, hook, each, answer)
                delivered += answer.taken
                failed = failed if answer.taken else answer.failed
                if answer.is_down or time.monotonic() > until_s:
                    return delivered, failed
            if not due:
                return delivered, failed


def _sent(exchanges: Exchanges, hook: Webhook, signer: Signer, due: _Due) -> _Answer:
    body = json.dumps(_body(hook, due), ensure_ascii=False)
    now = datetime.now(UTC)
    name = str(delivery_id(hook.name, due.tenant, due.device, due.event_id))
    headers = {
        "content-type": "application/json"
        if hook.form != CLOUDEVENTS
        else "application/cloudevents+json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign(name, now, body),
    }
    try:
        answer = exchanges.post(hook.url, body.encode(), headers)
    except (
        TimeoutError
    ):  # also of one that has said 200: its number may be in the rest; it drops what it has
        return _Answer(None, f"no whole answer within {WITHIN_S:g} s")
    except (
        httpx.HTTPError,
        httpx.InvalidURL,
    ) as error:  # its words may repeat the URL, which may hold a secret
        return _Answer(None, type(error).__name__)
    if 200 <= answer.status < 300:
        return _Answer(answer.status, None, ticket=_ticket(answer.content))
    return _Answer(
        answer.status, f"HTTP {answer.status}", _asked(answer.headers.get("retry-after"))
    )


def delivery_id(name: str, tenant: str, device: str, event_id: str) -> uuid.UUID:
    """The ``webhook-id`` of an event for a system: the same whenever it is sent."""
    return uuid.uuid5(_IDS, f"{name}/{tenant}/{device}/{event_id}")


def _body(hook: Webhook, due: _Due) -> dict[str, Any]:
    told = formed(due.raw, hook.form)
    if hook.form == CLOUDEVENTS:
        return told
    place = {"tenant": due.tenant, "device_id": due.device, "case_id": due.case_id}
    return {
        "type": due.raw["type"],
        "timestamp": due.raw.get("occurred_at"),
        "data": {"form": hook.form, **place, **told},
    }


def _ticket(content: bytes) -> str | None:
    """The number that a system filed the case under, if its answer says one."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return None
    ticket = told.get("ticket") if isinstance(told, dict) else None
    if not isinstance(ticket, str) or not ticket.isprintable():
        return None
    ticket = ticket.strip()
    return ticket if 0 < len(ticket) <= LONGEST_TICKET else None


def _asked(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _note(connection: psycopg.Connection, hook: Webhook, due: _Due, answer: _Answer) -> None:
    own = (hook.name, due.tenant, due.device, due.event_id)
    with connection.transaction():
        if answer.taken:
            connection.execute(
                "UPDATE webhook_delivery SET delivered_at = now(), tries = tries + 1, status = %s,"
                " failed = NULL WHERE (name, tenant, device, event_id) = (%s, %s, %s, %s)",
                (answer.status, *own),
            )
            if answer.ticket is not None:
                _file_under(connection, hook, due, answer.ticket)
            return
        grown = min(FIRST_WAIT_S * 2 ** min(due.tries, 16), LONGEST_WAIT_S)
        wait_s = min(max(grown, answer.wait_s or 0.0), LONGEST_WAIT_S)
        connection.execute(
            "UPDATE webhook_delivery SET tries = tries + 1, status = %s, failed = %s,"
            " next_at = now() + make_interval(secs => %s)"
            " WHERE (name, tenant, device, event_id) = (%s, %s, %s, %s)",
            (answer.status, answer.failed, wait_s, *own),
        )


def _file_under(connection: psycopg.Connection, hook: Webhook, due: _Due, ticket: str) -> None:
    """Note the number and tell the device; the same number again is no news."""
    of = (due.tenant, due.device, due.case_id)
    newest = connection.execute(
        "SELECT ticket FROM case_ticket WHERE (tenant, device, case_id) = (%s, %s, %s)"
        " AND undone_at IS NULL ORDER BY number DESC LIMIT 1",
        of,
    ).fetchone()
    if newest == (ticket,):
        return
    decision = uuid.uuid5(delivery_id(hook.name, due.tenant, due.device, due.event_id), ticket)
    account = f"webhook {hook.name}"
    command = {
        "command": "ticket",
        "command_id": str(decision),
        "case_id": due.case_id,
        "ticket": ticket,
    }
    order = orders.order(connection, due.tenant, due.device, command, by=account)
    connection.execute(
        "INSERT INTO case_ticket (decision_id, tenant, device, case_id, ticket, account, order_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (decision, *of, ticket, account, order),
    )
