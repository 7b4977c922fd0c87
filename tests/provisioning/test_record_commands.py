"""What a technician can do about what a device keeps, and that it is recorded."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from agent.audit import records
from agent.config.loading import load
from drivers.card import read_card
from provisioning.check import CHECKS
from provisioning.check.findings import Device as Checked
from provisioning.check.findings import carry_out
from tests.support.command_line import kerbwatch
from tests.support.housekeeping import hold, housekeeping_of
from tests.support.ordering import ordered
from tests.support.sites import site_of, write_site
from tests.support.state_folder import StateFolder

SITE = site_of(site={"device_id": "corner"}, retention={"pictures_mb": 10})


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_site(tmp_path, SITE)


def recorded(site: Path) -> list[str]:
    return [each.what for each in records(site / "state" / "audit")]


def test_the_command_lets_go_beside_a_running_agent_and_says_what_went(site: Path) -> None:
    device = StateFolder(site / "state")  # as the agent has it, open
    cases = [device.case() for _ in range(100)]
    ran = kerbwatch("retention", site, "--json")
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.output)
    assert told["deleted"]["room"] == 100 - len(device.kept()) > 0
    assert device.kept() == set(cases[told["deleted"]["room"] :])
    told = kerbwatch("retention", site).output
    assert "Pictures of 0 case(s) deleted" in told
    assert set(recorded(site)) == {"pictures.deleted"}
    assert next(records(site / "state" / "audit")).by.startswith("kerbwatch retention (")
    device.database.close()


def test_what_may_not_go_and_is_too_much_is_a_fault(site: Path) -> None:
    device = StateFolder(site / "state")
    for _ in range(100):
        device.case(over=False)
    ran = kerbwatch("retention", site)
    assert ran.exit_code == 1
    assert "nothing more may be deleted" in ran.output
    device.database.close()


def test_where_nothing_was_kept_yet_nothing_is_made(site: Path) -> None:
    ran = kerbwatch("retention", site)
    assert ran.exit_code == 0
    assert not (site / "state").exists()


def test_a_hold_is_set_listed_and_lifted_by_the_beginning_of_an_id_and_recorded(
    site: Path,
) -> None:
    device = StateFolder(site / "state")
    case_id = device.case()
    device.database.close()
    assert kerbwatch("hold", "set", site, case_id[:20], "--reason", "objection 1").exit_code == 0
    assert "already" in kerbwatch("hold", "set", site, case_id, "--reason", "again").output
    [held] = json.loads(kerbwatch("hold", "list", site, "--json").output)
    assert (held["case_id"], held["reason"]) == (case_id, "objection 1")
    assert "objection 1" in kerbwatch("hold", "list", site).output
    assert kerbwatch("hold", "lift", site, case_id[:20], "--reason", "settled").exit_code == 0
    assert json.loads(kerbwatch("hold", "list", site, "--json").output) == []
    assert recorded(site) == ["hold.set", "hold.lifted"]


def test_a_hold_on_no_case_or_on_several_is_refused(site: Path) -> None:
    device = StateFolder(site / "state")
    device.case()
    device.case()
    device.database.close()
    assert kerbwatch("hold", "set", site, "nothing", "--reason", "x").exit_code == 1
    ran = kerbwatch("hold", "set", site, "0", "--reason", "x")
    assert ran.exit_code == 1
    assert "begins 2 cases" in ran.output
    assert kerbwatch("hold", "lift", site, "0", "--reason", "x").exit_code == 1


def test_the_log_is_shown_and_verified_and_a_break_is_a_fault(site: Path) -> None:
    device = StateFolder(site / "state")
    case_id = device.case()
    device.database.close()
    kerbwatch("hold", "set", site, case_id, "--reason", "依据：示例")
    kerbwatch("hold", "lift", site, case_id, "--reason", "settled")
    shown = kerbwatch("audit", "show", site).output
    assert "依据：示例" in shown
    assert "hold.lifted" in kerbwatch("audit", "show", site, "--last", 1).output
    lines = kerbwatch("audit", "show", site, "--json").output.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [1, 2]
    head = json.loads(lines[1])
    known = f"{head['number']}:{head['hash']}"
    assert kerbwatch("audit", "verify", site, "--known", known).exit_code == 0
    path = site / "state" / "audit" / "000001.jsonl"
    path.write_text(path.read_text("utf-8").splitlines(keepends=True)[0], "utf-8")
    assert kerbwatch("audit", "verify", site).exit_code == 0
    ran = kerbwatch("audit", "verify", site, "--known", known, "--json")
    assert ran.exit_code == 1
    assert not json.loads(ran.output)["holds"]
    path.write_text(path.read_text("utf-8").replace("示例", "别的"), "utf-8")
    ran = kerbwatch("audit", "verify", site)
    assert ran.exit_code == 1
    assert "000001.jsonl, line 1" in ran.output
    assert kerbwatch("audit", "verify", site, "--known", "1").exit_code == 2


def test_what_a_technician_takes_along_is_recorded(site: Path) -> None:
    crops = site / "state" / "collection" / "misparked_bike"
    crops.mkdir(parents=True)
    (crops / "20260101T000000000000Z~kerb~bike.jpg").write_bytes(b"a crop")
    kerbwatch("collected", site)
    assert recorded(site) == [], "looking at the list is no access"
    ran = kerbwatch("collected", site, "--out", site / "usb", "--remove")
    assert ran.exit_code == 0, ran.output
    [told] = records(site / "state" / "audit")
    assert (told.what, told.facts) == ("pictures.taken_along", {"crops": 1, "removed": True})


def findings(site: Path, name: str) -> list[dict[str, str]]:
    """What ``kerbwatch check`` says of one thing, without what it says of the rest."""
    configuration = load(site)
    [each] = [check for check in CHECKS if check.name == name]
    found = carry_out(each, Checked(site, site, configuration))
    return [{"severity": one.severity, "what": one.what, "remedy": one.remedy} for one in found]


def test_the_check_finds_a_log_that_was_tampered_with(site: Path) -> None:
    device = StateFolder(site / "state")
    case_id = device.case()
    device.database.close()
    [found] = findings(site, "audit")
    assert (found["severity"], found["what"]) == ("ok", "0 record(s), the chain is intact")
    kerbwatch("hold", "set", site, case_id, "--reason", "x")
    assert "1 record(s)" in findings(site, "audit")[0]["what"]
    path = site / "state" / "audit" / "000001.jsonl"
    path.write_text(path.read_text("utf-8").replace("hold.set", "hold.get"), "utf-8")
    [found] = findings(site, "audit")
    assert found["severity"] == "warning"
    assert "000001.jsonl, line 1" in found["what"]
    assert found["remedy"]


def test_the_check_says_what_the_card_says(site: Path) -> None:
    assert findings(site, "card") == [], "nothing lies on it yet"
    (site / "state").mkdir()
    [found] = findings(site, "card")
    errors = read_card(site / "state").file_system_errors
    assert found["severity"] == ("warning" if errors else "ok")


def test_what_the_platform_ordered_is_shown_and_verified_with_the_rest(site: Path) -> None:
    device = StateFolder(site / "state")
    case_id, log = device.case(), site / "state" / "audit"
    housekeeping = housekeeping_of(device, site)
    for held in (True, False, True):
        assert ordered(device, housekeeping, hold(case_id, held=held)) is None
    housekeeping.name_newest_order()
    device.database.close()
    shown = kerbwatch("audit", "show", site).output
    assert shown.count("hold.set") == 2
    assert "orders.recorded" in shown
    verified = kerbwatch("audit", "verify", site)
    assert verified.exit_code == 0, verified.output
    assert "3 record(s) of the platform's commands" in verified.output
    path = log / "platform" / "000001.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:2]), encoding="utf-8")  # its end is cut off
    verified = kerbwatch("audit", "verify", site)
    assert verified.exit_code == 1
    assert "platform/000001.jsonl" in verified.output
    [found] = findings(site, "audit")
    assert "record 3 is missing" in found["what"]
    path.write_text("".join([lines[0], lines[2]]), encoding="utf-8")
    assert kerbwatch("audit", "verify", site).exit_code == 1


def test_a_clock_that_is_set_back_hides_no_newest_record(site: Path) -> None:
    device = StateFolder(site / "state")
    housekeeping = housekeeping_of(device, site)
    housekeeping.audit.append("agent.started")
    assert ordered(device, housekeeping, hold(device.case())) is None
    device.clock.step(device.clock.now() - timedelta(days=300))
    housekeeping.audit.append("configuration.changed")
    device.database.close()
    assert "configuration.changed" in kerbwatch("audit", "show", site, "--last", 1).output
