"""The example consumer, fed by hand: what it stores, what it refuses and what it tells the device."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.protocol.downlink import Receipt
from agent.protocol.examples import examples
from tests.support.example_platform import module
from tests.support.hostile_messages import (
    AMBIGUOUS,
    ANOTHERS,
    DEEP,
    LIVE,
    NO_TEXT,
    NUMBERLESS,
    TOPIC,
    UNREADABLE,
    changed,
    nested,
)

if TYPE_CHECKING:
    import sqlite3

consumer, start = module("consumer"), module("start")
TENANT, DEVICE = "example-city", "example-corner"
EPOCH = json.loads(LIVE)["events"][0]["epoch"]


@pytest.fixture
def db() -> sqlite3.Connection:
    opened: sqlite3.Connection = consumer.opened(":memory:")
    return opened


def rows(db: sqlite3.Connection, query: str) -> list[Any]:
    return db.execute(query).fetchall()


def take(db: sqlite3.Connection, payload: str | bytes) -> Any:
    return consumer.take(db, TOPIC, payload.encode() if isinstance(payload, str) else payload)


def receipts(db: sqlite3.Connection, epoch: str = EPOCH) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(each)) for each in consumer.receipts(db, TENANT, DEVICE, epoch)]


def numbered(event_id: str, sequence: int, epoch: str = EPOCH, **more: Any) -> str:
    return changed(event_id=event_id, sequence=sequence, epoch=epoch, **more)


def test_every_example_of_the_contract_is_stored_plain_and_packed(db: sqlite3.Connection) -> None:
    for name, document in examples().items():
        if name.startswith("message-"):
            text = json.dumps(document, ensure_ascii=False).encode()
            take(db, text)
            take(db, gzip.compress(text))
    stored = {event_id for (event_id,) in rows(db, "SELECT event_id FROM event")}
    assert stored == {
        event["event_id"]
        for name, document in examples().items()
        if name.startswith("message-")
        for event in document["events"]
    }
    assert rows(db, "SELECT * FROM refused") == rows(db, "SELECT * FROM set_aside") == []


def test_an_event_that_comes_under_another_number_is_kept_once_and_both_numbers_are_noted(
    db: sqlite3.Connection,
) -> None:
    take(db, numbered("a", 1, "e1"))
    take(db, numbered("a", 1, "e1"))
    take(db, numbered("a", 2, "e2"))
    take(db, numbered("birth", 1, "e2"))
    assert rows(db, "SELECT count(*) FROM event") == [(2,)]
    assert rows(db, "SELECT epoch, sequence FROM numbered WHERE event_id = 'a' ORDER BY epoch") == [
        ("e1", 1),
        ("e2", 2),
    ]
    assert [each["contiguous_through"] for each in receipts(db, "e2")] == [2]


def test_what_it_does_not_know_is_stored_as_it_came_and_receipted(db: sqlite3.Connection) -> None:
    take(db, changed(sequence=1, type="device.surprise", body={"new": [1, {"deep": None}]}, more=1))
    [(raw,)] = rows(db, "SELECT raw FROM event WHERE type = 'device.surprise'")
    assert json.loads(raw)["body"] == {"new": [1, {"deep": None}]}
    assert json.loads(raw)["more"] == 1
    assert [each["contiguous_through"] for each in receipts(db)] == [1]


def test_an_unknown_field_may_be_as_deep_as_its_event_may(db: sqlite3.Connection) -> None:
    assert '"later"' in nested(60)
    take(db, nested(60))
    assert rows(db, "SELECT sequence FROM numbered") == [(2,)]


@pytest.mark.parametrize(
    ("code", "payload"),
    [
        *[("ambiguous_json", each) for each in AMBIGUOUS.values()],
        *[("not_its_topic", each) for each in ANOTHERS.values()],
        *[("nested_too_deep", each) for each in DEEP.values()],
        *[("unreadable_text", each) for each in NO_TEXT.values()],
        ("unreadable_text", changed(type="device.surprise", body={"later": "\0"})),
        ("unreadable_text", changed(type="device.surprise", body={"later": "\ud800"})),
        ("against_the_schema", changed(event_id=7)),
        ("against_the_schema", changed(type=None)),
    ],
)
def test_what_breaks_the_envelope_is_refused_by_its_number_with_a_code(
    db: sqlite3.Connection, code: str, payload: str
) -> None:
    take(db, payload)
    assert rows(db, "SELECT sequence, code FROM refused") == [(2, code)]
    assert rows(db, "SELECT * FROM event") == []
    [receipt] = receipts(db)
    assert receipt["refused"] == [[2, 2, code]]
    assert (receipt["contiguous_through"], receipt["ranges"]) == (0, [[2, 2]])


def test_one_broken_event_costs_no_other_of_its_message(db: sqlite3.Connection) -> None:
    document = json.loads(LIVE)
    [right] = document["events"]
    document["events"] = [right | {"sequence": 1, "event_id": None}, right, 7, right | {"epoch": 7}]
    take(db, json.dumps(document))
    assert rows(db, "SELECT sequence FROM numbered") == [(2,)]
    assert rows(db, "SELECT sequence FROM refused") == [(1,)]
    assert rows(db, "SELECT count(*) FROM set_aside") == [(2,)]
    assert [each["contiguous_through"] for each in receipts(db)] == [2]


@pytest.mark.parametrize("payload", [*UNREADABLE.values(), *NUMBERLESS.values()])
def test_what_has_no_number_is_set_aside_once(db: sqlite3.Connection, payload: str | bytes) -> None:
    for _ in range(3):
        assert take(db, payload) == set()
    assert rows(db, "SELECT count(*) FROM set_aside") == [(1,)]
    assert rows(db, "SELECT * FROM event") == rows(db, "SELECT * FROM refused") == []


@given(payload=st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode()))
def test_any_bytes_cost_themselves_alone(payload: bytes) -> None:
    db = consumer.opened(":memory:")
    take(db, payload)
    take(db, LIVE)
    assert rows(db, "SELECT count(*) FROM event") == [(1,)]


def test_what_an_older_consumer_refused_is_no_longer_refused_once_it_can_be_read(
    db: sqlite3.Connection,
) -> None:
    consumer.insert(db, "refused", TENANT, DEVICE, EPOCH, 2, "against_the_schema", "{}")
    take(db, LIVE)
    assert rows(db, "SELECT * FROM refused") == []
    assert rows(db, "SELECT sequence FROM numbered") == [(2,)]


def test_another_event_under_a_number_is_a_conflict_until_it_has_one_of_its_own(
    db: sqlite3.Connection,
) -> None:
    take(db, numbered("a", 2))
    take(db, numbered("b", 2))
    assert [each["conflicts"] for each in receipts(db)] == [[[2, 2]]]
    take(db, numbered("b", 3))
    assert "conflicts" not in receipts(db)[0]
    assert rows(db, "SELECT event_id FROM numbered ORDER BY sequence") == [("a",), ("b",)]


def signed(payload: Any) -> str:
    """A compact JWS around a payload; whose signature it bears is not what is read here."""
    text = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJFZERTQSJ9.{text}.c2lnbmF0dXJl"


LOSS = {"epoch": EPOCH, "lane": "health", "reason": "evicted", "ranges": [[3, 5], [8, 8]]}


@pytest.mark.parametrize("payload", [[LOSS], {"losses": [LOSS]}], ids=["contract 1", "contract 2"])
def test_what_a_loss_report_names_counts_as_settled(db: sqlite3.Connection, payload: Any) -> None:
    for sequence in (1, 2):
        take(db, numbered(f"{sequence}", sequence))
    take(db, numbered("loss", 6, type="device.loss", body={"jws": signed(payload)}))
    assert rows(db, "SELECT first, last, report FROM lost") == [(3, 5, "loss"), (8, 8, "loss")]
    [receipt] = receipts(db)
    assert (receipt["contiguous_through"], receipt["ranges"]) == (6, [[8, 8]])


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"jws": 7},
        {"jws": "a"},
        {"jws": "a.b.c"},
        {"jws": signed(7)},
        {"jws": signed({"losses": {"ranges": 1}})},
        {"jws": signed([LOSS | {"ranges": [[5, 3]]}])},
        {"jws": signed([LOSS | {"ranges": [[1, 2**70]]}])},
        {"jws": signed([LOSS | {"ranges": [[1.5, "2"]]}])},
        {"jws": signed([LOSS | {"epoch": "../x"}])},
    ],
)
def test_a_loss_report_that_names_nothing_readable_names_nothing(
    db: sqlite3.Connection, body: Any
) -> None:
    take(db, numbered("loss", 1, type="device.loss", body=body))
    assert rows(db, "SELECT * FROM lost") == []


def test_every_receipt_is_one_that_a_device_heeds(db: sqlite3.Connection) -> None:
    for sequence in range(1, 2600, 2):
        consumer.insert(db, "numbered", TENANT, DEVICE, EPOCH, sequence, f"{sequence}")
    told = receipts(db)
    assert [len(each["ranges"]) for each in told] == [1000, 299]
    for each in told:
        Receipt.model_validate_json(json.dumps(each))
    assert {each["contiguous_through"] for each in told} == {1}


def test_the_smallest_platform_stores_and_says_the_same(tmp_path: Any) -> None:
    small = start.opened(tmp_path / "platform.db")
    for payload in (LIVE, LIVE, numbered("a", 1), numbered("a", 3)):
        [receipt] = start.take(small, TOPIC, gzip.compress(payload.encode()))
    assert rows(small, "SELECT count(*) FROM event") == [(2,)]
    assert json.loads(receipt)["contiguous_through"] == 3
    Receipt.model_validate_json(receipt)
