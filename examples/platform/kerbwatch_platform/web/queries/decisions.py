"""Verdicts and ticket numbers: kept with their history, and ordered to the device once nobody took them back.

A decision comes with an id that the reviewer's page has given it, so that one that is sent twice, for a slow network, is
one. It is written down at once. An id that was used for anything else is refused. Its order to the device waits for :data:`UNDO_S`; until then it can be taken back.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from psycopg.errors import UniqueViolation

from kerbwatch_platform.contract.verify_signed import verify
from kerbwatch_platform.evidence import signing
from kerbwatch_platform.store import orders
from kerbwatch_platform.web.queries.rows import ask, ask_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    import psycopg
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from kerbwatch_platform.web.queries.cases import CaseId

UNDO_S: Final = 8.0
"""So long a decision waits before the device is told; until then it can be taken back."""
LONGEST_TICKET: Final = 100
"""Characters; no longer a number does a device take (contract, ``ticket``)."""
MOST_LINES: Final = 100
"""Of a case's history, the newest: verdicts, numbers and hand-overs each."""
Finding = Literal["valid", "false", "duplicate"]
FINDINGS: Final[tuple[Finding, ...]] = get_args(Finding)
Told = Literal["waiting", "sent", "later", "done", "refused", "expired", "confirmed", "undone"]
"""How far a decision has come: it waits for its time or for the device; was sent; was answered, for good or with
``later``: not now; and ``confirmed`` the device's own event says it (``case.judged``, ``case.ticketed``)."""


class Verdict(NamedTuple):
    """What a reviewer says of a case.

    Attributes:
        decision_id: Given by the reviewer's page, new for each.
        verdict: What was found.
        of_case: Of a duplicate the case that it repeats, where that is known.
        seen: Number of the newest verdict that the reviewer saw; 0: none.
    """

    decision_id: UUID
    verdict: Finding
    of_case: str | None
    seen: int


class Ticket(NamedTuple):
    """The number (任务号) under which a case was filed; ``seen`` is the newest that its author saw, None: none."""

    decision_id: UUID
    ticket: str
    seen: str | None


class UsedError(Exception):
    """The decision's id was used before for another decision: by another account, of another case, or with other words.

    Nothing was written down.
    """


class Other(NamedTuple):
    """What somebody else has decided in the meantime; it is kept, and does not count any more."""

    account: str
    said: str
    at: datetime


class Decided(NamedTuple):
    """What has become of a decision: its number, what it says, and whom it has overruled unseen."""

    number: int
    said: str
    other: Other | None


@dataclass(frozen=True, slots=True)
class Line:
    """One decision in the history of a case, verdict or ticket number.

    ``answer`` is the device's; ``answered_at`` when it gave its last word, None where the order is still sent. ``key`` is the thumbprint of the key that it says
    the verdict was signed with.
    """

    number: int
    decision_id: UUID
    said: str
    of_case: str | None
    reference: str | None
    account: str
    at: datetime
    undone_at: datetime | None
    jws: str | None
    sent_at: datetime | None
    not_after: datetime | None
    answer: dict[str, Any] | None
    answered_at: datetime | None
    confirmed_at: float | None
    key: str | None

    def told(self, now: datetime) -> Told:
        """How far it has come."""
        if self.undone_at is not None:
            return "undone"
        if self.confirmed_at is not None:
            return "confirmed"
        status = (self.answer or {}).get("status")
        if status is not None and self.answered_at is not None:
            return "done" if status == "done" else "expired" if status == "expired" else "refused"
        if self.not_after is not None and self.not_after <= now:
            return "expired"
        if status is not None:
            return "later"
        return "waiting" if self.sent_at is None else "sent"


def judge(
    connection: psycopg.Connection[Any],
    key: Ed25519PrivateKey,
    of: CaseId,
    verdict: Verdict,
    *,
    account: str,
) -> Decided:
    """Write down a verdict, sign it, and order it to the device. The same one again changes nothing.

    Raises:
        LookupError: No such case came, or the other case of a duplicate did not.
        ValueError: A case cannot repeat itself.
        UsedError: Its id stands for another decision.
    """
    if verdict.of_case == of.case_id:
        raise ValueError("a case does not repeat itself")
    said = ("verdict", *of, account, verdict.verdict, verdict.of_case)
    with _unless_used(connection):
        before = _locked(connection, of, "verdict", "verdict")
        known = _known(connection, verdict.decision_id, said)
        if known is not None:
            return Decided(known, verdict.verdict, None)
        _must_be_there(connection, of)
        if verdict.of_case is not None:
            _must_be_somewhere(connection, of.tenant, verdict.of_case)
        text = """
INSERT INTO verdict (decision_id, tenant, device, case_id, verdict, of_case, account)
VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING number"""
        row = (verdict.decision_id, *of, verdict.verdict, verdict.of_case, account)
        [number] = connection.execute(text, row).fetchone() or (0,)
        # What leaves the desk leads back here, and names nobody.
        command = _command(
            "verdict", of, verdict.decision_id, verdict=verdict.verdict, reference=f"desk {number}"
        )
        if verdict.of_case is not None:
            command["duplicate_of"] = verdict.of_case
        jws = signing.sign_order(key, of.tenant, of.device, command)
        order = orders.order(
            connection,
            of.tenant,
            of.device,
            command,
            by=account,
            signed=jws,
            role="reviewer",
            after_s=UNDO_S,
        )
        connection.execute(
            "UPDATE verdict SET jws = %s, order_id = %s, reference = %s WHERE number = %s",
            (jws, order, command["reference"], number),
        )
    unseen = before is not None and before[0] > verdict.seen and before[1] != account
    return Decided(number, verdict.verdict, Other(*before[1:]) if before and unseen else None)


