"""What changed about a device is recorded, whoever changed it and however."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.audit import AuditLog, AuditRecord, records, verify
from agent.audit.change_detector import CLOCK_CHANGES, CLOCK_CHANGES_PERIOD_S, ChangeDetector
from agent.audit.setting_diff import leaves
from agent.config.loading import from_tables
from agent.config.renamed_keys import RENAMED
from agent.identity.certificate_expiry import CertificateFile
from drivers.testing import FakeClock
from tests.support.certificates import Authority
from tests.support.sites import site_of

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SITE = site_of(
    site={"address": "人民路12号"},
    cameras=[{"camera_id": "street", "driver": "rtsp", "settings": {"url": "rtsp://10.0.0.9/1"}}],
    scenarios={"misparked_bikes": {"allowed_s": 180}},
)
FACTS = {"agent version": "0.1.0", "configuration": "a" * 64, "model street": "1 bb"}


class Device:
    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.folder, self.clock = folder, FakeClock(NOON)
        self.certificate = certificate
        self.noticing = self.runs()

    def runs(
        self, site: dict[str, Any] | None = None, facts: dict[str, str] | None = None
    ) -> ChangeDetector:
        self.noticing = ChangeDetector(
            AuditLog(self.folder, self.clock),
            self.folder,
            self.clock,
            CertificateFile(self.certificate),
        )
        self.noticing.start(
            after="planned",
            configuration=from_tables(site or SITE).shown(by_alias=False),
            facts=facts or FACTS,
        )
        return self.noticing

    def told(self) -> list[AuditRecord]:
        assert verify(self.folder).breaks == ()
        return list(records(self.folder))

    def kinds(self) -> list[str]:
        return [each.what for each in self.told()]


def test_a_start_is_recorded_with_what_runs(tmp_path: Path) -> None:
    [started] = Device(tmp_path).told()
    assert started.what == "agent.started"
    assert started.facts == {"after": "planned", "of": FACTS}


def test_a_changed_threshold_is_recorded_with_its_place_and_both_values(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.runs(SITE | {"scenarios": {"misparked_bikes": {"allowed_s": 240}}})
    changed = device.told()[-1]
    assert changed.what == "configuration.changed"
    assert changed.facts == {
        "changes": [{"at": "scenarios.misparked_bikes.allowed_s", "was": "180", "now": "240"}],
        "more": 0,
    }


def test_a_camera_put_in_before_another_changes_only_itself(tmp_path: Path) -> None:
    device = Device(tmp_path)
    first = {"camera_id": "bay", "driver": "synthetic"}
    device.runs(SITE | {"cameras": [first, *SITE["cameras"]]})
    places = [each["at"] for each in device.told()[-1].facts["changes"]]
    assert places
    assert all(place.startswith("cameras.bay.") for place in places)


def zone(zone_id: str, right: float = 0.5, **more: Any) -> dict[str, Any]:
    polygon = [[0.1, 0.1], [right, 0.1], [right, 0.5], [0.1, 0.5]]
    return {
        "zone_id": zone_id,
        "camera_id": "street",
        "kind": "no_parking",
        "polygon": polygon,
        **more,
    }


def with_zones(*zones: dict[str, Any]) -> dict[str, Any]:
    return SITE | {"zones": list(zones)}


def since_start(device: Device, site: dict[str, Any]) -> list[AuditRecord]:
    """What a run with another site records, its own beginning left out."""
    known = len(device.told())
    device.runs(site)
    return device.told()[known + 1 :]


def changes_of(told: list[AuditRecord]) -> dict[str, tuple[str | None, str | None]]:
    """Place → what it was and is, of all records together; none may be told twice."""
    rows = [row for each in told for row in each.facts.get("changes", ())]
    found = {row["at"]: (row["was"], row["now"]) for row in rows}
    assert len(found) == len(rows)
    return found


THREE = zone("kerb"), zone("market", 0.6), zone("bin-1", 0.7)


def test_a_renamed_zone_is_recorded_with_both_names(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.runs(with_zones(*THREE))
    told = since_start(device, with_zones(THREE[0], zone("bazaar", 0.6), THREE[2]))
    assert (told[0].what, told[0].facts) == ("zone.renamed", {"was": "market", "now": "bazaar"})
    assert changes_of(told)["zones.market.zone_id"] == ('"market"', None)
    assert changes_of(told)["zones.bazaar.zone_id"] == (None, '"bazaar"')
    assert not any("kerb" in place or "bin-1" in place for place in changes_of(told))


def test_every_zone_that_comes_goes_or_changes_has_a_record_of_its_own(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.runs(with_zones(*THREE))
    told = since_start(device, with_zones(zone("kerb", 0.55), zone("bay", 0.9), THREE[2]))
    assert [(each.what, each.facts.get("name")) for each in told[:2]] == [
        ("zone.removed", "market"),
        ("zone.added", "bay"),
    ]
    things = [{row["at"].split(".")[1] for row in each.facts["changes"]} for each in told[2:]]
    assert things == [{"bay"}, {"kerb"}, {"market"}]
    was, now = changes_of(told)["zones.kerb.polygon"]
    assert was is not None
    assert now is not None
    assert ("0.5," in was, "0.55" in now) == (True, True)


def test_a_zone_put_in_before_the_others_or_another_order_changes_none_of_them(
    tmp_path: Path,
) -> None:
    device = Device(tmp_path)
    device.runs(with_zones(*THREE))
    told = since_start(device, with_zones(zone("first", 0.9), *reversed(THREE)))
    assert {place.split(".")[1] for place in changes_of(told)} == {"first"}


def test_a_corner_far_behind_in_a_long_polygon_is_no_secret(tmp_path: Path) -> None:
    def round_zone(last: float) -> dict[str, Any]:
        corners = [
            [0.1, 0.1],
            [0.9, 0.1],
            *([0.9 - n / 1000, 0.5] for n in range(200)),
            [last, 0.6],
        ]
        return {**zone("kerb"), "polygon": corners}

    device = Device(tmp_path)
    device.runs(with_zones(round_zone(0.2)))
    [changed] = since_start(device, with_zones(round_zone(0.21)))
    [(place, (was, now))] = changes_of([changed]).items()
    assert place == "zones.kerb.polygon"
    assert was != now


def test_a_hundred_zones_are_all_recorded_and_no_record_is_too_long(tmp_path: Path) -> None:
    device = Device(tmp_path)
    many = [zone(f"z{n}", responsible_unit="镜湖区城市管理局" * 25) for n in range(100)]
    told = since_start(device, with_zones(*many))
    added = [each.facts["name"] for each in told if each.what == "zone.added"]
    assert sorted(added) == sorted(one["zone_id"] for one in many)
    named = {place.split(".")[1] for place in changes_of(told) if place != "zones"}
    assert named == set(added)
    assert {each.facts["more"] for each in told if "more" in each.facts} == {0}


def test_scenarios_cameras_and_operators_are_told_apart_as_zones_are(tmp_path: Path) -> None:
    device = Device(tmp_path)
    others = SITE | {
        "scenarios": {"street_vending": {"allowed_s": 180}},
        "cameras": [{**SITE["cameras"][0], "camera_id": "corner"}],
        "operators": [
            {"name": "blue", "colours": ["#0050ff"]},
            {"name": "yellow", "colours": ["#f5c400"]},
        ],
    }
    told = since_start(device, others)
    assert [each.what for each in told if each.what != "configuration.changed"] == [
        "camera.renamed",
        "operator.added",
        "operator.added",
        "scenario.removed",
        "scenario.added",
    ]


names = st.sampled_from(["kerb", "market", "1", "", "a.b"])


@given(st.lists(st.fixed_dictionaries({"zone_id": names, "width": st.integers(0, 3)}), max_size=5))
def test_no_two_things_of_a_list_are_taken_for_one(things: list[dict[str, Any]]) -> None:
    found = dict(leaves({"zones": things}))
    assert len(found) == max(1, 2 * len(things))


def test_what_an_older_agent_knew_of_is_taken_over(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.runs(with_zones(*THREE))
    path = tmp_path / "known.json"
    known = json.loads(path.read_text("utf-8"))
    del known["version"]
    known["configuration"] = {
        at.replace("zones.bin-1.", "zones.street."): text[:200]
        for at, text in known["configuration"].items()
        if not at.startswith(("zones.kerb", "zones.market"))
    }
    path.write_text(json.dumps(known), "utf-8")
    assert since_start(device, with_zones(*THREE)) == []
    assert json.loads(path.read_text("utf-8"))["version"] == 2
    [renamed, *_] = since_start(device, with_zones(*THREE[:2], zone("bin-2", 0.7)))
    assert renamed.what == "zone.renamed"


def test_a_key_that_has_another_name_since_an_update_is_no_change(tmp_path: Path) -> None:
    device = Device(tmp_path)
    path = tmp_path / "known.json"
    known = json.loads(path.read_text(encoding="utf-8"))
    for place, new in RENAMED.items():
        at = ".".join((*place[:-1], new))
        if at in known["configuration"]:
            known["configuration"][".".join(place)] = known["configuration"].pop(at)
    assert "cooling.least" in known["configuration"]
    path.write_text(json.dumps(known), encoding="utf-8")
    device.runs()
    assert device.kinds() == ["agent.started", "agent.started"]


def test_nothing_is_recorded_of_what_stayed_as_it_was(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.runs()
    device.noticing.look()
    assert device.kinds() == ["agent.started", "agent.started"]


def test_another_model_key_or_version_is_recorded(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.runs(
        facts=FACTS | {"model street": "2 cc", "agent version": "0.2.0", "key signing": "k"}
    )
    assert device.kinds()[-3:] == ["agent.changed", "key.changed", "model.changed"]
    assert device.told()[-1].facts == {"name": "model street", "was": "1 bb", "now": "2 cc"}


def test_a_renewed_certificate_is_recorded_while_the_agent_runs(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", "Test CA")
    certificate, _ = authority.issue("corner")
    device = Device(tmp_path / "audit", certificate)
    device.noticing.look()
    authority.issue("corner", days=30)
    device.noticing.look()
    assert device.kinds() == ["agent.started", "certificate.changed"]
    assert device.told()[-1].facts["was"] != device.told()[-1].facts["now"]


def test_a_clock_that_is_set_is_recorded_and_one_that_is_disciplined_is_not(
    tmp_path: Path,
) -> None:
    device = Device(tmp_path)
    device.clock.advance(3600)
    device.clock.step(device.clock.now() + timedelta(seconds=1))
    device.noticing.look()
    assert device.kinds() == ["agent.started"]
    device.clock.step(device.clock.now() - timedelta(hours=3), synchronised=False)
    device.noticing.look()
    device.noticing.look()
    [changed] = device.told()[1:]
    assert changed.facts == {"moved_ms": -10_799_000, "was": "synchronised"}


def test_a_password_in_a_configuration_is_in_no_record(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.noticing.start(
        after="planned", configuration={"url": "http://user:geheim@10.0.0.9/"}, facts=FACTS
    )
    assert "geheim" not in "".join(path.read_text("utf-8") for path in tmp_path.glob("*.js*"))
    assert device.kinds()[-1] == "configuration.changed"


def test_what_was_known_and_cannot_be_read_any_more_costs_no_start(tmp_path: Path) -> None:
    device = Device(tmp_path)
    (tmp_path / "known.json").write_text("damaged")
    device.runs()
    assert device.kinds() == ["agent.started", "agent.started"]


def test_a_log_that_cannot_be_written_costs_no_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audit").write_text("a file, no folder")
    Device(tmp_path / "audit").noticing.look()
    assert "audit log" in caplog.text


def test_a_clock_that_somebody_moves_again_and_again_pushes_nothing_out(tmp_path: Path) -> None:
    """Over the network, say: a few records a day, and the last of them tells where the clock ended up."""
    device = Device(tmp_path)
    for _ in range(500):
        device.clock.advance(60)
        device.clock.step(device.clock.now() + timedelta(hours=1))
        device.noticing.look()
    assert device.kinds().count("clock.changed") <= 2 * CLOCK_CHANGES
    device.clock.advance(CLOCK_CHANGES_PERIOD_S)
    device.noticing.look()
    told = [each.facts["moved_ms"] for each in device.told() if each.what == "clock.changed"]
    assert sum(told) == 500 * 3600 * 1000


def test_a_setting_that_an_older_agent_did_not_know_and_nobody_gives_is_no_news(
    tmp_path: Path,
) -> None:
    device = Device(tmp_path)
    device.runs(with_zones(zone("kerb")))
    known = tmp_path / "known.json"
    document = json.loads(known.read_text(encoding="utf-8"))
    assert document["configuration"].pop("zones.kerb.department_code") == "null"
    known.write_text(json.dumps(document), encoding="utf-8")
    assert since_start(device, with_zones(zone("kerb"))) == []
    told = since_start(
        device, with_zones(zone("kerb", department_code="1", department_name="城市管理局"))
    )
    assert changes_of(told)["zones.kerb.department_code"] == ("null", '"1"')
