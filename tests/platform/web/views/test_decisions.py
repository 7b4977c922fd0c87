"""Verdicts and ticket numbers: signed, kept with their history, taken back in time, and never lost to a slow network."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kerbwatch_platform.evidence import signing
from kerbwatch_platform.intake.answers import answered
from kerbwatch_platform.store import orders as ordering
from kerbwatch_platform.web.queries import cases, decisions

from tests.support.desk_city import NOON, Case, Device, seconds

pytestmark = pytest.mark.slow


@pytest.fixture
def key(tmp_path: Path) -> Ed25519PrivateKey:
    return signing.key(tmp_path / "desk.pem")


@pytest.fixture
def case(device: Device) -> cases.CaseId:
    return cases.CaseId(*Case(device, NOON).id)


def verdict(
    finding: decisions.Finding = "valid", *, seen: int = 0, of_case: str | None = None
) -> decisions.Verdict:
    return decisions.Verdict(uuid4(), finding, of_case, seen)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def orders(connection: psycopg.Connection) -> list[dict[str, object]]:
    return [row for [row] in connection.execute("SELECT command FROM outgoing ORDER BY created_at")]


def send(connection: psycopg.Connection, answer: dict[str, str] | None = None) -> None:
    """As the workers note it: the worker's own reading says whether an answer is the last word."""
    connection.execute("UPDATE outgoing SET sent_at = now(), answer = NULL, answered_at = NULL")
    if answer is not None:
        for order_id, tenant, device in connection.execute(
            "SELECT order_id, tenant, device FROM outgoing"
        ).fetchall():
            told = json.dumps(answer | {"command_id": str(order_id)}).encode()
            answered(connection, tenant, device, told)


def test_a_verdict_is_signed_and_ordered_and_names_nobody(
    connection: psycopg.Connection, key: Ed25519PrivateKey, case: cases.CaseId
) -> None:
    told = verdict("valid")
    decided = decisions.judge(connection, key, case, told, account="wang")
    assert decided[1:] == ("valid", None)
    [command] = orders(connection)
    assert command["reference"] == f"desk {decided.number}"
    assert command["command_id"] == str(told.decision_id)
    [line] = decisions.verdicts(connection, case)
    assert line.jws is not None
    head, payload, signature = line.jws.split(".")
    key.public_key().verify(decoded(signature), f"{head}.{payload}".encode())
    signed = json.loads(decoded(payload))
    assert (signed["device_id"], signed["verdict"]) == (case.device, "valid")
    assert "wang" not in json.dumps([command, signed])


def test_the_same_decision_sent_twice_is_one(
    connection: psycopg.Connection, key: Ed25519PrivateKey, case: cases.CaseId
) -> None:
    told = verdict("false")
    once = decisions.judge(connection, key, case, told, account="wang")
    assert decisions.judge(connection, key, case, told, account="wang") == once
    assert len(orders(connection)) == 1
    number = decisions.Ticket(uuid4(), "示例-7", None)
    assert decisions.file_under(connection, case, number, account="wang") == (
        decisions.file_under(connection, case, number, account="wang")
    )
    assert len(orders(connection)) == 2


def test_the_second_of_two_reviewers_is_told_and_the_newest_counts(
    connection: psycopg.Connection, key: Ed25519PrivateKey, case: cases.CaseId
) -> None:
    first = decisions.judge(connection, key, case, verdict("valid"), account="wang")
    second = decisions.judge(connection, key, case, verdict("false"), account="li")
    assert second.other is not None
    assert (second.other.account, second.other.said) == ("wang", "valid")
    assert decisions.newest(connection, case) == second.number
    knowing = decisions.judge(connection, key, case, verdict(seen=second.number), account="wang")
    assert knowing.other is None
    assert [line.number for line in decisions.verdicts(connection, case)] == [
        knowing.number,
        second.number,
        first.number,
    ]


def test_decisions_at_the_same_moment_are_both_kept_and_only_the_later_is_told_of_the_other(
    database: str, connection: psycopg.Connection, key: Ed25519PrivateKey, case: cases.CaseId
) -> None:
    def decide(account: str) -> decisions.Decided:
        with psycopg.connect(database, autocommit=True) as own:
            return decisions.judge(own, key, case, verdict(), account=account)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(decide, [f"reviewer-{n}" for n in range(8)]))
    assert sorted(each.other is None for each in found) == [False] * 7 + [True]
    assert decisions.newest(connection, case) == max(each.number for each in found)
    assert len(decisions.verdicts(connection, case)) == len(orders(connection)) == 8


