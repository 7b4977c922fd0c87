"""A clock that is wrong or is set costs no order and no dwell; each correction is appended."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain.ids import RandomIds
from agent.runtime.composition import assemble
from agent.storage.case_table import TRACES_KEPT, save_trace
from agent.storage.database import Database
from agent.storage.outbox_queries import Lane
from agent.telemetry.clock_monitor import APART_S, FRESH_S, STEP_S, ClockMonitor, reading_of
from drivers import cameras
from drivers.testing import FakeClock
from tests.support.crossing import camera, crossing
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox
from tests.support.red_bike_model import write_model
from tests.support.scenes import frame_of, paving

EPOCH = datetime(1970, 1, 1, 0, 2, tzinfo=UTC)
TODAY = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Corner:
    """A device's clock, outbox and timekeeper; :meth:`restart` is a new run on the same database."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.clock = clock
        self.database = Database(folder / "device.db")
        self.restart()

    def restart(self) -> None:
        self.outbox = open_outbox(self.database, boot_id=self.clock.boot_id)
        self.timekeeper = ClockMonitor(self.database, self.outbox, self.clock, RandomIds())

    def move(self, what: str, value: float | None, boot_id: str) -> None:
        """Let something befall it: one of :data:`MOVES`."""
        if what == "advance":
            self.clock.advance(value or 0.0)
        elif what == "step":
            self.clock.step(datetime.fromtimestamp(value or 0.0, UTC))
        elif what == "lose sight of time":
            self.clock.step(self.clock.now(), synchronised=False)
        elif what == "epoch":
            self.outbox.begin_epoch("rolled_back").result()
        else:
            if what == "reboot":
                self.clock.reboot(boot_id)
            if what != "look":
                self.restart()
            self.timekeeper.look()

    def open_case(self) -> str:
        draft = case_opened(self.clock)
        self.database.write(
            lambda connection: self.outbox.add(connection, draft, Lane.CASE)
        ).result()
        return draft.event_id

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        with closing(self.database.read()) as connection:
            rows = connection.execute("SELECT event FROM outbox ORDER BY sequence").fetchall()
        return [each for (text,) in rows if (each := json.loads(text))["type"].startswith(kind)]


def by_the_newest_correction(event: dict[str, Any], corrections: list[dict[str, Any]]) -> datetime:
    """When an event was, as docs/platform/events.md says that it is to be read."""
    boot_id = event["clock"]["boot_id"]
    newest = [each["body"] for each in corrections if each["body"]["boot_id"] == boot_id][-1:]
    if not newest:
        return datetime.fromisoformat(event["occurred_at"])
    steady = timedelta(seconds=event["clock"]["monotonic_s"])
    return datetime.fromisoformat(newest[0]["zero_at"]) + steady


def test_a_boot_in_1970_is_put_right_by_an_event_and_nothing_is_rewritten(tmp_path: Path) -> None:
    clock = FakeClock(EPOCH, monotonic_s=20, synchronised=False)
    corner = Corner(tmp_path, clock)
    with corner.database:
        assert corner.timekeeper.look() is None
        for _ in range(3):
            clock.advance(600)
            corner.open_case()
        before = corner.events()
        clock.step(TODAY)
        sequence = corner.timekeeper.look()
        assert corner.events()[:3] == before
        [told] = corner.events("device.clock")
        assert told["sequence"] == sequence == 5
        assert told["clock"]["state"] == "synchronised"
        assert {event["clock"]["state"] for event in before} == {"unsynchronised"}
        body = told["body"]
        assert (body["from_state"], body["to_state"]) == ("unsynchronised", "synchronised")
        assert body["concerned"] == {"epoch": corner.outbox.epoch, "first": 2, "last": 4}
        assert body["offset_s"] == pytest.approx(
            (TODAY - EPOCH - timedelta(seconds=1800)).total_seconds()
        )
        for event, ago_s in zip(before, (1200, 600, 0), strict=True):
            assert by_the_newest_correction(event, [told]) == TODAY - timedelta(seconds=ago_s)
            moved = datetime.fromisoformat(event["occurred_at"])
            assert moved + timedelta(seconds=body["offset_s"]) == TODAY - timedelta(seconds=ago_s)