def file_under(
    connection: psycopg.Connection[Any], of: CaseId, ticket: Ticket, *, account: str
) -> Decided:
    """Write down the number that a case was filed under, and order it to the device.

    Raises:
        LookupError: No such case came.
        ValueError: The number is empty, too long, or has a character that nobody sees.
        UsedError: Its id stands for another decision.
    """
    said = ticket.ticket.strip()
    if not 0 < len(said) <= LONGEST_TICKET or not said.isprintable():
        raise ValueError("a ticket number has 1 to 100 characters that can be seen")
    with _unless_used(connection):
        before = _locked(connection, of, "case_ticket", "ticket")
        known = _known(connection, ticket.decision_id, ("ticket", *of, account, said, None))
        if known is not None:
            return Decided(known, said, None)
        _must_be_there(connection, of)
        text = """
INSERT INTO case_ticket (decision_id, tenant, device, case_id, ticket, account)
VALUES (%s, %s, %s, %s, %s, %s) RETURNING number"""
        [number] = connection.execute(
            text, (ticket.decision_id, *of, said, account)
        ).fetchone() or (0,)
        command = _command("ticket", of, ticket.decision_id, ticket=said)
        order = orders.order(connection, of.tenant, of.device, command, by=account, after_s=UNDO_S)
        connection.execute(
            "UPDATE case_ticket SET order_id = %s WHERE number = %s", (order, number)
        )
    unseen = before is not None and before[2] != ticket.seen and before[1] != account
    return Decided(number, said, Other(*before[1:]) if before and unseen else None)


def undo(
    connection: psycopg.Connection[Any], of: CaseId, decision_id: UUID, *, account: str
) -> bool:
    """Take back one's own decision; False: it is too late, or it was somebody else's. Taken back twice is once."""
    with connection.transaction():
        for table in ("verdict", "case_ticket"):
            text = (
                f"SELECT order_id, undone_at FROM {table} WHERE decision_id = %s AND account = %s"
            )
            text += " AND (tenant, device, case_id) = (%s, %s, %s) FOR UPDATE"
            found = connection.execute(text, (decision_id, account, *of)).fetchone()
            if found is None:
                continue
            if found[1] is None:
                if not orders.recall(connection, str(found[0])):
                    return False
                text = f"UPDATE {table} SET undone_at = clock_timestamp() WHERE decision_id = %s"
                connection.execute(text, (decision_id,))
            return True
    return False


def verdicts(connection: psycopg.Connection[Any], of: CaseId) -> list[Line]:
    """The newest verdicts on a case, the newest first."""
    return _history(connection, of, _VERDICTS)


def tickets(connection: psycopg.Connection[Any], of: CaseId) -> list[Line]:
    """The newest numbers that it was filed under, the newest first."""
    return _history(connection, of, _TICKETS)


def newest(connection: psycopg.Connection[Any], of: CaseId) -> int:
    """Number of the verdict that counts; 0: there is none."""
    found = connection.execute(
        "SELECT number FROM verdict_now WHERE (tenant, device, case_id) = (%s, %s, %s)", of
    ).fetchone()
    return found[0] if found else 0


class Handover(NamedTuple):
    """Who was given the whole case, and what for."""

    account: str
    reason: str
    at: datetime
    sha256: str


def handovers(connection: psycopg.Connection[Any], of: CaseId) -> list[Handover]:
    """When a case was handed over, the newest first."""
    text = """
SELECT account, reason, at, sha256 FROM handover WHERE (tenant, device, case_id) = (%s, %s, %s)
ORDER BY at DESC LIMIT %s"""
    return [Handover(*row) for row in ask(connection, text, (*of, MOST_LINES))]


def signature_holds(line: Line, key: Ed25519PrivateKey, of: CaseId) -> bool:
    """Whether a verdict bears this desk's own signature, over all that the line says, of this case and no other."""
    said = {
        "tenant": of.tenant,
        "device_id": of.device,
        "command": "verdict",
        "command_id": str(line.decision_id),
        "case_id": of.case_id,
        "verdict": line.said,
        "reference": line.reference or "",
    }
    try:
        signed = verify(line.jws or "", signing.public_jwk(key), said)
    except ValueError:
        return False
    return isinstance(signed, dict) and signed.get("duplicate_of") == line.of_case


