"""The platform's key: made once, readable by nobody else; a device whose site names it obeys what it signs."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from kerbwatch_platform.contract.verify_signed import verify
from kerbwatch_platform.evidence import signing
from kerbwatch_platform.evidence.asking import ask, ask_for_snapshot

from agent.config.authorities import AuthoritySection
from agent.identity.authorities import authorities_of
from agent.protocol.commands import Refusal
from tests.support.evidence_desk import City


def test_it_is_made_at_the_first_start_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "platform.pem"
    first = signing.public_jwk(signing.key(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert signing.public_jwk(signing.key(file)) == first
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_two_processes_that_start_at_once_have_the_same(tmp_path: Path) -> None:
    found: list[str] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        found.append(signing.public_jwk(signing.key(tmp_path / "platform.pem"))["kid"])

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_others_may_read_or_that_is_none_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "platform.pem"
    signing.key(file)
    file.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        signing.key(file)
    file.write_text("no key")
    file.chmod(0o600)
    with pytest.raises(ValueError, match=str(file)):
        signing.key(file)


def test_what_it_signs_a_device_takes_whose_site_names_it_in_that_role(tmp_path: Path) -> None:
    key = signing.key(tmp_path / "platform.pem")
    (tmp_path / "desk.pem").write_text(signing.public_pem(key))
    sections = [
        AuthoritySection.model_validate({"role": role, "key_file": "desk.pem"})
        for role in ("reviewer", "evidence")
    ]
    command = {"command": "verdict", "case_id": "c", "verdict": "valid", "reference": "li"}
    jws = signing.sign_order(key, "example-city", "example-corner", command)
    payload, signature = authorities_of(sections, tmp_path).verified(jws)
    assert signature.roles == {"reviewer", "evidence"}
    told = json.loads(payload)
    assert (told["tenant"], told["device_id"]) == ("example-city", "example-corner")
    other = signing.sign_order(signing.key(tmp_path / "other.pem"), "t", "d", command)
    with pytest.raises(Refusal):
        authorities_of(sections, tmp_path).verified(other)


@pytest.mark.parametrize("hours", [0, -1, 7 * 24 + 1])
def test_an_order_holds_for_no_longer_than_a_device_takes(tmp_path: Path, hours: float) -> None:
    with pytest.raises(ValueError, match="168 hours"):
        signing.sign_order(signing.key(tmp_path / "k.pem"), "t", "d", {}, hours)


def test_what_is_counter_signed_says_what_it_is(tmp_path: Path) -> None:
    key = signing.key(tmp_path / "k.pem")
    jws = signing.counter_sign(key, {"record": "handover", "by": "李"})
    assert verify(jws, signing.public_jwk(key), {"record": "handover"}) == {
        "record": "handover",
        "by": "李",
    }
    with pytest.raises(ValueError, match="record"):
        signing.counter_sign(key, {"verdict": "valid"})


def test_a_picture_is_asked_for_signed_with_a_reason_and_by_whom(city: City) -> None:
    own = city.own("a" * 64)
    order_id = ask(city.connection, city.settings, own, "case-1", reason="投诉 7", by="li")
    other = ask_for_snapshot(
        city.connection, city.settings, *city.place, "street", reason="投诉 8", by="wang"
    )
    orders: dict[str, Any] = {
        str(row[0]): row[1:]
        for row in city.rows("SELECT order_id, command, signed_jws, role, by_account FROM outgoing")
    }
    key = signing.public_jwk(signing.key(city.settings.signing_key_file))
    for each, by, word in ((order_id, "li", "picture"), (other, "wang", "snapshot")):
        command, jws, role, account = orders[each]
        assert (role, account, command["command"]) == ("evidence", by, word)
        told = verify(jws, key, {"command_id": each, "device_id": city.place[1]})
        assert isinstance(told, dict)
        assert told["reason"].startswith("投诉")
