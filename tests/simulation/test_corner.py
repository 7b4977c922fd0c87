"""What is drawn is what a device may say, and follows from the seed."""

from __future__ import annotations

from datetime import UTC, datetime

from agent.domain.ids import RandomIds
from agent.protocol.case import CaseBody
from agent.protocol.heartbeat import HeartbeatBody
from agent.protocol.summary import SummaryBody
from drivers.testing import FakeClock
from provisioning.simulation.corner import KINDS, Corner


def _corner(seed: str) -> Corner:
    return Corner("sim-00007", seed, FakeClock(datetime(2026, 3, 1, tzinfo=UTC)), RandomIds())


def _story(corner: Corner, count: int) -> list[tuple[str, str, int]]:
    bodies = [corner.happen().draft for _ in range(count)]
    return [
        (each.type, each.body.kind, each.body.count)
        for each in bodies
        if isinstance(each.body, CaseBody)
    ]


def test_the_same_seed_gives_the_same_story_and_another_gives_another() -> None:
    assert _story(_corner("1"), 60) == _story(_corner("1"), 60)
    assert _story(_corner("1"), 60) != _story(_corner("2"), 60)


def test_a_case_opens_once_ends_once_and_is_told_of_in_between_only() -> None:
    corner = _corner("1")
    open_: set[str] = set()
    over: set[str] = set()
    for _ in range(400):
        happened = corner.happen()
        assert happened.case is not None
        case_id, type_ = happened.case.case_id, happened.draft.type
        if type_ == "case.opened":
            assert case_id not in open_ | over
            open_.add(case_id)
        else:
            assert case_id in open_
        if type_ == "case.cleared":
            open_.remove(case_id)
            over.add(case_id)
        assert len(open_) <= len(KINDS)
    assert len(over) > 50


def test_a_summary_counts_what_was_told_since_the_last_one() -> None:
    corner = _corner("1")
    story = _story(corner, 200)
    first, second = corner.summary().draft.body, corner.summary().draft.body
    assert isinstance(first, SummaryBody)
    assert isinstance(second, SummaryBody)
    days = [kind for zone in first.zones for kind in zone.cases]
    assert sum(day.opened for day in days) == sum(type_ == "case.opened" for type_, _, _ in story)
    assert sum(day.cleared for day in days) == sum(type_ == "case.cleared" for type_, _, _ in story)
    assert not any(day.opened for zone in second.zones for day in zone.cases)


def test_its_gauges_fill_a_heartbeat() -> None:
    gauges = _corner("1").gauges(outbox_rows=lambda: 3, outbox_oldest_s=lambda: 1.5)
    body = HeartbeatBody(**{name: gauges[name]() for name in HeartbeatBody.model_fields})
    assert body.outbox_rows == 3
    assert body.uplink is None