def test_a_decision_is_taken_back_until_it_is_ordered_and_the_one_before_counts_again(
    connection: psycopg.Connection, key: Ed25519PrivateKey, case: cases.CaseId
) -> None:
    first = decisions.judge(connection, key, case, verdict("valid"), account="wang")
    send(connection)
    told = verdict("false", seen=first.number)
    decisions.judge(connection, key, case, told, account="wang")
    assert not decisions.undo(connection, case, told.decision_id, account="li")
    assert decisions.undo(connection, case, told.decision_id, account="wang")
    assert decisions.undo(connection, case, told.decision_id, account="wang"), (
        "taken back twice is once"
    )
    assert decisions.newest(connection, case) == first.number
    assert len(orders(connection)) == 1
    now = datetime.now(UTC)
    assert [line.told(now) for line in decisions.verdicts(connection, case)] == ["undone", "sent"]


def test_what_was_sent_is_not_taken_back(
    connection: psycopg.Connection, key: Ed25519PrivateKey, case: cases.CaseId
) -> None:
    told = decisions.Ticket(uuid4(), "示例-7", None)
    decisions.file_under(connection, case, told, account="wang")
    send(connection)
    assert not decisions.undo(connection, case, told.decision_id, account="wang")
    [line] = decisions.tickets(connection, case)
    assert (line.said, line.undone_at) == ("示例-7", None)


def test_a_history_says_how_far_each_decision_has_come(
    connection: psycopg.Connection, key: Ed25519PrivateKey, device: Device
) -> None:
    made = Case(device, NOON)
    case, now = cases.CaseId(*made.id), datetime.now(UTC)
    decided = decisions.judge(connection, key, case, verdict("valid"), account="wang")

    def told() -> str:
        return decisions.verdicts(connection, case)[0].told(now)

    assert told() == "waiting"
    send(connection)
    assert told() == "sent"
    send(connection, {"status": "refused", "code": "clock_unsure"})
    assert told() == "later"
    send(connection, {"status": "refused", "code": "no_authority"})
    assert told() == "refused"
    send(connection, {"status": "done"})
    assert told() == "done"
    made.is_judged("valid", f"desk {decided.number}", NOON + timedelta(hours=1))
    [line] = decisions.verdicts(connection, case)
    assert line.told(now) == "confirmed"
    assert (line.confirmed_at, line.key) == (seconds(NOON + timedelta(hours=1)), "k" * 43)
    connection.execute("UPDATE outgoing SET not_after = now() - interval '1 hour', answer = NULL")
    assert decisions.judge(connection, key, case, verdict(seen=1), account="wang").other is None


def test_an_order_that_nobody_answered_in_time_has_expired(
    connection: psycopg.Connection, key: Ed25519PrivateKey, case: cases.CaseId
) -> None:
    decisions.judge(connection, key, case, verdict(), account="wang")
    send(connection)
    [line] = decisions.verdicts(connection, case)
    assert line.told(datetime.now(UTC) + timedelta(hours=25)) == "expired"


def test_a_duplicate_names_a_case_that_is_there_and_another_one(
    connection: psycopg.Connection, key: Ed25519PrivateKey, device: Device, case: cases.CaseId
) -> None:
    other = Case(Device(connection, "next-corner"), NOON)
    decisions.judge(
        connection, key, case, verdict("duplicate", of_case=other.case_id), account="wang"
    )
    assert orders(connection)[0]["duplicate_of"] == other.case_id
    with pytest.raises(LookupError):
        decisions.judge(connection, key, case, verdict("duplicate", of_case="none"), account="wang")
    itself = verdict("duplicate", of_case=case.case_id)
    with pytest.raises(ValueError, match="itself"):
        decisions.judge(connection, key, case, itself, account="wang")
    assert len(decisions.verdicts(connection, case)) == 1


def test_a_case_that_never_came_is_not_judged_and_no_id_serves_two_cases(
    connection: psycopg.Connection, key: Ed25519PrivateKey, device: Device, case: cases.CaseId
) -> None:
    with pytest.raises(LookupError):
        decisions.judge(connection, key, case._replace(case_id="none"), verdict(), account="wang")
    told, another = verdict(), cases.CaseId(*Case(device, NOON).id)
    decisions.judge(connection, key, case, told, account="wang")
    with pytest.raises(decisions.UsedError):
        decisions.judge(connection, key, another, told, account="wang")


