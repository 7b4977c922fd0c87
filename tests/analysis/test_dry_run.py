"""A dry run says what other zones would have given, by the judging of the agent, and what nobody can know.

What is held against it is a replay of a rendered clip: the same judging, over pictures.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agent.analysis.dry_run import DryRun, judged, stored_moments
from agent.analysis.track_records import TrackMoment, Writer
from agent.analysis.zone_judging import Shown
from agent.config.loading import from_tables
from agent.domain.scene import Box, Observation, Track
from agent.protocol.events import CaseEvent
from agent.runtime.replay import replay
from agent.storage.track_log import StoredBlock, blocks_of
from tests.support.sites import standing_bike_site
from tests.support.staged_clips import BUNDLED, HELD_OUT, replayed, site_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from agent.config.schema import Configuration
    from agent.protocol.events import Event

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


def dry(configuration: Configuration, results: Path) -> DryRun:
    [found] = judged(
        [configuration],
        [
            stored_moments(
                camera.camera_id, blocks_of(results / "state" / "tracks", camera.camera_id)
            )
            for camera in configuration.cameras
        ],
    )
    return found


def changed(site: Configuration, **sections: Any) -> Configuration:
    told = site.model_dump(mode="json", by_alias=True)
    return from_tables(told | sections)


def told(found: DryRun) -> list[tuple[Any, ...]]:
    return sorted(
        (each.case.kind, each.case.zone_id, each.opened_at, each.ended_at) for each in found.cases
    )


def happened(events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """What a replay reported: kind, zone, when it opened and when it was cleared."""
    cases: dict[str, list[Any]] = {}
    for event in events:
        assert isinstance(event, CaseEvent)
        body = event.body
        case = cases.setdefault(
            body.case_id, [body.kind, body.place.zone_id, event.occurred_at, None]
        )
        if event.type == "case.cleared":
            case[3] = event.occurred_at
    return sorted(tuple(case) for case in cases.values())


def test_the_zones_of_today_give_what_they_gave() -> None:
    run = replayed(BUNDLED, 2)
    found = dry(site_of(BUNDLED), run.out)
    assert told(found) == happened(run.report.events)
    assert len(found.cases) == 3
    assert not any(case.unverified for case in found.cases)


def test_why_a_case_opens_is_told_in_the_figures_of_the_replay() -> None:
    run = replayed(BUNDLED, 2)
    reasons = {
        event.body.kind: event.body.reason
        for event in run.report.events
        if isinstance(event, CaseEvent) and event.type == "case.opened"
    }
    found = dry(site_of(BUNDLED), run.out)
    assert {each.case.kind: each.reason for each in found.cases} == {
        kind: pytest.approx(reason, abs=0.01) if kind != "street_vending" else reason
        for kind, reason in reasons.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("frames_per_s", [1, 5, 10])
@pytest.mark.parametrize("clip", [BUNDLED, *HELD_OUT], ids=lambda clip: clip.name)
def test_the_same_holds_on_other_streets_and_at_other_rates(
    clip: Path, frames_per_s: float
) -> None:
    run = replayed(clip, frames_per_s)
    assert told(dry(site_of(clip), run.out)) == happened(run.report.events)


def test_what_is_drawn_no_more_gives_nothing_and_the_rest_what_it_gave() -> None:
    run = replayed(BUNDLED, 2)
    site = site_of(BUNDLED)
    zones = [
        each for each in site.model_dump(mode="json")["zones"] if each["zone_id"] != "pavement"
    ]
    found = told(dry(changed(site, zones=zones), run.out))
    assert found == [each for each in happened(run.report.events) if each[1] != "pavement"]


def test_who_allows_less_time_has_his_case_earlier() -> None:
    run = replayed(BUNDLED, 2)
    sooner = site_of(BUNDLED, {"misparked_bikes": {"allowed_s": 4}})
    [bike] = [each for each in dry(sooner, run.out).cases if each.case.kind == "misparked_bike"]
    assert (bike.opened_at - bike.began_at).total_seconds() == pytest.approx(4, abs=0.6)


def test_what_was_near_to_a_case_is_told_with_its_figures() -> None:
    run = replayed(BUNDLED, 2)
    patient = site_of(BUNDLED, {"misparked_bikes": {"allowed_s": 80}})
    found = dry(patient, run.out)
    assert "misparked_bike" not in {each.case.kind for each in found.cases}
    [near] = [each for each in found.near if each.kind == "misparked_bike" and not each.goes_on]
    [missing] = near.missing
    assert (missing.name, missing.threshold) == ("dwell_s", 80)
    assert 50 < missing.value < 62, "it stands for 58 s"


def test_a_zone_drawn_only_now_is_judged_by_what_was_new_on_the_ground(tmp_path: Path) -> None:
    site = site_of(BUNDLED)
    zones = site.model_dump(mode="json")["zones"]
    without = [each for each in zones if each["kind"] != "no_vending"]
    report = replay(changed(site, zones=without), base=BUNDLED, frames_per_s=2, out=tmp_path)
    assert "street_vending" not in report.opened_by_kind
    found = dry(site, tmp_path)
    [stall] = [each for each in found.cases if each.case.kind == "street_vending"]
    assert stall.unverified, "nobody had asked the verifier about it"
    assert found.watched["no-vending"].looked_share > 0.3


def test_of_a_bin_drawn_only_now_nobody_knows_anything() -> None:
    run = replayed(BUNDLED, 2)
    site = site_of(BUNDLED)
    zones = site.model_dump(mode="json")["zones"]
    for each in zones:
        if each["kind"] == "bin":
            each["polygon"] = [[x - 0.1, y] for x, y in each["polygon"]]
    found = dry(changed(site, zones=zones), run.out)
    assert "overflowing_bin" not in {each.case.kind for each in found.cases}
    assert found.watched["bin-1"].unanswered > 0


def test_a_zone_that_nobody_looked_at_says_so() -> None:
    run = replayed(BUNDLED, 2)
    site = site_of(BUNDLED)
    sky = {
        "zone_id": "sky",
        "camera_id": "street",
        "kind": "no_parking",
        "polygon": [[0.0, 0.0], [0.1, 0.0], [0.1, 0.05], [0.0, 0.05]],
    }
    zones = [*site.model_dump(mode="json")["zones"], sky]
    found = dry(changed(site, zones=zones), run.out)
    assert found.watched["sky"].looked_share == 0
    assert found.watched["pavement"].looked_share > 0.5


def standing(seconds: range, boot_id: str, *, unseen: bool = False) -> StoredBlock:
    """A block in which a bike stands; its clock begins with the first of these seconds."""
    seen = Observation((Box(0, 0, 1, 1),), ())
    begins = float(seconds[0])
    writer = Writer("street", boot_id, (), begins, NOON, verified=False)
    records = []
    for second in seconds:
        now_s, at = float(second), NOON + timedelta(seconds=second - begins)
        track = Track(
            1, "bicycle", Box(0.4, 0.4, 0.6, 0.6), 0.9, begins, now_s, begins, seen_now=True
        )
        shown = None if unseen else Shown(now_s, at, seen, (track,), None, ())
        records.append(writer.record(TrackMoment(shown, now_s, at)))
    return StoredBlock(writer.header, records)


def cases_of(*blocks: StoredBlock) -> DryRun:
    site = from_tables(standing_bike_site())
    return judged([site], [stored_moments("street", blocks)])[0]


def test_what_stood_before_a_restart_goes_on_and_the_time_between_adds_nothing() -> None:
    assert cases_of(standing(range(7), "a")).cases == []
    later = replace_times(standing(range(100, 107), "b"), hours=5)
    [case] = cases_of(standing(range(7), "a"), later).cases
    assert case.opened_at > NOON + timedelta(hours=5)


def replace_times(block: StoredBlock, hours: int) -> StoredBlock:
    header = block.header | {"at": (NOON + timedelta(hours=hours)).isoformat()}
    return StoredBlock(header, block.records)


def test_what_could_not_be_seen_adds_to_no_stay() -> None:
    seen, dark = standing(range(6), "a"), standing(range(6, 60), "a", unseen=True)
    dark = StoredBlock(
        dark.header | {"at": (NOON + timedelta(seconds=6)).isoformat()}, dark.records
    )
    assert cases_of(seen, dark).cases == []


@pytest.mark.parametrize(
    "header",
    [{"version": 2}, {"at": "never"}, {"shapes": None}, {"boot_id": None, "verified": []}],
    ids=str,
)
def test_a_block_of_another_agent_is_left_out(header: dict[str, Any]) -> None:
    whole = standing(range(30), "a")
    assert cases_of(StoredBlock(whole.header | header, whole.records), whole).cases


@pytest.mark.parametrize("record", [{}, {"t": 0, "k": {"1": []}}, {"t": 0, "o": [1]}], ids=str)
def test_a_record_that_is_none_costs_its_block_alone(record: dict[str, Any]) -> None:
    whole = standing(range(30), "a")
    broken = StoredBlock(whole.header, [json.loads(json.dumps(record)), *whole.records])
    assert cases_of(broken, whole).cases
