"""Records are verified as they arrive: what does not hold is kept and said, and never shown as verified."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode
from typing import Any

import psycopg
import pytest
from kerbwatch_platform import evidence
from kerbwatch_platform.contract.sign import encoded
from kerbwatch_platform.evidence.records import check, link_of

from agent.identity.signing_key import Signer
from tests.support.evidence_desk import City
from tests.support.packed_cases import jpeg
from tests.support.paths import ROOT

VECTORS: dict[str, Any] = json.loads((ROOT / "contract/vectors/evidence.json").read_bytes())


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda each: each["name"])
def test_every_vector_of_the_contract_is_taken_for_what_it_is(vector: dict[str, Any]) -> None:
    """The vectors' events would say what they say; `bound` is what is asked for."""
    bound = vector["bound"]
    kind = "evidence.deleted" if vector["name"] == "tombstone" else "evidence.packed"
    body = {"case_id": bound["case_id"], "stage": "opened", "number": 17, "jws": vector["jws"]}
    if kind == "evidence.deleted":
        body["number"] = json.loads(_payload(vector["jws"]))["number"]
    found = check(
        kind,
        body,
        {"tenant": bound["tenant"], "device_id": bound["device_id"]},
        VECTORS["keys"][vector["key"]],
    )
    assert (found.fault is None) is vector["valid"], (found, vector["why"])


def _payload(jws: str) -> bytes:
    return urlsafe_b64decode(jws.split(".")[1] + "==")


def test_the_chain_of_the_contract_has_these_links() -> None:
    link = None
    for record in VECTORS["chain"]:
        link = link_of(link, record["sha256"])
        assert link == record["link"]


def test_a_case_is_verified_once_its_key_manifest_and_pictures_are_there_in_any_order(
    city: City,
) -> None:
    case_id = city.device.packed()
    copies = city.copies(case_id)
    city.sends(copies["begin"])
    assert city.states(case_id) == {}, "no manifest has come"
    city.hears()
    assert city.states(case_id) == {
        "begin": ("unverified", "no_key"),
        "threshold": ("awaited", None),
        "close_up": ("awaited", None),
        "after": ("awaited", None),
    }
    city.knows_the_key()
    evidence.verify_arrived(city.connection, [], births=[city.place])
    city.sends(copies["threshold"])
    states = city.states(case_id)
    assert states["begin"] == states["threshold"] == ("verified", None)
    assert states["after"] == ("awaited", None)
    assert city.rows("SELECT DISTINCT state, why, case_id FROM evidence_file") == [
        ("verified", None, case_id)
    ]
    records = evidence.records_of(city.connection, *city.place, case_id)
    assert [(each.stage, each.verified, each.chain) for each in records] == [
        ("opened", True, "begins"),
        ("cleared", True, "follows"),
    ]


def test_a_picture_that_could_not_be_redacted_is_said_with_its_reason(city: City) -> None:
    case_id = city.device.packed(unredacted="view_moved")
    city.knows_the_key()
    city.hears()
    assert set(city.states(case_id).values()) == {("not_redacted", "view_moved")}


def test_signed_by_another_key_it_is_unverified_until_a_person_takes_that_key(city: City) -> None:
    other = Signer(city.device.folder / "other-keys").public
    city.knows_the_key({"kid": other.kid, "x": other.x})
    case_id = city.device.packed(cleared=False)
    city.hears()
    city.sends(city.copies(case_id)["begin"])
    assert city.states(case_id)["begin"] == ("unverified", "another_key")
    city.knows_the_key()  # a person has deleted the old row, and the next birth brought this one
    evidence.verify_arrived(city.connection, [], births=[city.place])
    assert city.states(case_id)["begin"] == ("verified", None)


def test_what_was_changed_on_the_way_is_unverified_and_says_so(city: City) -> None:
    city.knows_the_key()
    case_id = city.device.packed(cleared=False)
    [event] = (each.model_dump(mode="json") for each in city.device.events())
    changes: dict[str, Any] = {
        "bad_signature": {"jws": event["body"]["jws"][:-6] + "AAAAAA"},
        "contradicts": {"case_id": "0197a3c0-0000-7000-8000-000000000000"},
        "unreadable": {"jws": "no.signature.at-all"},
    }
    for fault, change in changes.items():
        told = event | {"event_id": f"id-{fault}", "body": event["body"] | change}
        city.stores(told)
        evidence.verify_arrived(city.connection, [(*city.place, told["event_id"])])
        [(found,)] = city.rows(f"SELECT fault FROM evidence_record WHERE event_id = 'id-{fault}'")
        assert found == fault
    assert all(state != "verified" for state, _ in city.states(case_id).values())
    records = evidence.records_of(city.connection, *city.place, case_id)
    assert not any(each.verified for each in records)


def test_a_manifest_of_another_device_under_this_ones_topic_proves_nothing(city: City) -> None:
    city.knows_the_key()
    case_id = city.device.packed(cleared=False)
    tenant, _ = city.place
    [event] = (each.model_dump(mode="json") for each in city.device.events())
    city.connection.execute(
        "INSERT INTO device_key SELECT tenant, 'other-corner', key FROM device_key"
    )
    city.connection.execute(
        "INSERT INTO event (tenant, device, event_id, type, test, raw)"
        " VALUES (%s, 'other-corner', %s, %s, false, %s)",
        (tenant, event["event_id"], event["type"], json.dumps(event)),
    )
    evidence.verify_arrived(city.connection, [(tenant, "other-corner", event["event_id"])])
    [record] = evidence.records_of(city.connection, tenant, "other-corner", case_id)
    assert (record.verified, record.why) == (False, "contradicts")


