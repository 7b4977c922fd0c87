"""The daily summary: what was counted is what was, and the platform is told of each day once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.config.loading import from_tables
from agent.domain.case_lifecycle import Change
from agent.domain.ids import RandomIds
from agent.protocol.heartbeat import ViewHealth
from agent.protocol.summary import SummaryBody
from agent.storage import day_counters
from agent.storage.outbox_queries import Lane, waiting
from agent.storage.state_table import save_state
from agent.telemetry.daily_summary import DailySummaries, summary_of
from agent.telemetry.day_sampler import SAMPLE_S, DaySampler, Gauges
from drivers.clock import SystemClock
from drivers.power import Power
from tests.support.cases import OPEN_CASE
from tests.support.command_line import kerbwatch
from tests.support.sites import site_of, write_site, zone
from tests.support.state_folder import StateFolder

SHANGHAI = ZoneInfo("Asia/Shanghai")
SHARE = 2 * SAMPLE_S / 3600
"""Of a time that :meth:`Corner.lives_long` lets pass, so much is looked at."""
MORNING = datetime(2026, 3, 1, 8, 0, tzinfo=SHANGHAI)
SITE = site_of(
    zones=[
        zone(zone_id=name, kind=kind, responsible_unit="示例单位")
        for name, kind in (("kerb", "no_parking"), ("bay", "bay"), ("window", "mask"))
    ]
)


class Corner(StateFolder):
    """A device whose camera and gauges a test sets."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock.step(MORNING)
        self.camera, self.abstaining = "running", {}  # type: ignore[var-annotated]
        self.heat_c: float | None = 50.0
        self.power: Power | None = Power(False, False, False, False)
        self.written_bytes: int | None = 1000
        self.counted_s = 0.0
        self.configuration = from_tables(SITE)
        self.book = self.started("first")
        self.summaries = DailySummaries(
            self.configuration, self.database, self.outbox, self.clock, RandomIds()
        )

    def started(self, after: str) -> DaySampler:
        gauges = Gauges(
            lambda: {"street": self.camera},
            self.views,
            lambda: self.heat_c,
            lambda: self.power,
            lambda: (self.outbox.figures().rows, 7.0),
            lambda: self.written_bytes,
        )
        zones = {"street": ["kerb", "bay"]}
        self.book = DaySampler(self.database, self.clock, SHANGHAI, zones, gauges, after)
        return self.book

    def views(self) -> dict[str, ViewHealth]:
        view = ViewHealth(view="good", for_s=1, commissioned=True, abstaining=self.abstaining)
        return {"street": view}

    def lives(self, seconds: float) -> None:
        """As the thread does it."""
        for _ in range(round(seconds / SAMPLE_S)):
            self.clock.advance(SAMPLE_S)
            self.book.sample()
            if self.book.is_due:
                self.book.write()
                self.summaries.send_due()

    def lives_long(self, *, days: int = 0, hours: float = 0) -> None:
        """With a sample an hour: many days take no time to live through."""
        for _ in range(round(24 * days + hours)):
            self.clock.advance(3600)
            self.book.sample()
            self.counted_s += 2 * SAMPLE_S
            if self.book.is_due:
                self.book.write()
                self.summaries.send_due()

    def summary_of_today(self) -> SummaryBody:
        self.book.write()
        with closing(self.database.read()) as connection:
            page = day_counters.page_of(connection, day_counters.day_of(self.clock.now(), SHANGHAI))
            return summary_of(connection, self.configuration, page, complete=False)

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
        day = day_counters.day_of(self.clock.now(), SHANGHAI)
        self.database.write(
            lambda connection: day_counters.count_case(connection, day, told)
        ).result()


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


def at(day: int, hour: float = 8, *, year: int = 2026, month: int = 3) -> datetime:
    return datetime(year, month, day, tzinfo=SHANGHAI) + timedelta(hours=hour)


def days_told(corner: Corner) -> list[tuple[str, bool]]:
    return [(each["body"]["day"], each["body"]["complete"]) for each in corner.told()]


