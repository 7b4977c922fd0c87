"""The daily summary: what was counted is what was, and the platform is told of each day once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from agent import days
from agent.cases import Change
from agent.config import from_tables
from agent.daybook import SAMPLE_S, Daybook, Gauges
from agent.events import SummaryBody, ViewHealth
from agent.health import Activity
from agent.ids import RandomIds
from agent.outbox import Lane, waiting
from agent.summary import Summaries, summary_of
from drivers.clock import SystemClock
from drivers.power import Power
from provisioning.cli import main
from tests.drafts import OPEN_CASE
from tests.keeping_device import Device

SHANGHAI = ZoneInfo("Asia/Shanghai")
MORNING = datetime(2026, 3, 1, 8, 0, tzinfo=SHANGHAI)
SITE: dict[str, Any] = {
    "site": {"tenant": "city", "device_id": "corner", "address": "example"},
    "cameras": [{"camera_id": "street", "driver": "synthetic"}],
    "zones": [
        {
            "zone_id": name,
            "camera_id": "street",
            "kind": kind,
            "polygon": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]],
            "responsible_unit": "示例单位",
        }
        for name, kind in (("kerb", "no_parking"), ("bay", "bay"), ("window", "mask"))
    ],
}


class Corner(Device):
    """A device whose camera and gauges a test sets."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock.step(MORNING)
        self.camera, self.abstaining = "running", {}  # type: ignore[var-annotated]
        self.heat_c: float | None = 50.0
        self.power: Power | None = Power(False, False, False, False)
        self.written_bytes: int | None = 1000
        self.configuration = from_tables(SITE)
        self.book = self.started("first")
        self.summaries = Summaries(
            self.configuration, self.database, self.outbox, self.clock, RandomIds()
        )

    def started(self, after: str) -> Daybook:
        gauges = Gauges(
            self.activity,
            lambda: self.heat_c,
            lambda: self.power,
            lambda: (self.outbox.figures().rows, 7.0),
            lambda: self.written_bytes,
        )
        zones = {"street": ["kerb", "bay"]}
        self.book = Daybook(self.database, self.clock, SHANGHAI, zones, gauges, after)
        return self.book

    def activity(self) -> Activity:
        view = ViewHealth(view="good", for_s=1, commissioned=True, abstaining=self.abstaining)
        return Activity({"street": self.camera}, 1, 0, 1, 0, views={"street": view})

    def lives(self, seconds: float) -> None:
        """As the thread does it."""
        for _ in range(round(seconds / SAMPLE_S)):
            self.clock.advance(SAMPLE_S)
            self.book.sample()
            if self.book.is_due:
                self.book.write()
                self.summaries.send_due()

    def summary(self, day: str = "2026-03-01") -> SummaryBody:
        self.book.write()
        with closing(self.database.read()) as connection:
            return summary_of(connection, self.configuration, day, complete=False)

    def told(self) -> list[dict[str, Any]]:
        with closing(self.database.read()) as connection:
            rows = waiting(connection, Lane.REST, limit=100, limit_bytes=10**7)
        return [json.loads(row.event) for row in rows]

    def happens(self, change: str, *, stood_s: float = 60.0) -> None:
        case = replace(OPEN_CASE, case_id="c", began_s=0.0, last_present_s=stood_s)
        told = Change(change, case, None)  # type: ignore[arg-type]
        day = days.day_of(self.clock.now(), SHANGHAI)
        self.database.write(lambda connection: days.count_case(connection, day, told)).result()


@pytest.fixture
def corner(tmp_path: Path) -> Iterator[Corner]:
    corner = Corner(tmp_path / "state")
    yield corner
    corner.database.close()


def test_a_zone_is_watched_abstains_or_is_blind_and_never_two_of_it(corner: Corner) -> None:
    corner.lives(600)
    corner.abstaining = {"kerb": "view_blocked"}
    corner.lives(300)
    corner.abstaining, corner.camera = {}, "opening"
    corner.lives(150)
    kerb, bay = corner.summary().zones
    assert (kerb.sensing_s, kerb.abstained_s, kerb.blind_s) == (600, 300, 150)
    assert (bay.sensing_s, bay.abstained_s, bay.blind_s) == (900, 0, 150)
    assert kerb.responsible_unit == "示例单位"
    assert corner.summary().device.uptime_s == 1050


def test_time_that_was_not_looked_at_is_claimed_by_nobody(corner: Corner) -> None:
    corner.lives(60)
    corner.clock.advance(3600)  # the process stood still
    corner.book.sample()
    assert corner.summary().zones[0].sensing_s == 60 + 2 * SAMPLE_S


def test_cases_are_counted_by_zone_and_code(corner: Corner) -> None:
    for change in ("case.opened", "case.opened", "case.persisting", "case.abstained"):
        corner.happens(change)
    corner.happens("case.cleared", stood_s=90)
    corner.happens("case.cleared", stood_s=30)
    [kind] = corner.summary().zones[0].cases
    assert (kind.opened, kind.cleared, kind.abstained, kind.stood_s) == (2, 2, 1, 120)
    assert (kind.code.code, kind.code.name) == ("09010", "非机动车乱停放")


def test_the_machine_is_told_of_by_its_worst_and_null_where_nothing_measures(
    corner: Corner,
) -> None:
    corner.lives(30)
    corner.heat_c, corner.power, corner.written_bytes = 71.5, Power(True, False, True, False), 5000
    corner.lives(30)
    corner.heat_c = 40.0
    corner.case(heard=False)
    corner.lives(30)
    device = corner.summary().device
    assert (device.temperature_c_max, device.under_voltage_s, device.throttled_s) == (71.5, 60, 0)
    assert (device.waiting_rows_max, device.written_bytes) == (1, 5000)


