"""What may not rest on a broker's login: who signed it, for which device, and what it changes."""

from __future__ import annotations

import json
import tomllib
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.audit import OF_PLATFORM
from agent.config.ordered import ordered
from agent.delivery.commands.reader import CommandReader, Order, UnreadError
from agent.identity.authorities import Authorities
from agent.protocol import vectors
from agent.protocol.commands import COMMANDS
from agent.protocol.signed import encoded
from agent.protocol.vectors import public_key, signed_by
from agent.storage.case_notes import notes_in
from agent.storage.paths import ORDERED
from agent.storage.state_table import load_state
from tests.support.signed_orders import ALL, ROLES, Corner
from tests.support.sites import site_of
from tests.support.topics import DEVICE, TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def corner(tmp_path: Path) -> Iterator[Corner]:
    made = Corner(tmp_path)
    yield made
    made.end()


def verdict(case_id: str, **told: Any) -> dict[str, Any]:
    return {"case_id": case_id, "verdict": "valid", "reference": "核查 7", **told}


@pytest.mark.parametrize(
    "vector", vectors.commands()["vectors"], ids=lambda vector: str(vector["name"])
)
def test_a_device_takes_the_published_vectors_that_are_valid(vector: dict[str, Any]) -> None:
    reader = CommandReader(COMMANDS, ALL, **vector["bound"])
    try:
        order = reader.read(json.dumps({"jws": vector["jws"]}).encode())
    except UnreadError:
        assert not vector["valid"]
    else:
        # What has expired is an order all the same: whether it is late is asked when it is to be done.
        assert isinstance(order, Order)
        assert vector["valid"] or vector["name"] == "expired"


def test_a_verdict_is_kept_counted_and_recorded_with_the_key_that_signed_it(corner: Corner) -> None:
    case_id = corner.device.case()
    assert corner.signed("reviewer", "verdict", **verdict(case_id)).status == "done"
    found = notes_in(corner.device.database, case_id).verdict
    assert found is not None
    assert (found.verdict, found.reference, found.key) == (
        "valid",
        "核查 7",
        public_key("reviewer").kid,
    )
    [(what, facts)] = corner.recorded()
    assert (what, facts["key"], facts["roles"]) == ("case.judged", found.key, ["reviewer"])
    changed = verdict(case_id, verdict="false")
    assert corner.signed("reviewer", "verdict", command_id="c-2", **changed).status == "done"
    with closing(corner.device.database.read()) as reader:
        rows = reader.execute("SELECT name, value FROM days WHERE name LIKE 'judged.%'").fetchall()
    assert sorted(rows) == [("judged.false", 1.0), ("judged.valid", 1.0)]


@pytest.mark.parametrize(
    ("by", "command", "told", "code"),
    [
        (
            "operator",
            "verdict",
            {"case_id": "x", "verdict": "valid", "reference": "r"},
            "wrong_role",
        ),
        ("evidence", "apply", {"number": 1, "site": "AA", "zones": "AA"}, "wrong_role"),
        ("reviewer", "hold", {"case_id": "x", "held": False, "reason": "r"}, "wrong_role"),
        (
            "reviewer",
            "picture",
            {"case_id": "x", "file": "x/begin.jpg", "reason": "r"},
            "wrong_role",
        ),
        ("another", "pace", {"backlog_events_per_s": 1.0}, "unknown_key"),
        ("operator", "pace", {"backlog_events_per_s": 1.0, "tenant": "other"}, "wrong_device"),
        ("operator", "pace", {"backlog_events_per_s": 1.0, "device_id": "other"}, "wrong_device"),
        ("operator", "pace", {"backlog_events_per_s": 1.0, "expires_at": None}, "invalid_value"),
        ("operator", "pace", {"backlog_events_per_s": 1.0}, None),
    ],
)
def test_who_may_order_what_is_held(
    corner: Corner, by: str, command: str, told: dict[str, Any], code: str | None
) -> None:
    answer = corner.signed(by, command, **told)
    assert (answer.command_id, answer.code) == ("c-1", code)