def test_a_clock_that_runs_well_is_no_news(tmp_path: Path) -> None:
    clock = FakeClock(TODAY)
    corner = Corner(tmp_path, clock)
    with corner.database:
        for _ in range(100):
            clock.advance(3600)
            clock.step(clock.now() + timedelta(seconds=STEP_S / 200))  # drifts by half a step
            assert corner.timekeeper.look() is None


def test_a_step_while_the_agent_was_down_is_told_by_the_next_run_of_the_boot(
    tmp_path: Path,
) -> None:
    clock = FakeClock(EPOCH, synchronised=False)
    corner = Corner(tmp_path, clock)
    with corner.database:
        corner.timekeeper.look()
        corner.open_case()
        clock.advance(60)
        clock.step(TODAY)
        corner.restart()
        assert corner.timekeeper.look() == 3
        clock.reboot("another")
        clock.step(EPOCH, synchronised=False)
        corner.restart()
        assert corner.timekeeper.look() is None, "another boot has a clock of its own"


def test_two_time_sources_that_quarrel_do_not_fill_the_outbox(tmp_path: Path) -> None:
    clock = FakeClock(TODAY)
    corner = Corner(tmp_path, clock)
    with corner.database:
        corner.timekeeper.look()
        for second in range(600):
            clock.advance(1)
            clock.step(clock.now() + timedelta(hours=-1 if second % 2 else 1))
            corner.timekeeper.look()
        assert 1 <= len(corner.events("device.clock")) <= 600 / APART_S + 1


MOVES = st.one_of(
    st.tuples(st.just("advance"), st.floats(0, 86_400)),
    st.tuples(st.just("step"), st.integers(0, 4_000_000_000)),
    st.tuples(st.just("lose sight of time"), st.none()),
    st.tuples(st.sampled_from(["case", "case", "look", "restart", "reboot", "epoch"]), st.none()),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(MOVES, max_size=25))