def test_what_nothing_measures_is_null_and_not_zero(corner: Corner) -> None:
    corner.heat_c = corner.power = corner.written_bytes = None
    corner.lives(60)
    device = corner.summary().device
    assert device.temperature_c_max is None
    assert device.throttled_s is None
    assert device.under_voltage_s is None
    assert device.written_bytes is None


def test_runs_are_counted_by_why_they_began_and_a_days_figures_outlive_them(
    corner: Corner,
) -> None:
    corner.lives(60)
    corner.book.write()
    corner.started("power_cut").write()
    corner.started("power_cut")
    corner.lives(60)
    device = corner.summary().device
    assert device.began_after == {"first": 1, "power_cut": 2}
    assert device.uptime_s == 120


def test_what_was_lost_belongs_to_its_local_day(corner: Corner) -> None:
    at = datetime(2026, 3, 1, 23, 30, tzinfo=SHANGHAI).timestamp()

    def lose(connection: Any) -> None:
        for first, last, when in ((1, 5, at), (9, 9, at), (11, 20, at + 3600)):
            connection.execute(
                "INSERT INTO losses (epoch, first, last, lane, reason, at) VALUES ('e',?,?,0,'',?)",
                (first, last, when),
            )

    corner.database.write(lose).result()
    assert corner.summary().device.lost == 6
    assert corner.summary("2026-03-02").device.lost == 10


def test_the_platform_is_told_of_each_day_once_when_it_is_over(corner: Corner) -> None:
    corner.lives(3600)
    assert corner.told() == []
    corner.clock.step(MORNING.replace(hour=23, minute=58))
    corner.lives(600)
    [told] = corner.told()
    assert told["type"] == "device.summary"
    assert (told["body"]["day"], told["body"]["complete"]) == ("2026-03-01", True)
    assert told["body"]["device"]["uptime_s"] >= 3600
    corner.started("killed")
    corner.lives(3600)
    assert len(corner.told()) == 1


def test_while_the_clock_cannot_be_trusted_no_day_is_over(corner: Corner) -> None:
    corner.lives(300)
    corner.clock.step(MORNING + timedelta(days=900), synchronised=False)
    corner.lives(600)
    assert corner.told() == []
    corner.clock.step(MORNING + timedelta(days=1))
    corner.lives(300)
    assert [each["body"]["day"] for each in corner.told()] == ["2026-03-01"]
    assert corner.summary(
        (MORNING + timedelta(days=900)).strftime("%Y-%m-%d")
    ).device.unsynchronised_s


def test_where_it_is_not_wanted_no_summary_is_sent(corner: Corner) -> None:
    quiet = from_tables(SITE | {"uplink": {"daily_summary": False}})
    corner.summaries = Summaries(quiet, corner.database, corner.outbox, corner.clock, RandomIds())
    corner.lives(300)
    corner.clock.step(MORNING + timedelta(days=1))
    corner.lives(300)
    assert corner.told() == []


def test_days_are_forgotten_after_a_year(corner: Corner) -> None:
    for number in range(days.DAYS_KEPT + 5):
        corner.clock.step(MORNING + timedelta(days=number))
        corner.book.sample()
        corner.book.write()
    with closing(corner.database.read()) as connection:
        known = days.known(connection)
    assert len(known) == days.DAYS_KEPT
    assert "2026-03-01" not in known


def test_the_command_prints_the_day_in_both_languages_and_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.toml").write_text(
        """
[site]
tenant = "city"
device_id = "corner"
address = "example"
[[cameras]]
camera_id = "street"
driver = "synthetic"
[[zones]]
zone_id = "kerb"
camera_id = "street"
kind = "no_parking"
polygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
[storage]
state_dir = "state"
"""
    )

    def run(*words: str) -> tuple[int, str]:
        ran = CliRunner().invoke(main, ["report", str(tmp_path), *words])
        return ran.exit_code, ran.output

    assert run()[0] == 1, "nothing was counted"
    corner = Corner(tmp_path / "state")
    noon = SystemClock().now().astimezone(SHANGHAI).replace(hour=12)
    corner.clock.step(noon - timedelta(days=1))
    corner.started("planned")
    corner.happens("case.opened")
    corner.happens("case.cleared", stood_s=185)
    corner.lives(600)
    corner.book.write()
    corner.database.close()
    code, shown = run()
    assert code == 0, shown
    for told in (
        "09010",
        "1 opened, 1 cleared",
        "watched for 10 min 00 s",
        "3 min 05 s on average",
    ):
        assert told in shown
    yesterday = days.day_of(noon - timedelta(days=1), SHANGHAI)
    summary = SummaryBody.model_validate_json(run("--json")[1])
    assert (summary.day, summary.complete) == (yesterday, True)
    assert run("--day", yesterday)[1] == shown
    code, missing = run("--day", "2001-01-01")
    assert code == 1
    assert yesterday in missing
    assert run("--day", "yesterday")[0] == 2
    monkeypatch.setenv("KERBWATCH_LANGUAGE", "zh_CN")
    assert "日报" in run()[1]
    assert "发现 1，消除 1" in run()[1]


def test_a_day_is_the_sites_and_not_greenwichs() -> None:
    assert days.day_of(datetime(2026, 3, 1, 16, 0, tzinfo=UTC), SHANGHAI) == "2026-03-02"
