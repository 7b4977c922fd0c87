"""What is kept goes when its time has come, and never because a clock is wrong."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.retention import HoldError, sweep
from agent.retention.selection import Kept, choose
from agent.storage.database import Database, StoodIn
from agent.storage.evidence_job_table import add_job
from agent.storage.lived_time import MAX_OFF_S, LivedTime
from agent.storage.track_log import BlockPacker, TrackLog
from drivers.testing import FakeClock
from tests.support.state_folder import DAY_S, EACH_BYTES, NAME, NOON, StateFolder, hold_on


@pytest.fixture
def device(tmp_path: Path) -> Iterator[StateFolder]:
    device = StateFolder(tmp_path, pictures_days=30, cases_days=180)
    yield device
    device.database.close()


def test_pictures_go_when_their_time_has_come_and_that_is_recorded_first(
    device: StateFolder,
) -> None:
    old = device.case()
    device.passes()
    device.passes(days=20)
    young = device.case()
    assert device.passes(days=9).deleted == {}
    outcome = device.passes(days=2)
    assert outcome.deleted == {"age": 1}
    assert outcome.deleted_bytes == EACH_BYTES
    assert device.kept() == {young}
    [told] = device.deletions()
    assert told.facts == {"why": "age", "cases": [old], "bytes": EACH_BYTES}


def test_an_open_case_keeps_its_pictures_whatever_its_age(device: StateFolder) -> None:
    case_id = device.case(over=False)
    device.passes()
    device.passes(days=400)
    assert device.kept() == {case_id}


def test_pictures_begin_to_age_only_when_the_platform_has_heard_of_all(device: StateFolder) -> None:
    case_id = device.case(heard=False)
    device.passes()
    device.passes(days=100)
    assert device.kept() == {case_id}
    device.outbox.confirm([2]).result()
    device.passes()
    device.passes(days=29)
    assert device.kept() == {case_id}
    device.passes(days=2)
    assert device.kept() == set()


def test_a_held_case_stays_whatever_else_is_said(device: StateFolder) -> None:
    held, other = device.case(), device.case()
    device.holds.set(hold_on(held))
    device.free_bytes = 0
    device.passes()
    outcome = device.passes(days=1000)
    assert device.kept() == {held}
    assert outcome.short_bytes > 0, "it says that there is less room than is wanted"
    assert (device.count("cases"), device.count("traces")) == (1, 1)
    device.holds.lift(held)
    device.passes()
    assert device.kept() == set()
    assert other not in device.kept()


def test_a_hold_that_cannot_be_read_holds(device: StateFolder) -> None:
    case_id = device.case()
    device.holds.set(hold_on(case_id))
    (device.folder / "holds" / f"{case_id}.json").write_text("damaged")
    device.passes()
    device.passes(days=1000)
    assert device.kept() == {case_id}


@pytest.mark.parametrize("name", ["", "../evidence", "a/b", "x" * 65])
def test_a_hold_on_what_is_no_case_is_refused(device: StateFolder, name: str) -> None:
    with pytest.raises(HoldError):
        device.holds.set(hold_on(name))


def test_within_the_budget_the_oldest_go_first_of_those_the_platform_knows(tmp_path: Path) -> None:
    device = StateFolder(tmp_path, pictures_mb=10)
    unheard = [device.case(heard=False) for _ in range(10)]
    heard = [device.case() for _ in range(90)]
    opened = [device.case(over=False) for _ in range(10)]
    outcome = device.passes()
    assert outcome.size_bytes <= 10e6
    assert outcome.size_bytes > 10e6 - 2 * EACH_BYTES, "and no more than needed"
    gone = len(heard) - (len(device.kept()) - 20)
    assert device.kept() == {*unheard, *heard[gone:], *opened}
    assert outcome.deleted == {"room": gone}
    device.database.close()


def test_when_the_disk_is_nearly_full_pictures_make_room(tmp_path: Path) -> None:
    device = StateFolder(tmp_path, min_free_mb=100)
    cases = [device.case() for _ in range(30)]
    device.free_bytes = 99_000_000
    device.passes()
    assert device.kept() == set(cases[9:]), "a million bytes are nine cases' pictures"
    device.database.close()


def test_room_is_made_in_the_order_of_recording_whatever_the_clock_said(tmp_path: Path) -> None:
    device = StateFolder(tmp_path, pictures_mb=10)
    device.clock.step(NOON + timedelta(days=3650))
    first = [device.case() for _ in range(60)]
    device.clock.step(NOON - timedelta(days=3650))
    then = [device.case() for _ in range(60)]
    device.passes()
    assert set(then) <= device.kept()
    assert set(first[:30]).isdisjoint(device.kept())
    device.database.close()


@pytest.mark.parametrize("years", [-50, -1, 1, 30])
@pytest.mark.parametrize("synchronised", [True, False])
def test_a_clock_that_steps_makes_nothing_older(
    device: StateFolder, years: int, synchronised: bool
) -> None:
    case_id = device.case()
    device.passes()
    device.passes(days=28)
    device.clock.step(NOON + timedelta(days=365 * years), synchronised=synchronised)
    device.passes()
    device.clock.step(NOON + timedelta(days=28))
    device.passes(days=1)
    assert device.kept() == {case_id}
    device.passes(days=1.1)
    assert device.kept() == set(), "and nothing younger"


def test_a_clock_that_is_years_off_after_a_boot_adds_a_week_at_most(device: StateFolder) -> None:
    case_id = device.case()
    device.passes()
    for boot, years in enumerate((30, -30, 0)):
        device.clock.reboot(f"boot-{boot + 2}")
        device.clock.step(NOON + timedelta(days=365 * years))
        device.passes()
    assert device.kept() == {case_id}


def test_a_device_without_any_time_source_still_forgets(device: StateFolder) -> None:
    device.clock.step(datetime(1970, 1, 1, tzinfo=UTC), synchronised=False)
    device.case()
    device.passes()
    for boot in range(31):
        device.clock.reboot(f"another {boot}")
        device.passes(days=1)
    assert device.kept() == set()


def test_time_goes_on_while_the_device_is_off(device: StateFolder) -> None:
    device.case()
    device.passes()
    for boot in range(6):
        device.clock.advance(6 * DAY_S)
        device.clock.reboot(f"another {boot}")
        device.passes()
    assert device.kept() == set()


def test_pictures_of_no_known_case_go_after_their_time_and_never_at_first_sight(
    device: StateFolder,
) -> None:
    device.pictures("0197-lost")
    device.free_bytes = 0
    device.passes()
    assert device.kept() == {"0197-lost"}, "its case may be about to be recorded"
    device.free_bytes = 10**12
    device.passes(days=29)
    assert device.kept() == {"0197-lost"}
    device.passes(days=2)
    assert device.kept() == set()


def test_old_rows_go_and_open_or_waiting_ones_stay(device: StateFolder) -> None:
    gone, opened = device.case(), device.case(over=False)
    waits = device.case(heard=False)
    device.outbox.set_aside([4], "test").result()
    assert waits in device.kept()
    again = device.case(heard=False)
    device.passes()
    device.passes(days=31)
    assert device.count("kept") == 0
    assert device.count("losses") == 1, "now it is lost: not reported yet, so it must stay"
    device.passes(days=150)
    device.passes()
    assert device.count("cases") == 2
    assert device.count("traces") == 2
    assert device.kept() == {opened, again}
    assert gone not in device.kept()
    [rows] = device.database.write(
        lambda connection: connection.execute("SELECT count(*) FROM ageing").fetchone()
    ).result()
    assert rows == 0, "nothing is remembered of what is gone"


def test_free_pages_are_given_back_when_they_are_many(
    device: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BREATH_S", 0.0)

    def fill(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT INTO state (name, value) VALUES (?, ?)",
            [(f"filling {n}", "x" * 100_000) for n in range(400)],
        )

    device.database.write(fill).result()
    device.database.write(
        lambda connection: connection.execute("DELETE FROM state WHERE name LIKE 'filling%'")
    ).result()
    outcome = device.passes()
    device.database.close()
    assert outcome.given_back_bytes > 30e6
    assert (device.folder / NAME).stat().st_size < 12e6


def test_a_disk_too_full_for_the_log_still_gets_its_room(tmp_path: Path) -> None:
    device = StateFolder(tmp_path, pictures_mb=10)
    cases = [device.case() for _ in range(100)]
    (tmp_path / "audit").write_text("in the way of the folder")
    assert device.passes().deleted["room"] > 0
    assert device.kept() < set(cases)
    device.database.close()


def test_a_database_that_stands_in_for_another_lets_no_picture_go(tmp_path: Path) -> None:
    """It knows of open cases only: all other pictures would look like nobody's."""
    device = StateFolder(tmp_path, pictures_mb=10)
    cases = {device.case() for _ in range(100)}
    device.database.close()
    device.database = Database(tmp_path / "memory" / NAME, stood_in=StoodIn("disk I/O error"))
    retention = device.begin()
    for _ in range(3):
        assert retention.once(threading.Event()) is None
    assert device.kept() == cases
    device.database.close()