_VERDICTS: Final = """
SELECT v.number, v.decision_id, v.verdict AS said, v.of_case, v.reference, v.account, v.at, v.undone_at, v.jws,
  o.sent_at, o.not_after, o.answer, o.answered_at, c.occurred_s AS confirmed_at, c.key
FROM verdict v LEFT JOIN outgoing o ON o.order_id = v.order_id
LEFT JOIN LATERAL (
  SELECT e.occurred_s, e.raw->'body'->'verdict'->>'key' AS key FROM case_event e
  WHERE (e.tenant, e.device, e.case_id, e.type) = (v.tenant, v.device, v.case_id, 'case.judged')
    AND e.raw->'body'->'verdict'->>'reference' = v.reference
    AND e.raw->'body'->'verdict'->>'verdict' = v.verdict
  ORDER BY e.occurred_s LIMIT 1
) AS c ON true
WHERE (v.tenant, v.device, v.case_id) = (%s, %s, %s) ORDER BY v.number DESC LIMIT %s"""
_TICKETS: Final = """
SELECT t.number, t.decision_id, t.ticket AS said, NULL AS of_case, NULL AS reference, t.account, t.at, t.undone_at,
  NULL AS jws, o.sent_at, o.not_after, o.answer, o.answered_at, c.occurred_s AS confirmed_at, NULL AS key
FROM case_ticket t LEFT JOIN outgoing o ON o.order_id = t.order_id
LEFT JOIN LATERAL (
  SELECT e.occurred_s FROM case_event e
  WHERE (e.tenant, e.device, e.case_id, e.type) = (t.tenant, t.device, t.case_id, 'case.ticketed')
    AND e.raw->'body'->>'ticket' = t.ticket
  ORDER BY e.occurred_s LIMIT 1
) AS c ON true
WHERE (t.tenant, t.device, t.case_id) = (%s, %s, %s) ORDER BY t.number DESC LIMIT %s"""


def _history(connection: psycopg.Connection[Any], of: CaseId, text: str) -> list[Line]:
    return ask_for(connection, Line, text, (*of, MOST_LINES))


def _locked(
    connection: psycopg.Connection[Any], of: CaseId, table: str, said: str
) -> tuple[int, str, str, datetime] | None:
    """One decision on a case at a time; the newest so far."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (of.path,))
    text = f"SELECT number, account, {said}, at FROM {table}"
    text += " WHERE (tenant, device, case_id) = (%s, %s, %s) AND undone_at IS NULL"
    found = connection.execute(f"{text} ORDER BY number DESC LIMIT 1", of).fetchone()
    return None if found is None else (found[0], found[1], found[2], found[3])


_USED: Final = """
SELECT number, 'verdict' AS what, tenant, device, case_id, account, verdict AS said, of_case FROM verdict
  WHERE decision_id = %(id)s
UNION ALL SELECT number, 'ticket', tenant, device, case_id, account, ticket, NULL FROM case_ticket
  WHERE decision_id = %(id)s
UNION ALL SELECT 0, 'order', tenant, device, '', by_account, '', NULL FROM outgoing WHERE order_id = %(id)s
  AND NOT EXISTS (SELECT FROM verdict WHERE decision_id = %(id)s)
  AND NOT EXISTS (SELECT FROM case_ticket WHERE decision_id = %(id)s)"""


def _known(
    connection: psycopg.Connection[Any], decision_id: UUID, decision: tuple[str | None, ...]
) -> int | None:
    """The number of the very same decision, if it has come before.

    Raises:
        UsedError: Something else has this id: its order would be dropped as one that was put down already.
    """
    found = connection.execute(_USED, {"id": decision_id}).fetchall()
    if not found:
        return None
    if len(found) > 1 or found[0][1:] != decision:
        raise UsedError
    return int(found[0][0])


@contextmanager
def _unless_used(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """A transaction.

    Raises:
        UsedError: At the same moment another decision, of another case, has taken this id.
    """
    try:
        with connection.transaction():
            yield
    except UniqueViolation as error:
        raise UsedError from error


def _must_be_there(connection: psycopg.Connection[Any], of: CaseId) -> None:
    text = "SELECT 1 FROM case_now WHERE (tenant, device, case_id) = (%s, %s, %s)"
    if connection.execute(text, of).fetchone() is None:
        raise LookupError(of.case_id)


def _must_be_somewhere(connection: psycopg.Connection[Any], tenant: str, case_id: str) -> None:
    """What a case repeats may have been seen by another device of the city."""
    text = "SELECT 1 FROM case_now WHERE (tenant, case_id) = (%s, %s)"
    if connection.execute(text, (tenant, case_id)).fetchone() is None:
        raise LookupError(case_id)


def _command(name: str, of: CaseId, decision_id: UUID, **facts: Any) -> dict[str, Any]:
    told = {"contract": 2, "command": name, "command_id": str(decision_id), "case_id": of.case_id}
    return told | facts