@pytest.mark.parametrize(("over_s", "code"), [(1, "expires_too_late"), (0, None)])
def test_what_is_signed_expires_before_the_device_can_forget_that_it_was_done(
    corner: Corner, over_s: int, code: str | None
) -> None:
    expires_at = corner.device.clock.now() + timedelta(days=7, seconds=over_s)
    told = {"backlog_events_per_s": 1.0, "expires_at": expires_at.isoformat()}
    answer = corner.signed("operator", "pace", **told)
    assert answer.code == code
    assert code is None or (answer.allowed is not None and answer.allowed.most == 7 * 86_400)
    plain = {"command": "pace", "command_id": "plain", **told}
    assert corner.hear(plain).status == "done", "what is not signed whoever may publish makes anew"


@pytest.mark.parametrize("command", ["verdict", "apply", "picture", "snapshot", "hold"])
def test_unsigned_it_is_refused_and_said_who_may(corner: Corner, command: str) -> None:
    fields: dict[str, dict[str, Any]] = {
        "verdict": verdict("x"),
        "apply": {"number": 1, "site": "AA", "zones": "AA"},
        "picture": {"case_id": "x", "file": "x/begin.jpg", "reason": "r"},
        "snapshot": {"camera_id": "street", "reason": "r"},
        "hold": {"case_id": "x", "held": False, "reason": "r"},
    }
    plain = {"command": command, "command_id": "c-1", **fields[command]}
    answer = corner.hear(plain)
    assert (answer.status, answer.code) == ("refused", "not_signed")
    assert answer.allowed is not None
    assert answer.allowed.one_of


def test_where_the_site_names_nobody_nothing_signed_is_done(tmp_path: Path) -> None:
    corner = Corner(tmp_path, Authorities())
    case_id = corner.device.case()
    answer = corner.signed("reviewer", "verdict", **verdict(case_id))
    assert answer.code == "no_authority"
    assert answer.allowed is not None
    assert answer.allowed.one_of == tuple(sorted(ROLES))
    assert corner.recorded() == []
    corner.end()


def test_a_ticket_is_kept_with_its_case(corner: Corner) -> None:
    case_id = corner.device.case()
    told = {"command": "ticket", "command_id": "t-1", "case_id": case_id, "ticket": "2026-7"}
    assert corner.hear(told).status == "done"
    assert notes_in(corner.device.database, case_id).ticket == "2026-7"
    assert corner.hear(told | {"command_id": "t-2", "case_id": "none"}).code == "not_found"


# ── apply ────────────────────────────────────────────────────────────────────────────────────

SITE = """
[site]
tenant = "{tenant}"
device_id = "{device}"
address = "example"
[[cameras]]
camera_id = "street"
driver = "synthetic"
[models]
verifier = ""
[cooling]
sensor = "/nowhere/temp"
[storage]
state_dir = "state"
run_dir = "run"
"""


def order(number: int, site: str = "", **told: Any) -> dict[str, Any]:
    written = SITE.format(tenant=TENANT, device=DEVICE) + site
    return {
        "command_id": f"a-{number}",
        "number": number,
        "site": encoded(written.encode()),
        "zones": encoded(b'{"zones": []}'),
        **told,
    }


def test_a_configuration_is_kept_and_only_ever_a_higher_number(corner: Corner) -> None:
    assert (
        tomllib.loads(SITE.format(tenant=TENANT, device=DEVICE)).keys()
        == site_of(cooling={}).keys()
    )
    answer = corner.signed("operator", "apply", **order(7))
    assert (answer.status, answer.code) == ("done", None), answer.reason
    assert "not applied here" in (answer.reason or "")
    kept = ordered(corner.folder)
    assert kept is not None
    assert (kept.number, kept.key) == (7, public_key("operator").kid)
    for number in (7, 6, 1):
        told = order(number) | {"command_id": f"again-{number}"}
        answer = corner.signed("operator", "apply", **told)
        assert answer.code == "number_too_low"
        assert answer.allowed is not None
        assert answer.allowed.least == 8
    assert corner.recorded()[-1][0] == "configuration.ordered"


