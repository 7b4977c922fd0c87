"""What changed about a device is recorded, whoever changed it and however."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.audit import Audit, Noticing, Record, records, verify
from agent.certificate import CertificateFile
from agent.config import from_tables
from drivers.clock import FakeClock
from tests.broker import Authority

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
SITE = {
    "site": {"tenant": "city", "device_id": "corner", "address": "人民路12号"},
    "cameras": [
        {"camera_id": "street", "driver": "rtsp", "settings": {"url": "rtsp://10.0.0.9/1"}},
    ],
    "scenarios": {"misparked_bikes": {"allowed_s": 180}},
}
FACTS = {"agent version": "0.1.0", "configuration": "a" * 64, "model street": "1 bb"}


class Device:
    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.folder, self.clock = folder, FakeClock(NOON)
        self.certificate = certificate
        self.noticing = self.runs()

    def runs(
        self, site: dict[str, Any] | None = None, facts: dict[str, str] | None = None
    ) -> Noticing:
        self.noticing = Noticing(
            Audit(self.folder, self.clock),
            self.folder,
            self.clock,
            CertificateFile(self.certificate),
        )
        self.noticing.start(
            after="planned",
            configuration=from_tables(site or SITE).model_dump(mode="json"),
            facts=facts or FACTS,
        )
        return self.noticing

    def told(self) -> list[Record]:
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