def right_days(first: int, last: int) -> list[tuple[str, bool]]:
    return [(f"2026-03-{day:02}", True) for day in range(first, last + 1)]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [at(7, year=2036), at(1, month=4), at(9), at(1, year=2020)])
def test_a_day_by_a_wrong_time_source_ends_nothing_and_is_told_as_what_it_is(
    corner: Corner, wrong: datetime
) -> None:
    corner.lives_long(days=2)
    corner.clock.step(wrong)
    corner.lives_long(days=1)
    corner.clock.step(at(4))
    corner.lives_long(days=10)
    told = days_told(corner)
    assert told[:2] == right_days(1, 2)
    # 3 March was left at eight in the morning, and 4 March entered then: some of them is elsewhere.
    assert ("2026-03-03", False) in told
    assert ("2026-03-04", False) in told
    right = [each for each in told if each[0] > "2026-03-04" and each[0] < "2026-03-14"]
    assert set(right_days(5, 13)) <= set(right), "every day since is told as complete"
    whole = sum(each["body"]["device"]["uptime_s"] for each in corner.told())
    assert whole + corner.summary_of_today().device.uptime_s == pytest.approx(corner.counted_s)


@pytest.mark.parametrize("boot", ["", "boot-2"])
def test_a_clock_that_is_set_while_the_agent_is_down_is_noticed(corner: Corner, boot: str) -> None:
    corner.clock.step(at(8, year=2036))
    corner.started("first")
    corner.lives_long(hours=3)
    corner.clock.step(at(2))
    if boot:
        corner.clock.reboot(boot)
    corner.started("planned")
    corner.lives_long(days=2)
    told = dict(days_told(corner))
    assert told["2036-03-08"] is False
    assert told["2026-03-02"] is False, "some of it is on the other page"
    assert told["2026-03-03"] is True


def test_a_clock_that_jumps_forward_and_back_splits_no_day(corner: Corner) -> None:
    corner.lives_long(hours=3)
    corner.clock.step(at(2, year=2036))
    corner.lives_long(hours=1)
    corner.clock.step(at(1, hour=12))
    corner.lives_long(hours=13)
    assert days_told(corner) == [("2026-03-01", False)]
    [told] = corner.told()
    assert told["body"]["device"]["uptime_s"] == pytest.approx(15 * 3600 * SHARE, rel=0.02)


def test_a_day_that_was_told_of_gets_another_page_for_what_comes_later(corner: Corner) -> None:
    corner.lives_long(days=2)
    assert days_told(corner) == right_days(1, 2)
    first = corner.told()[0]["body"]["device"]["uptime_s"]
    corner.clock.step(at(1, hour=20))  # now it is wrong, or it was then
    corner.happens("case.opened")
    corner.lives_long(days=2)
    again = [each["body"] for each in corner.told() if each["body"]["day"] == "2026-03-01"]
    assert [each["complete"] for each in again] == [True, False]
    assert again[0]["device"]["uptime_s"] == first, "what was told stays as it was told"
    assert again[1]["device"]["uptime_s"] == pytest.approx(4 * 3600 * SHARE, rel=0.3)
    assert again[1]["zones"][0]["cases"][0]["opened"] == 1


def test_a_device_without_a_battery_clock_tells_no_day_of_1970(corner: Corner) -> None:
    corner.clock.step(at(1, year=1970, month=1), synchronised=False)
    corner.started("power_cut")
    corner.lives(60)
    corner.clock.step(at(3))
    corner.lives(120)
    corner.clock.step(at(3, hour=23.9))
    corner.lives(1200)
    assert days_told(corner) == [("2026-03-03", True)], "the first minute was of this day"
    assert corner.told()[0]["body"]["device"]["uptime_s"] >= 180
    assert corner.told()[0]["body"]["device"]["unsynchronised_s"] == 0