@pytest.mark.parametrize("failing", ["database", "audit log"])
def test_an_order_that_was_kept_when_the_disk_failed_goes_on_when_it_comes_again(
    tmp_path: Path, failing: str
) -> None:
    corner = Corner(tmp_path)
    log = tmp_path / "audit" / OF_PLATFORM
    if failing == "database":
        corner.device.database.write(
            lambda connection: connection.execute("PRAGMA query_only = ON") and None
        ).result()
    else:
        log.parent.mkdir(exist_ok=True)
        log.write_text("no folder")
    payload = {"contract": 2, "jws": signed_by("operator", corner.ordinary("apply", **order(7)))}
    assert corner.hear(payload).code == "not_stored"
    corner.end()
    if failing == "audit log":
        log.unlink()
    corner = Corner(tmp_path)
    other = corner.signed("operator", "apply", **order(7) | {"command_id": "other"})
    assert other.code == "number_too_low"
    answer = corner.hear(payload)
    assert (answer.status, answer.code) == ("done", None), answer.reason
    assert [what for what, _ in corner.recorded()] == ["configuration.ordered"]
    with closing(corner.device.database.read()) as reader:
        assert load_state(reader, "configuration.ordered_number") == "7"
    corner.end()


@pytest.mark.parametrize("held", [True, False])
def test_a_hold_that_could_not_be_recorded_is_recorded_when_it_comes_again(
    corner: Corner, held: bool
) -> None:
    told = {"case_id": corner.device.case(), "reason": "复议", "held": held}
    if not held:
        corner.signed("evidence", "hold", **told | {"held": True, "command_id": "before"})
    log, aside = corner.folder / "audit" / OF_PLATFORM, corner.folder / "aside"
    log.mkdir(parents=True, exist_ok=True)
    log.rename(aside)
    log.write_text("no folder")
    assert corner.signed("evidence", "hold", **told).code == "not_stored"
    log.unlink()
    aside.rename(log)
    assert corner.signed("evidence", "hold", **told).status == "done"
    assert corner.recorded()[-1][0] == ("hold.set" if held else "hold.lifted")


@pytest.mark.parametrize("lost", ["database", "file", "damaged"])
def test_a_database_or_a_file_that_was_set_back_makes_no_old_number_new(
    corner: Corner, lost: str
) -> None:
    assert corner.signed("operator", "apply", **order(7)).status == "done"
    if lost == "database":
        corner.device.database.write(
            lambda connection: connection.execute("DELETE FROM state").rowcount
        ).result()
    elif lost == "file":
        (corner.folder / ORDERED).unlink()
    else:
        (corner.folder / ORDERED).write_text("{")
    corner.device.clock.step(corner.device.clock.now() - timedelta(days=400))
    told = order(6) | {"command_id": "older"}
    assert corner.signed("operator", "apply", **told).code == "number_too_low"


@pytest.mark.parametrize(
    ("change", "code", "about"),
    [
        (("broken", "= ="), "invalid_configuration", ""),
        (('driver = "synthetic"', 'driver = "none"'), "invalid_configuration", "driver"),
        ((TENANT, "other-city"), "protected_setting", "site.tenant"),
        (
            ("[cooling]", '[uplink]\nbroker = "mqtts://b.example"\n[cooling]'),
            "protected_setting",
            "uplink.broker",
        ),
        (
            ("[cooling]", '[[authorities]]\nrole = "operator"\nkey_file = "k.pem"\n[cooling]'),
            "protected_setting",
            "authorities",
        ),
        (('"state"', '"elsewhere"'), "protected_setting", "storage.state_dir"),
    ],
)
def test_what_it_may_not_change_it_does_not_and_what_is_wrong_is_named(
    corner: Corner, change: tuple[str, str], code: str, about: str
) -> None:
    written = SITE.format(tenant=TENANT, device=DEVICE)
    changed = written.replace(*change) if change[0] in written else written + change[1]
    answer = corner.signed(
        "operator",
        "apply",
        **order(7) | {"site": encoded(changed.encode())},
    )
    assert (answer.status, answer.code) == ("refused", code)
    assert about in (answer.reason or "")
    assert ordered(corner.folder) is None
