"""The example consumer, fed by hand: what it stores, what it refuses and what it tells the device."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.protocol.downlink import Receipt
from agent.protocol.examples import examples
from agent.protocol.vectors import public_key, signed_by
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
    from pathlib import Path

storing, start = module("storing"), module("start")
TENANT, DEVICE = "example-city", "example-corner"
EPOCH = json.loads(LIVE)["events"][0]["epoch"]


@pytest.fixture
def db() -> sqlite3.Connection:
    opened: sqlite3.Connection = storing.opened(":memory:")
    return opened


def rows(db: sqlite3.Connection, query: str) -> list[Any]:
    return db.execute(query).fetchall()


def take(db: sqlite3.Connection, payload: str | bytes) -> Any:
    return storing.take(db, TOPIC, payload.encode() if isinstance(payload, str) else payload)


def receipts(db: sqlite3.Connection, epoch: str = EPOCH) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(each)) for each in storing.receipts(db, TENANT, DEVICE, epoch)]


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
    db = storing.opened(":memory:")
    take(db, payload)
    take(db, LIVE)
    assert rows(db, "SELECT count(*) FROM event") == [(1,)]


def test_a_database_of_before_has_the_views_of_now(tmp_path: Path) -> None:
    path = tmp_path / "platform.db"
    before = storing.opened(path)
    take(before, changed(sequence=1))
    before.execute("DROP VIEW missing")
    before.execute("CREATE VIEW missing AS SELECT 'as it was read then' AS why")
    now = storing.opened(path)
    assert rows(now, "SELECT why FROM missing") == rows(before, "SELECT why FROM missing") == []
    assert rows(now, "SELECT count(*) FROM event") == [(1,)]


def test_what_an_older_consumer_refused_is_no_longer_refused_once_it_can_be_read(
    db: sqlite3.Connection,
) -> None:
    storing.insert(db, "refused", TENANT, DEVICE, EPOCH, 2, "against_the_schema", "{}")
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


LOSS = {"epoch": EPOCH, "lane": "health", "reason": "evicted", "ranges": [[3, 5], [8, 8]]}
OF_ITS_EVENT = {"tenant": TENANT, "device_id": DEVICE, "event_id": "loss"}


def report(payload: Any, *, owner: str = "device", **more: Any) -> str:
    """A message with the event ``loss``, whose body is signed by an owner of a key."""
    body = {"jws": signed_by(owner, payload)}
    return numbered("loss", 6, **{"type": "device.loss", "body": body} | more)


def birth(sequence: int, owner: str | None = "device") -> str:
    """A message with a birth, which names the key of an owner."""
    [event, *_] = examples()["message-historical"]["events"]
    key = owner and public_key(owner).model_dump()
    body = event["body"] | {"signing_key": key}
    return numbered(f"birth-{sequence}", sequence, type="device.birth", body=body)


def settled(db: sqlite3.Connection) -> tuple[int, Any]:
    [receipt] = receipts(db)
    return receipt["contiguous_through"], receipt.get("ranges", [])


def test_what_a_loss_report_names_counts_as_settled(db: sqlite3.Connection) -> None:
    take(db, birth(1))
    take(db, numbered("2", 2))
    assert take(db, report(OF_ITS_EVENT | {"losses": [LOSS]})) == {(TENANT, DEVICE, EPOCH)}
    assert rows(db, "SELECT first, last, report FROM lost") == [(3, 5, "loss"), (8, 8, "loss")]
    assert settled(db) == (6, [[8, 8]])


def test_a_loss_report_of_version_1_is_bound_to_its_device_by_the_key_alone(
    db: sqlite3.Connection,
) -> None:
    take(db, birth(1))
    take(db, report([LOSS], contract=1))
    assert rows(db, "SELECT first, last FROM lost") == [(3, 5), (8, 8)]


def test_a_loss_report_waits_for_the_birth_that_names_the_key(db: sqlite3.Connection) -> None:
    other = numbered("2", 2, "other")
    take(db, other)
    take(db, report(OF_ITS_EVENT | {"losses": [LOSS, LOSS | {"epoch": "other"}]}))
    take(db, birth(7, owner=None))
    assert rows(db, "SELECT * FROM lost") == []
    assert take(db, birth(1)) == {(TENANT, DEVICE, EPOCH), (TENANT, DEVICE, "other")}
    assert rows(db, "SELECT count(*) FROM lost") == [(4,)]


RIGHT = OF_ITS_EVENT | {"losses": [LOSS]}
NOT_OF_IT = {
    "another key's": report(RIGHT, owner="another"),
    **{f"another {name}'s": report(RIGHT | {name: "another"}) for name in OF_ITS_EVENT},
    **{
        f"another {name}'s, said to be of version 1": report(RIGHT | {name: "another"}, contract=1)
        for name in OF_ITS_EVENT
    },
    "bound to nothing": report([LOSS]),
    "unsigned": report({}, body={"jws": signed_by("device", RIGHT).rpartition(".")[0] + ".AAAA"}),
}


@pytest.mark.parametrize("payload", NOT_OF_IT.values(), ids=NOT_OF_IT)
def test_a_loss_report_that_is_not_signed_for_its_event_with_the_first_key_names_nothing(
    db: sqlite3.Connection, payload: str
) -> None:
    for each in (birth(1), birth(2, owner="another"), payload):
        take(db, each)
    assert rows(db, "SELECT count(*) FROM event") == [(3,)]
    assert rows(db, "SELECT * FROM lost") == []


@pytest.mark.parametrize(
    "losses",
    [
        7,
        None,
        {"ranges": 1},
        [LOSS | {"ranges": [[5, 3]]}],
        [LOSS | {"ranges": [[1, 2**70]]}],
        [LOSS | {"ranges": [[1.5, "2"]]}],
        [LOSS | {"epoch": "../x"}],
        [LOSS | {"reason": "\0"}],
    ],
)
def test_a_loss_report_that_names_nothing_readable_names_nothing(
    db: sqlite3.Connection, losses: Any
) -> None:
    take(db, birth(1))
    take(db, report(OF_ITS_EVENT | {"losses": losses}))
    assert rows(db, "SELECT count(*) FROM event") == [(2,)]
    assert rows(db, "SELECT * FROM lost") == []


@pytest.mark.parametrize("body", [None, {}, [], {"jws": 7}, {"jws": "a"}, {"jws": "a.b.c"}])
def test_a_loss_report_without_a_signature_names_nothing(db: sqlite3.Connection, body: Any) -> None:
    take(db, birth(1))
    take(db, report({}, body=body))
    assert rows(db, "SELECT * FROM lost") == []


@pytest.mark.parametrize(
    "key", [7, [], {}, {"kid": 1, "x": 2}, {"kid": "k", "x": "no key"}, {"kid": "k", "x": "é"}]
)
def test_a_birth_with_a_key_that_is_none_costs_no_message(db: sqlite3.Connection, key: Any) -> None:
    document = json.loads(birth(1))
    document["events"][0]["body"]["signing_key"] = key
    take(db, json.dumps(document))
    take(db, report(OF_ITS_EVENT | {"losses": [LOSS]}))
    assert rows(db, "SELECT * FROM lost") == rows(db, "SELECT * FROM set_aside") == []


def test_every_receipt_is_one_that_a_device_heeds(db: sqlite3.Connection) -> None:
    for sequence in range(1, 2600, 2):
        storing.insert(db, "numbered", TENANT, DEVICE, EPOCH, sequence, f"{sequence}")
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