def test_whatever_the_clock_does_the_newest_correction_dates_every_event_of_its_boot(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, Any]]
) -> None:
    clock = FakeClock(EPOCH, synchronised=False)
    corner = Corner(tmp_path_factory.mktemp("corner"), clock)
    cases: list[str] = []
    seen: dict[str, str] = {}
    with corner.database:
        corner.timekeeper.look()
        for number, (what, value) in enumerate(moves):
            if what == "case":
                cases.append(corner.open_case())
            else:
                corner.move(what, value, f"boot-{number}")
            for event in corner.events():
                assert (
                    seen.setdefault(event["event_id"], event["occurred_at"])
                    == (event["occurred_at"])
                )
        clock.advance(APART_S)
        corner.timekeeper.look()
        events, corrections = corner.events(), corner.events("device.clock")
        assert [e["event_id"] for e in events if e["type"] == "case.opened"] == cases, "in order"
        for event in events:
            if event["clock"]["boot_id"] == clock.boot_id:
                ago = timedelta(seconds=clock.monotonic_s() - event["clock"]["monotonic_s"])
                right = clock.now() - ago
                off_s = (by_the_newest_correction(event, corrections) - right).total_seconds()
                assert abs(off_s) <= STEP_S + 0.002


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 140), st.integers(-(10**9), 10**9)), max_size=6))
def test_a_case_opens_and_clears_at_the_same_frames_whatever_the_wall_clock_says(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("clock")
    write_model(folder / "models")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KERBWATCH_MODELS", str(folder / "models"))
        plain, stepped = story(folder / "plain", []), story(folder / "stepped", steps)
    assert [kind for kind, *_ in plain[:2]] == ["case.opened", "case.cleared"]
    assert stepped == plain


def story(state: Path, steps: list[tuple[int, int]]) -> list[tuple[Any, ...]]:
    """What becomes of a stay while the clock is set at some frames: what is told, when, how long."""
    site = crossing(camera("east", (2, 20), seconds=28), places=("gate",))
    clock = FakeClock(TODAY)
    parts = assemble(
        site,
        state_dir=state,
        evidence_dir=state / "evidence",
        ids=RandomIds(),
        clock=lambda frame: reading_of(frame, clock),
        boot_id="boot",
    )
    section = site.cameras[0]
    told: list[tuple[Any, ...]] = []
    source = cameras.load_driver(section.driver).open_camera(
        section.camera_id, section.driver_settings(Path())
    )
    moved = timedelta()
    while (frame := source.read()) is not None:
        moved += timedelta(seconds=sum(by_s for at, by_s in steps if at == frame.sequence))
        frame = dataclasses.replace(frame, captured_at=frame.captured_at + moved)
        for change in parts.analysis.take(frame):
            case = change.case
            dwell_s = case.last_present_s - case.began_s
            told.append((change.type, frame.sequence, case.began_s, dwell_s))
    with parts.reading() as connection:
        rows = connection.execute("SELECT event FROM outbox ORDER BY sequence").fetchall()
    for (text,) in rows:
        body = json.loads(text)["body"]
        began_at, opened_at = (datetime.fromisoformat(body[k]) for k in ("began_at", "opened_at"))
        told.append((body["dwell_s"], round((opened_at - began_at).total_seconds(), 2)))
        taken = {p["role"]: datetime.fromisoformat(p["captured_at"]) for p in body["pictures"]}
        if "begin" in taken:
            apart_s = (taken["threshold"] - taken["begin"]).total_seconds()
            told.append(("apart", round(apart_s, 2)))
    parts.close()
    return told


def test_a_frame_from_before_a_step_does_not_claim_the_clock_after_it() -> None:
    clock = FakeClock(EPOCH, monotonic_s=50, synchronised=False, error_s=0.1)
    frame = dataclasses.replace(frame_of(paving(), 49.5), captured_at=clock.now())
    clock.step(TODAY)
    reading = reading_of(frame, clock)
    assert (reading.state, reading.error_s, reading.monotonic_s) == ("unsynchronised", None, 49.5)
    fresh = dataclasses.replace(frame, captured_at=TODAY, monotonic_s=50.0)
    assert reading_of(fresh, clock).state == "synchronised"
    assert reading_of(fresh, clock).error_s == 0.1


def test_the_time_of_a_recording_is_not_taken_for_the_devices() -> None:
    clock = FakeClock(TODAY, monotonic_s=5000)
    frame = frame_of(paving(), 5000 - FRESH_S - 1)
    reading = reading_of(frame, clock)
    assert (reading.state, reading.error_s, reading.monotonic_s) == ("replay", None, 5000)
    late = TODAY - timedelta(seconds=FRESH_S + 1)  # of a live camera, by the clock that still goes
    assert reading_of(dataclasses.replace(frame, captured_at=late), clock).state == "synchronised"


def test_why_the_last_cases_opened_is_known_even_if_the_clock_was_set_back(tmp_path: Path) -> None:
    with Database(tmp_path / "device.db") as database:

        def write(connection: sqlite3.Connection) -> None:
            for number in range(TRACES_KEPT):
                save_trace(connection, f"7fff-{number}", "case.opened", "{}", "{}")
            save_trace(connection, "0000-first-of-1970", "case.opened", "{}", "{}")

        database.write(write).result()
        with closing(database.read()) as connection:
            kept = [case_id for (case_id,) in connection.execute("SELECT case_id FROM traces")]
    assert len(kept) == TRACES_KEPT
    assert "0000-first-of-1970" in kept