def test_two_passes_at_once_are_one(device: StateFolder) -> None:
    with device.retention._alone() as alone:
        assert alone
        assert device.begin().once(threading.Event()) is None


KILLED = """
import sys, threading
from pathlib import Path
from tests.support.state_folder import StateFolder
device = StateFolder(Path(sys.argv[1]), pictures_mb=10, cases_days=1)
print("begins", flush=True)
device.passes(days=float(sys.argv[2]))
device.passes(days=float(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_keeps_what_must_stay(tmp_path: Path) -> None:
    device = StateFolder(tmp_path)
    held, opened = device.case(), device.case(over=False)
    device.holds.set(hold_on(held))
    old = [device.case() for _ in range(60)]
    device.passes()
    device.database.close()
    chance = random.Random(4)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, tmp_path, "0"], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"begins\n"
        time.sleep(chance.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert {held, opened} <= {path.name for path in (tmp_path / "evidence").iterdir()}
    subprocess.run([sys.executable, "-c", KILLED, tmp_path, "31"], check=True)
    assert {path.name for path in (tmp_path / "evidence").iterdir()} == {held, opened}
    device = StateFolder(tmp_path)
    told = {case_id for each in device.deletions() for case_id in each.facts["cases"]}
    assert told == set(old), "whatever went was recorded"
    assert device.count("cases") == 2
    device.database.close()


kept_things = st.lists(
    st.builds(
        Kept,
        case_id=st.uuids().map(str),
        size_bytes=st.integers(0, 1000),
        recorded=st.integers(0, 50),
        over=st.booleans(),
        heard=st.booleans(),
        kept_s=st.floats(0, 100 * DAY_S),
        held=st.booleans(),
    ),
    unique_by=lambda each: each.case_id,
    max_size=30,
)


@given(kept_things, st.floats(1, 60), st.integers(0, 20_000), st.integers(-5000, 5000))
def test_only_what_may_go_goes_once_and_no_more_than_needed(
    kept: list[Kept], days: float, budget_bytes: int, wanted_bytes: int
) -> None:
    going = list(choose(kept, days=days, budget_bytes=budget_bytes, wanted_bytes=wanted_bytes))
    by_id = {each.case_id: each for each in kept}
    gone = [by_id[each.case_id] for each in going]
    assert len({each.case_id for each in gone}) == len(gone)
    assert all(each.over and not each.held for each in gone)
    left = [each for each in kept if each not in gone]
    assert not [e for e in left if e.over and not e.held and e.kept_s >= days * DAY_S]
    for_room = [by_id[each.case_id] for each in going if each.why == "room"]
    if any(not each.heard for each in for_room):
        assert not [each for each in left if each.over and not each.held and each.heard]
    over_bytes = max(sum(each.size_bytes for each in kept) - budget_bytes, wanted_bytes)
    freed = sum(each.size_bytes for each in gone)
    if [each for each in left if each.over and not each.held]:
        assert freed >= over_bytes
    if for_room:
        assert freed - for_room[-1].size_bytes < over_bytes


steps = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0, 10 * DAY_S)),
        st.tuples(st.just("step"), st.integers(-(10**9), 10**9)),
        st.tuples(st.just("unsynchronise"), st.integers(-(10**9), 10**9)),
        st.tuples(st.just("reboot"), st.floats(0, 10 * DAY_S)),
    ),
    max_size=30,
)


@given(steps)
def test_no_device_ages_faster_than_it_lives_but_for_a_week_a_boot(
    done: list[tuple[str, float]],
) -> None:
    clock = FakeClock(NOON, boot_id="0")
    lifetime = LivedTime().now(clock)
    up_s, boots, last_s = 0.0, 0, 0.0
    for what, value in done:
        if what == "pass":
            clock.advance(value)
            up_s += value
        elif what == "reboot":
            boots += 1
            clock.advance(value)  # off
            clock.reboot(str(boots))
        else:
            clock.step(clock.now() + timedelta(seconds=value) / 10, synchronised=what == "step")
        lifetime = lifetime.now(clock)
        assert lifetime.lived_s >= last_s
        last_s = lifetime.lived_s
    assert up_s - 1e-3 <= lifetime.lived_s <= up_s + boots * MAX_OFF_S + 1e-3


def test_a_device_without_a_battery_clock_ages_by_the_time_that_it_was_off() -> None:
    clock = FakeClock(NOON, boot_id="0")
    lifetime = LivedTime().now(clock)
    for boot in ("1", "2"):
        stopped_at = clock.now()
        clock.advance(2 * DAY_S)  # off
        clock.reboot(boot)
        now = clock.now()
        clock.step(stopped_at, synchronised=False)  # as it was saved
        for _ in range(4):
            clock.advance(60)
            lifetime = lifetime.now(clock)
        clock.step(now + timedelta(minutes=4))
        lifetime = lifetime.now(clock)
        lifetime = lifetime.now(clock)
    assert lifetime.lived_s == pytest.approx(4 * DAY_S + 8 * 60)


def test_what_an_older_agent_has_counted_is_counted_on() -> None:
    told = LivedTime.model_validate_json(
        '{"lived_s": 100.0, "boot_id": "0", "monotonic_s": 50.0, "wall_at": "2026-03-01T04:00:00Z"}'
    )
    clock = FakeClock(NOON, boot_id="0", monotonic_s=80.0)
    assert told.now(clock).lived_s == 130.0, "within the boot"
    clock.advance(DAY_S)
    clock.reboot("1")
    assert told.now(clock).lived_s == pytest.approx(100.0 + DAY_S)


def test_a_crop_goes_after_its_days_with_its_facts_whatever_the_clock_says(tmp_path: Path) -> None:
    device = StateFolder(tmp_path)
    folder = tmp_path / "collection" / "overflowing_bin"
    folder.mkdir(parents=True)
    crop = folder / "19700101T000000000000Z~bin-1~bin.jpg"
    for path in (crop, crop.with_suffix(".json")):
        path.write_bytes(b"x")
    device.passes()
    device.clock.step(NOON + timedelta(days=4000))
    device.passes(29)
    assert crop.exists()
    device.passes(2)
    assert list(folder.iterdir()) == []
    device.passes()
    assert device.count("ageing") == 0
    device.database.close()


def test_tracks_go_after_their_hours_whatever_the_clock_says(tmp_path: Path) -> None:
    device = StateFolder(tmp_path)
    folder = tmp_path / "tracks"
    TrackLog(folder, 1_000_000).append("street", BlockPacker({}).packed(), 0.0)
    device.passes()
    device.clock.step(NOON + timedelta(days=4000))
    device.passes(0.9)
    assert len(list(folder.iterdir())) == 1
    device.passes(0.2)
    assert list(folder.iterdir()) == []
    device.database.close()


def test_a_case_whose_packet_is_not_made_has_not_told_all(device: StateFolder) -> None:
    case_id = device.case()
    device.database.write(lambda connection: add_job(connection, case_id, "cleared", "{}")).result()
    device.passes()
    assert device.passes(days=60).deleted == {}
    device.database.write(
        lambda connection: connection.execute("DELETE FROM evidence_job").rowcount
    ).result()
    device.passes()
    assert device.passes(days=31).deleted == {"age": 1}


def test_copies_contexts_and_manifests_count_and_go_with_their_case(device: StateFolder) -> None:
    case_id = device.case()
    folder = device.folder / "evidence" / case_id
    before = device.passes().size_bytes
    for name in ("begin.context.json", "begin.redacted.jpg", "manifest-1.jws"):
        (folder / name).write_bytes(bytes(8192))
    assert device.passes().size_bytes == before + 3 * 8192
    assert device.passes(days=31).deleted_bytes == EACH_BYTES + 3 * 8192
    assert device.kept() == set()
