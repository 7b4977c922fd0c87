"""The tear-off test: a test case goes from the pole to the platform, its number comes home, and nothing counts it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from agent.config.loading import from_tables
from agent.control.client import Call
from agent.control.errors import RefusedError
from agent.control.messages.service import AskTestCase, AskTestCaseState, TearOffReply
from agent.control.tear_off import TearOffTests
from agent.control.verbs import Caller
from agent.delivery.followed_events import FollowedEvents
from agent.domain.ids import RandomIds
from agent.storage.case_table import load_open_cases, open_case_ids, traces_of
from agent.storage.day_counters import DEVICE as WHOLE_DEVICE
from agent.storage.paths import DATABASE
from provisioning.commands.tear_off import outcome
from tests.support.broker import Broker
from tests.support.command_line import kerbwatch
from tests.support.example_platform import example_platform, module
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.sites import site_of, uplink_table, zone
from tests.support.state_folder import StateFolder
from tests.support.waiting import wait_until

__all__ = ["corner_at"]
pytestmark = pytest.mark.slow
CornerAt = Callable[..., WatchedCorner]


def types_at(database: Path) -> set[str]:
    """The types of the events that the platform has."""
    with closing(sqlite3.connect(database)) as db:
        return {type_ for (type_,) in db.execute("SELECT type FROM event")}


def when(agent: Call, case_id: str, holds: Callable[[TearOffReply], bool]) -> TearOffReply:
    """The state of a test case once something holds of it."""
    found: list[TearOffReply] = []

    def looks() -> bool:
        found.append(agent.ask(AskTestCaseState(case_id=case_id))[0])
        return holds(found[-1])

    wait_until(looks)
    return found[-1]


@pytest.mark.parametrize("confirm", ["platform", "broker"])
def test_the_number_of_a_test_case_comes_home_with_receipts_and_without(
    broker: Broker, corner_at: CornerAt, tmp_path: Path, confirm: str
) -> None:
    corner = corner_at(uplink=uplink_table(broker.settings(confirm=confirm)))
    with example_platform(broker, tmp_path / "platform.db"):
        corner.start()
        with corner.asked() as agent:
            state, _ = agent.ask(AskTestCase())
            assert (state.kind, state.zone_id) == ("misparked_bike", "kerb")
            done = when(agent, state.case_id, lambda each: each.ticket is not None)
            if confirm == "platform":
                done = when(agent, state.case_id, lambda each: each.receipted_at is not None)
        wait_until(lambda: "case.ticketed" in types_at(tmp_path / "platform.db"))
        corner.stop()
    assert done.reached == "ticket"
    assert (done.ticket or "").startswith("TEST-")
    assert done.with_receipts == (confirm == "platform")
    steps = [done.stored_at, done.sent_at, done.acknowledged_at]
    assert None not in steps
    assert steps == sorted(steps)  # type: ignore[type-var]
    assert (done.receipted_at is not None) == (confirm == "platform")
    _nothing_counts_it(corner, tmp_path / "platform.db", state.case_id)


def _nothing_counts_it(corner: WatchedCorner, platform_db: Path, case_id: str) -> None:
    """On the device: not open, not in a day, not explained. On the platform: in no figure, in no answer to a desk."""
    with closing(sqlite3.connect(corner.state_dir / DATABASE)) as device:
        assert case_id not in open_case_ids(device)
        assert case_id not in {each.case_id for each in load_open_cases(device)}
        assert traces_of(device, case_id) == []
        real = device.execute("SELECT count(*) FROM cases WHERE case_id != ?", (case_id,))
        counted = device.execute(
            "SELECT coalesce(sum(value), 0) FROM days WHERE name = 'opened' AND kind != ?",
            (WHOLE_DEVICE,),
        )
        assert counted.fetchone() == real.fetchone()
        jobs = device.execute("SELECT count(*) FROM evidence_chain WHERE case_id = ?", (case_id,))
        assert jobs.fetchone() == (0,)
    with closing(module("storing").opened(platform_db)) as db:
        told = db.execute("SELECT type, test, raw FROM event").fetchall()
        mine = [row for row in told if json.loads(row[2])["body"].get("case_id") == case_id]
        assert {row[0] for row in mine} >= {"case.opened", "case.cleared", "case.ticketed"}
        assert all(row[1] for row in mine)
        for view in ("case_now", "member_now", "unknown_case"):
            rows = db.execute(f"SELECT * FROM {view}").fetchall()
            assert case_id not in str(rows), view


def begun(agent: Call) -> TearOffReply:
    """A test case, as soon as the agent takes one: it refuses them in quick succession."""
    made: list[TearOffReply] = []

    def takes() -> bool:
        with suppress(RefusedError):
            made.append(agent.ask(AskTestCase())[0])
        return bool(made)

    wait_until(takes)
    return made[0]


def test_without_a_platform_it_is_said_how_far_it_came(broker: Broker, corner_at: CornerAt) -> None:
    corner = corner_at(uplink=uplink_table(broker.settings(confirm="broker")))
    corner.start()
    done = kerbwatch("test", corner.folder, "--wait", "0", language="en")
    assert done.exit_code == 1
    assert "stored on the device: a test case" in done.output
    with corner.asked() as agent:
        sent = begun(agent)
        lonely = when(agent, sent.case_id, lambda each: each.trouble is not None)
        assert lonely.acknowledged_at is None
        assert "No matching subscribers" in outcome(lonely)
        with broker.platform():
            far = when(agent, sent.case_id, lambda each: each.acknowledged_at is not None)
        assert far.reached == "acknowledged"
        assert "The broker has it" in outcome(far)
        broker.stop()
        unsent = begun(agent)
        cut = when(agent, unsent.case_id, lambda each: not each.connected)
    assert cut.ticket is None
    assert cut.trouble is not None


def test_a_test_case_outlives_a_restart_and_leaves_no_case_open(corner_at: CornerAt) -> None:
    corner = corner_at()
    corner.start()
    with corner.asked() as agent:
        made, _ = agent.ask(AskTestCase())
    corner.stop()
    corner.start()
    with corner.asked() as agent:
        again, _ = agent.ask(AskTestCaseState(case_id=made.case_id))
        with pytest.raises(RefusedError, match="no such test case"):
            agent.ask(AskTestCaseState(case_id="nobody"))
    assert again.reached == "stored"
    assert abs((again.stored_at - made.stored_at).total_seconds()) < 0.01
    status = corner.status()
    assert status is not None
    assert made.case_id not in {case.case_id for case in status.cases}


def test_where_nothing_is_judged_there_is_nothing_to_test(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    configuration = from_tables(site_of(zones=[zone(kind="mask")]))
    followed = FollowedEvents(state.clock)
    tests = TearOffTests(
        *(
            lambda: configuration,
            (),
            state.database,
            state.outbox,
            state.clock,
            RandomIds(),
            followed,
            None,
        )
    )
    try:
        with pytest.raises(RefusedError, match="draw a zone"):
            tests.start(AskTestCase(), Caller(0, "root", "technician"))
    finally:
        state.database.close()