def test_what_was_written_before_the_clock_was_set_is_no_complete_day(corner: Corner) -> None:
    corner.clock.step(at(1, year=1970, month=1), synchronised=False)
    corner.started("power_cut")
    corner.lives(1200)
    corner.clock.step(at(3))
    corner.lives_long(days=3)
    told = dict(days_told(corner))
    assert told["1970-01-01"] is False
    assert told["2026-03-03"] is False, "twenty minutes of it are elsewhere"
    assert told["2026-03-04"] is True


def test_a_day_with_a_clock_that_nobody_vouches_for_is_not_complete(corner: Corner) -> None:
    corner.lives(600)
    corner.clock.step(corner.clock.now(), synchronised=False)
    corner.lives(600)
    corner.clock.step(corner.clock.now())
    corner.lives_long(days=1)
    assert days_told(corner) == [("2026-03-01", False)]
    assert corner.told()[0]["body"]["device"]["unsynchronised_s"] == 600


def test_a_case_counted_on_a_day_that_nobody_watched_makes_no_complete_day(corner: Corner) -> None:
    corner.lives(600)
    now = corner.clock.now()
    corner.clock.step(at(1, year=1970, month=1), synchronised=False)
    corner.happens("case.cleared")
    corner.clock.step(now)
    corner.lives_long(days=2)
    assert ("1970-01-01", False) in days_told(corner)


@pytest.mark.parametrize("off", [9.0, 33.0, 200.0])
def test_a_day_that_ended_with_the_power_is_told_when_the_next_has_begun(
    corner: Corner, off: float
) -> None:
    corner.lives_long(hours=8)
    corner.clock.step(corner.clock.now() + timedelta(hours=off))
    corner.clock.reboot("boot-2")
    corner.started("power_cut")
    corner.lives_long(days=1, hours=1)
    assert ("2026-03-01", True) in days_told(corner)


def test_seconds_that_the_clock_is_set_back_at_midnight_make_no_second_day(corner: Corner) -> None:
    corner.clock.step(at(1, hour=23.98))
    corner.lives(90)
    corner.clock.step(corner.clock.now() - timedelta(seconds=45))
    corner.lives(1200)
    assert days_told(corner) == [("2026-03-01", True)]


def test_what_an_older_agent_has_told_is_not_told_again(corner: Corner) -> None:
    for day in (1, 2, 3):
        corner.clock.step(at(day))
        corner.book = corner.started("planned")
        corner.book.sample()
        corner.book.write()
    corner.database.write(
        lambda connection: save_state(connection, "summary.sent", "2026-03-02")
    ).result()
    corner.clock.step(at(4))
    corner.lives(900)
    assert [day for day, _ in days_told(corner)] == ["2026-03-03"]


def test_what_is_not_wanted_is_not_sent_later_in_one_go(corner: Corner) -> None:
    wanted = corner.summaries
    quiet = from_tables(SITE | {"uplink": {"daily_summary": False}})
    corner.summaries = DailySummaries(
        quiet, corner.database, corner.outbox, corner.clock, RandomIds()
    )
    corner.lives_long(days=5)
    corner.summaries = wanted
    corner.lives_long(days=1)
    assert days_told(corner) == right_days(6, 6)


def days_between(first: datetime, last: datetime) -> set[date]:
    begun, ended = (each.astimezone(SHANGHAI).date() for each in (first, last))
    return {begun + timedelta(days=past) for past in range((ended - begun).days + 1)}


