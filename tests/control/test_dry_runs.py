"""Promises of a running agent's dry runs: what other zones would have given, beside the watching."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.control.client import Call
from agent.control.errors import RefusedError
from agent.control.messages.dry_run import (
    AskDryRun,
    AskDryRunProgress,
    AskDryRunResult,
    DryRunResult,
)
from agent.control.messages.moving import AskMove
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.sites import as_toml, drawn_camera, red_thing, zone
from tests.support.waiting import wait_until

__all__ = ["corner_at"]
ELSEWHERE = [[0.02, 0.9], [0.1, 0.9], [0.1, 0.98], [0.02, 0.98]]


def watched_for(corner: WatchedCorner, seconds: float) -> None:
    wait_until(lambda: corner.analysed() > 5 * seconds)


def outcome(agent: Call, asked: AskDryRun) -> DryRunResult:
    started, _ = agent.ask(asked)
    states: list[str] = []

    def ended() -> bool:
        reply, _ = agent.ask(AskDryRunProgress(job=started.job))
        states.append(reply.state)
        assert reply.state != "failed", reply.because
        return reply.state == "done"

    wait_until(ended)
    result, _ = agent.ask(AskDryRunResult(job=started.job))
    return result


def drawn(**changes: Any) -> str:
    return json.dumps({"zones": [zone(**changes)]})


def test_todays_zones_give_the_case_that_is_open_and_others_do_not(corner_at: type) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    watched_for(corner, 16)
    with corner.asked() as agent:
        same = outcome(agent, AskDryRun())
        gone = outcome(agent, AskDryRun(zones=drawn(polygon=ELSEWHERE)))
        patient = outcome(agent, AskDryRun(zones=drawn(allowed_s=12)))
    [case] = same.now.cases
    assert (case.kind, case.zone_id, case.ended_at) == ("misparked_bike", "kerb", None)
    assert same.then.cases[0].opened_at == case.opened_at
    assert same.differences == []
    assert [each.change for each in gone.differences] == ["goes"]
    assert gone.then.cases == []
    later = patient.then.cases[0].opened_at - patient.now.cases[0].opened_at
    assert later.total_seconds() == pytest.approx(2, abs=0.5)
    assert same.source[0].hours > 0
    assert same.recent is not None
    assert [(each.kind, each.zone_id) for each in same.recent.cases] == [("misparked_bike", "kerb")]
    assert gone.recent is not None
    assert gone.recent.cases == []


def test_what_was_near_is_told_and_what_nobody_can_know(corner_at: type) -> None:
    stays = drawn_camera(
        width=640,
        height=360,
        seconds=100_000,
        frames_per_s=5,
        things=[red_thing(from_s=2, to_s=20)],
    )
    corner: WatchedCorner = corner_at(cameras=[stays])
    corner.start()
    watched_for(corner, 40)
    zones = [zone(allowed_s=30), zone(zone_id="bin-1", kind="bin", polygon=ELSEWHERE)]
    asked = AskDryRun(site=as_toml(with_bins(corner)), zones=json.dumps({"zones": zones}))
    with corner.asked() as agent:
        found = outcome(agent, asked)
    [near] = found.near
    first = near.measures[0]
    assert (near.zone_id, near.goes_on) == ("kerb", False)
    assert (first.name, first.threshold, first.holds) == ("dwell_s", 30, False)
    assert first.value == pytest.approx(18, abs=1.5)
    assert first.text.said() == "seconds standing"
    assert [each.change for each in found.differences] == ["goes"]
    [limit] = found.limits
    assert limit.zone_id == "bin-1", "whether it overflows shows only in pictures"
    assert found.recent is not None
    [score] = found.recent.scores
    assert (score.zone_id, score.classifier, score.meaning) == ("bin-1", "bin_state", "overflowing")
    assert 0 <= score.probability <= 1, "the frames of the last minutes have shown it"


def with_bins(corner: WatchedCorner) -> dict[str, Any]:
    told = {name: table for name, table in corner.tables.items() if name != "zones"}
    return told | {"scenarios": told["scenarios"] | {"overflowing_bins": {}}}


@pytest.mark.parametrize(
    ("zones", "fault"),
    [
        ("{", "zones.json"),
        ("[]", "zones"),
        (drawn(kind="moon"), "kind"),
        (drawn(polygon=[[0, 0]]), "polygon"),
    ],
)
def test_a_proposal_that_is_no_configuration_is_refused_with_its_faults(
    corner_at: type, zones: str, fault: str
) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    with corner.asked() as agent, pytest.raises(RefusedError, match=fault) as caught:
        agent.ask(AskDryRun(zones=zones))
    assert caught.value.code == "invalid"


def test_another_dry_run_ends_the_one_before_and_none_outlives_the_agent(corner_at: type) -> None:
    corner: WatchedCorner = corner_at()
    process = corner.start()
    with corner.asked() as agent:
        first, _ = agent.ask(AskDryRun())
        second, _ = agent.ask(AskDryRun())
        with pytest.raises(RefusedError) as caught:
            agent.ask(AskDryRunProgress(job=first.job))
        agent.ask(AskDryRunProgress(job=second.job))
    assert caught.value.code == "unknown_job"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    corner.stop()
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_without_room_for_frames_the_tracks_are_judged_alone(corner_at: type) -> None:
    corner: WatchedCorner = corner_at(
        storage={"state_dir": "state", "run_dir": "run", "frames_mb": 0}
    )
    corner.start()
    with corner.asked() as agent:
        found = outcome(agent, AskDryRun())
    assert found.recent is None
    assert found.source[0].frames > 0


def test_a_unit_that_hangs_elsewhere_keeps_no_tracks_of_the_old_place(corner_at: type) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    corner.stop()
    kept = set((corner.state_dir / "tracks").iterdir())
    assert kept
    corner.start()
    with corner.asked() as agent:
        agent.ask(AskMove(keep_zones=True))
    assert not any(path.exists() for path in kept)