def test_a_record_that_was_left_out_is_awaited_and_what_follows_it_still_holds(city: City) -> None:
    city.knows_the_key()
    first, second = city.device.packed(), city.device.packed(cleared=False)
    events = [each.model_dump(mode="json") for each in city.device.events()]
    for event in (events[0], events[2]):
        city.stores(event)
    evidence.verify_arrived(city.connection, [(*city.place, each["event_id"]) for each in events])
    assert chains(city) == [(1, "begins"), (3, "awaits")]
    [record] = evidence.records_of(city.connection, *city.place, second)
    assert record.verified, "that another is missing does not make this one less the device's"
    city.hears()
    assert chains(city) == [(1, "begins"), (2, "follows"), (3, "follows")]
    assert len(evidence.records_of(city.connection, *city.place, first)) == 2


def test_a_record_that_was_exchanged_breaks_the_chain_and_one_that_others_forged_does_not(
    city: City,
) -> None:
    city.knows_the_key()
    case_id = city.device.packed(cleared=False)
    city.device.packed(cleared=False)
    city.hears()
    assert chains(city) == [(1, "begins"), (2, "follows")]
    forged = city.device.events()[0].model_dump(mode="json")
    forged["event_id"], forged["body"]["jws"] = "forged", forged["body"]["jws"][:-6] + "AAAAAA"
    city.stores(forged)
    evidence.verify_arrived(city.connection, [(*city.place, "forged")])
    assert (2, "follows") in chains(city)
    # The device's own key signed another record 1: its database was set back, and what came after is exchanged.
    city.connection.execute("UPDATE evidence_record SET link = repeat('0', 64) WHERE number = 1")
    second = city.device.events()[1].model_dump(mode="json")
    evidence.verify_arrived(city.connection, [(*city.place, second["event_id"])])
    assert (2, "broken") in chains(city)
    city.sends(city.copies(second["body"]["case_id"])["begin"])
    assert city.states(second["body"]["case_id"])["begin"] == ("unverified", "chain_broken")
    assert city.states(case_id)["begin"][0] == "awaited"


def chains(city: City) -> list[tuple[Any, ...]]:
    return city.rows(
        "SELECT DISTINCT number, chain FROM evidence_record WHERE fault IS NULL ORDER BY 1"
    )


def test_what_nobody_verified_on_arrival_is_found_later(city: City) -> None:
    """A worker was killed between the store's commit and this, or the key came after the manifest."""
    case_id = city.device.packed()
    city.hears(verify=False)
    assert evidence.records_of(city.connection, *city.place, case_id) == []
    assert evidence.verify_rest(city.connection) == 2
    assert evidence.records_of(city.connection, *city.place, case_id)[0].why == "no_key"
    city.knows_the_key()
    assert evidence.verify_rest(city.connection) == 2
    assert all(each.verified for each in evidence.records_of(city.connection, *city.place, case_id))
    assert evidence.verify_rest(city.connection) == 0


def test_what_two_workers_took_in_at_once_is_brought_together(city: City) -> None:
    """A picture, its manifest and the one before it, each in a transaction that does not see the others'."""
    city.knows_the_key()
    case_id = city.device.packed()
    copied = city.copies(case_id)["after"]
    ids = city.hears(verify=False)
    connections = [psycopg.connect(city.settings.database) for _ in range(3)]
    for each in connections:
        each.execute("SELECT 1")  # begins the worker's own transaction
    first, second, third = connections
    evidence.verify_arrived(first, [(*city.place, ids[0])])
    evidence.verify_arrived(second, [(*city.place, ids[1])])
    evidence.take(third, city.settings, city.pieces(copied))
    for each in connections:
        each.commit()
        each.close()
    assert chains(city) == [(1, "begins"), (2, "awaits")]
    assert city.rows("SELECT state, case_id FROM evidence_file") == [("unverified", None)]
    assert city.states(case_id)["after"] == ("verified", None), "the desk goes by the records"
    evidence.verify_rest(city.connection)
    assert chains(city) == [(1, "begins"), (2, "follows")]
    assert city.rows("SELECT state, case_id FROM evidence_file") == [("verified", case_id)]


def test_names_that_a_hostile_manifest_may_have_are_never_stored(city: City) -> None:
    """Signed by the device's own key: it may say what it likes, and the desk shows none of it."""
    key = VECTORS["keys"]["device"]
    pictures = [
        {"role": "begin\x1b[2J", "file": "x", "redacted": {"sha256": "a" * 64}},
        {"role": "begin", "file": "a\u202egpj.exe", "redacted": {"sha256": "b" * 64}},
        {"role": "begin", "file": "ok.jpg", "redacted": {"sha256": "../../../etc/passwd"}},
        {"role": "begin", "file": "ok.jpg", "captured_at": "never", "redacted": 7},
        "no picture",
        *[{"role": "begin", "file": "ok.jpg"}] * 1000,
    ]
    told = {"number": 1, "previous": None, "pictures": pictures, "stage": "opened"}
    jws = f"{encoded(b'{}')}.{encoded(json.dumps(told).encode())}.AAAA"
    found = check("evidence.packed", {"jws": jws}, {}, key)
    assert found.fault == "bad_signature"
    assert {each.file for each in found.pictures} == {"ok.jpg"}
    assert all(each.sha256 is None for each in found.pictures)
    assert len(found.pictures) <= 32


def test_a_snapshot_is_no_picture_of_a_case(city: City) -> None:
    content = jpeg("snapshot", 320, 180)
    own = city.own(hashlib.sha256(content).hexdigest())
    city.stores(
        {"event_id": "s1", "type": "evidence.snapshot", "body": {"sha256": own.sha256}},
    )
    city.sends(content)
    assert city.rows("SELECT kind, state, case_id FROM evidence_file") == [
        ("snapshot", "unverified", None)
    ]