NEAR_S, FAR_S = 8 * 86_400, 70 * 365 * 86_400
LIFE = st.lists(
    st.one_of(
        st.tuples(st.just("live"), st.integers(1, 40)),
        st.tuples(st.just("set"), st.integers(0, NEAR_S) | st.integers(-FAR_S, FAR_S)),
        st.tuples(st.just("unset"), st.integers(0, NEAR_S) | st.integers(-FAR_S, FAR_S)),
        st.tuples(st.just("begin"), st.just(0)),
    ),
    max_size=12,
)
"""What happens to a device: hours pass, its clock is set (seconds from the first morning), a run begins."""


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(life=LIFE)
@example(life=[("set", (19 * 24 + 16) * 3600), ("begin", 0)])  # the first moment of a day to come
def test_however_the_clock_jumps_no_lived_time_is_lost_or_told_twice(
    tmp_path_factory: pytest.TempPathFactory, life: list[tuple[str, int]]
) -> None:
    corner = Corner(tmp_path_factory.mktemp("jumps"))
    shown: set[date] = set()
    for what, value in life:
        began = corner.clock.now()
        if what == "live":
            corner.lives_long(hours=value)
        elif what == "begin":
            corner.book.write()
            corner.started("planned")
        else:
            corner.clock.step(MORNING + timedelta(seconds=value), synchronised=what == "set")
            began = corner.clock.now()
        shown |= days_between(began, corner.clock.now())
    corner.clock.step(at(20, hour=8))
    corner.lives_long(days=5)
    told = [each["body"] for each in corner.told()]
    complete = [each["day"] for each in told if each["complete"]]
    # A day that the clock had shown before it was set back is lived through in pieces.
    whole_days = {at(day).date() for day in (21, 22, 23, 24)} - shown
    assert {str(day) for day in whole_days} <= set(complete), "it goes on"
    assert not [each for each in told if each["complete"] and each["device"]["unsynchronised_s"]]
    # What is told and what is still open is all that was lived through, and nothing twice.
    whole = sum(each["device"]["uptime_s"] for each in told)
    assert whole + corner.summary_of_today().device.uptime_s == pytest.approx(corner.counted_s)
    corner.database.close()


def test_where_it_is_not_wanted_no_summary_is_sent(corner: Corner) -> None:
    quiet = from_tables(SITE | {"uplink": {"daily_summary": False}})
    corner.summaries = DailySummaries(
        quiet, corner.database, corner.outbox, corner.clock, RandomIds()
    )
    corner.lives(300)
    corner.clock.step(MORNING + timedelta(days=1))
    corner.lives(300)
    assert corner.told() == []


def test_days_are_forgotten_after_a_year(corner: Corner) -> None:
    for number in range(day_counters.DAYS_KEPT + 5):
        corner.clock.step(MORNING + timedelta(days=number))
        corner.book.sample()
        corner.book.write()
    with closing(corner.database.read()) as connection:
        known = day_counters.known(connection)
    assert len(known) == day_counters.DAYS_KEPT
    assert "2026-03-01" not in known


def test_the_command_prints_the_day_in_both_languages_and_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_site(tmp_path, site_of(zones=[zone()]))

    def run(*words: str) -> tuple[int, str]:
        ran = kerbwatch("report", tmp_path, *words)
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
    yesterday = day_counters.day_of(noon - timedelta(days=1), SHANGHAI)
    summary = SummaryBody.model_validate_json(run("--json")[1])
    assert (summary.day, summary.complete) == (yesterday, True)
    assert run("--day", yesterday)[1] == shown
    again = Corner(tmp_path / "state")  # after it was told of, the clock names the day again
    again.database.write(
        lambda connection: day_counters.note(connection, yesterday, day_counters.TOLD)
    ).result()
    again.clock.step(noon - timedelta(days=1))
    again.book = again.started("planned")
    again.lives(300)
    again.clock.step(noon)
    again.lives(300)
    again.database.close()
    shown = run("--day", yesterday)[1]
    assert f"Daily summary, {yesterday} (Asia/Shanghai)\n" in shown
    assert f"Daily summary, {yesterday} (Asia/Shanghai), incomplete: the clock was set" in shown
    assert SummaryBody.model_validate_json(run("--json")[1]).complete is False
    code, missing = run("--day", "2001-01-01")
    assert code == 1
    assert yesterday in missing
    assert run("--day", "yesterday")[0] == 2
    monkeypatch.setenv("KERBWATCH_LANGUAGE", "zh_CN")
    assert "日报" in run()[1]
    assert "发现 1，消除 1" in run()[1]


def test_a_day_is_the_sites_and_not_greenwichs() -> None:
    assert day_counters.day_of(datetime(2026, 3, 1, 16, 0, tzinfo=UTC), SHANGHAI) == "2026-03-02"