def test_an_id_that_another_account_used_or_that_said_something_else_is_refused_and_drops_nothing(
    connection: psycopg.Connection, key: Ed25519PrivateKey, device: Device, case: cases.CaseId
) -> None:
    told, other = verdict("valid"), Case(device, NOON).case_id
    number = decisions.Ticket(uuid4(), "示例-7", None)
    decisions.judge(connection, key, case, told, account="wang")
    decisions.file_under(connection, case, number, account="wang")
    before = orders(connection)
    for changed, account in (
        (told, "li"),
        (told._replace(verdict="false"), "wang"),
        (told._replace(verdict="duplicate", of_case=other), "wang"),
        (told._replace(decision_id=number.decision_id), "wang"),
    ):
        with pytest.raises(decisions.UsedError):
            decisions.judge(connection, key, case, changed, account=account)
    for filed, account in (
        (number, "li"),
        (number._replace(ticket="示例-8"), "wang"),
        (number._replace(decision_id=told.decision_id), "wang"),
    ):
        with pytest.raises(decisions.UsedError):
            decisions.file_under(connection, case, filed, account=account)
    assert orders(connection) == before
    [line] = decisions.verdicts(connection, case)
    assert (line.account, line.said) == ("wang", "valid")


def test_an_id_of_an_order_of_another_kind_is_refused(
    connection: psycopg.Connection, key: Ed25519PrivateKey, case: cases.CaseId
) -> None:
    """The store would take the decision's own order for one that is there already, and tell no device."""
    told = verdict()
    pace = {"command": "pace", "command_id": str(told.decision_id)}
    ordering.order(connection, case.tenant, case.device, pace, by="platform")
    with pytest.raises(decisions.UsedError):
        decisions.judge(connection, key, case, told, account="wang")
    assert decisions.verdicts(connection, case) == []


def test_of_two_cases_that_take_one_id_at_the_same_moment_one_is_refused(
    database: str, connection: psycopg.Connection, key: Ed25519PrivateKey, device: Device
) -> None:
    told = verdict()
    of = [cases.CaseId(*Case(device, NOON).id) for _ in range(8)]

    def decide(case: cases.CaseId) -> bool:
        with psycopg.connect(database, autocommit=True) as own:
            try:
                decisions.judge(own, key, case, told, account="wang")
            except decisions.UsedError:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(decide, of)) == [False] * 7 + [True]
    assert len(orders(connection)) == 1


def test_a_signature_holds_for_its_own_case_and_all_that_was_said_of_it(
    connection: psycopg.Connection, key: Ed25519PrivateKey, device: Device, case: cases.CaseId
) -> None:
    other = cases.CaseId(*Case(device, NOON).id)
    told = verdict("duplicate", of_case=other.case_id)
    decisions.judge(connection, key, case, told, account="wang")
    [line] = decisions.verdicts(connection, case)
    assert decisions.signature_holds(line, key, case)
    for of in (
        other,
        case._replace(device="next-corner"),
        case._replace(tenant="next-city"),
    ):
        assert not decisions.signature_holds(line, key, of), of
    for changed in (
        {"of_case": None},
        {"of_case": case.case_id},
        {"said": "valid"},
        {"reference": "desk 99"},
        {"decision_id": uuid4()},
        {"jws": None},
    ):
        assert not decisions.signature_holds(replace(line, **changed), key, case), changed
    another = Ed25519PrivateKey.generate()
    assert not decisions.signature_holds(line, another, case)
    decisions.judge(connection, key, case, verdict("valid", seen=line.number), account="wang")
    valid = decisions.verdicts(connection, case)[0]
    assert decisions.signature_holds(valid, key, case)
    assert not decisions.signature_holds(replace(valid, of_case=other.case_id), key, case)


@pytest.mark.parametrize("number", ["", " ", "x" * 101, "a\u202eb", "a\nb"])
def test_a_ticket_number_is_one_that_can_be_read(
    connection: psycopg.Connection, case: cases.CaseId, number: str
) -> None:
    told = decisions.Ticket(UUID(int=1), number, None)
    with pytest.raises(ValueError, match="1 to 100"):
        decisions.file_under(connection, case, told, account="wang")


def test_what_the_device_did_not_take_is_counted_until_it_says_otherwise(
    connection: psycopg.Connection,
    key: Ed25519PrivateKey,
    device: Device,
    case: cases.CaseId,
) -> None:
    def not_taken() -> list[tuple[str | None, str | None]]:
        wanted = cases.Wanted(state="all", decided="not_taken")
        found = cases.queue(connection, wanted, account="wang", now_s=seconds(NOON))
        assert cases.counts(connection).not_taken == found.total
        return [(row.not_taken, row.not_taken_code) for row in found.rows]

    decisions.judge(connection, key, case, verdict(), account="wang")
    assert not_taken() == []
    send(connection, {"status": "refused", "code": "clock_unsure"})
    assert not_taken() == [("later", "clock_unsure")]
    send(connection, {"status": "refused", "code": "no_authority"})
    assert not_taken() == [("refused", "no_authority")]
    send(connection, {"status": "done"})
    assert not_taken() == []
    connection.execute("UPDATE outgoing SET answer = NULL, not_after = now()")
    assert not_taken() == [("expired", None)]
    again = decisions.judge(connection, key, case, verdict("false"), account="li")
    assert not_taken() == []
    assert again.said == "false"
