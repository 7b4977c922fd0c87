"""The street problems staged in the rendered clips are reported: each once, in time, no others.

What is proven here is the judgement: timing, occlusion, persistence, one case a problem. The
pictures are rendered, so nothing here says how well the models see a real street.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from agent.protocol.events import CaseEvent
from agent.runtime.replay import replay
from tests.support.staged_clips import (
    BUNDLED,
    HELD_OUT,
    replayed,
    reported,
    site_of,
    staged,
    truth_of,
)

WITHIN_S = 2.0

bundled_rates = pytest.mark.parametrize(
    "frames_per_s",
    [pytest.param(rate, marks=pytest.mark.slow) if rate != 2 else rate for rate in (1, 2, 5, 10)],
)


def check(clip: Path, frames_per_s: float) -> None:
    expected, found = staged(clip), reported(replayed(clip, frames_per_s).report.events)
    assert [(each.kind, each.zone_id) for each in found] == [
        (each.kind, each.zone_id) for each in expected
    ]
    # What happens between two frames is known to half the time between them.
    within_s = WITHIN_S + 0.5 / frames_per_s
    for case, problem in zip(found, expected, strict=True):
        assert case.begins_s == pytest.approx(problem.begins_s, abs=within_s), problem
        assert case.ends_s == pytest.approx(problem.ends_s, abs=within_s), problem


@pytest.mark.slow
@bundled_rates
def test_each_staged_problem_is_one_case_that_begins_and_ends_in_time(frames_per_s: float) -> None:
    check(BUNDLED, frames_per_s)


@pytest.mark.slow
@pytest.mark.parametrize("frames_per_s", [1, 2, 5, 10])
@pytest.mark.parametrize("clip", HELD_OUT, ids=lambda clip: clip.name)
def test_the_same_holds_on_streets_not_used_while_building(clip: Path, frames_per_s: float) -> None:
    check(clip, frames_per_s)


def test_there_are_three_streets_not_used_while_building() -> None:
    assert len(HELD_OUT) == 3


def test_the_clip_stages_all_kinds_and_what_must_raise_nothing() -> None:
    kinds = {problem.kind for problem in staged(BUNDLED)}
    assert kinds == {"misparked_bike", "street_vending", "overflowing_bin"}
    distractors = {each["what"] for each in truth_of(BUNDLED)["distractors"]}
    assert {"crowd", "parked_car", "light_change"} <= distractors


@pytest.mark.slow
def test_a_replay_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    replay(site_of(BUNDLED), base=BUNDLED, frames_per_s=2, out=tmp_path)
    first, second = replayed(BUNDLED, 2).out, tmp_path
    text = (first / "events.jsonl").read_bytes()
    assert text == (second / "events.jsonl").read_bytes()
    assert len(text.splitlines()) == 2 * len(staged(BUNDLED))


@pytest.mark.slow
def test_a_restart_in_the_middle_keeps_the_cases(tmp_path: Path) -> None:
    """Stopped while cases are open and again while a stay has not yet become one."""
    site, events = site_of(BUNDLED), []
    problems = staged(BUNDLED)
    stops = sorted(
        [problems[0].begins_s + 5, *((one.begins_s + one.ends_s) / 2 for one in problems)]
    )
    for begin_s, end_s in zip([0.0, *stops], [*stops, None], strict=True):
        report = replay(
            site,
            base=BUNDLED,
            frames_per_s=2,
            from_s=begin_s,
            until_s=end_s,
            state=tmp_path / "state",
            out=tmp_path / f"from-{begin_s:.0f}",
        )
        events += report.events
    found = reported(events)
    assert [(each.kind, each.zone_id) for each in found] == [
        (each.kind, each.zone_id) for each in problems
    ]
    for case, problem in zip(found, problems, strict=True):
        assert case.begins_s == pytest.approx(problem.begins_s, abs=WITHIN_S + 0.25)
        assert case.ends_s == pytest.approx(problem.ends_s, abs=WITHIN_S + 0.25)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert len({event.epoch for event in events}) == 1


@pytest.mark.slow
def test_every_case_has_its_pictures_on_the_disk_by_hash() -> None:
    told = replayed(BUNDLED, 2)
    assert told.report.events
    for event in told.report.events:
        body = json.loads(event.model_dump_json())["body"]
        roles = [picture["role"] for picture in body["pictures"]]
        expected = ["begin", "threshold", "close_up"] if event.type == "case.opened" else ["after"]
        if roles != expected:
            assert (body["kind"], roles) == ("misparked_bike", [*expected, "plate_view"])
        for picture in body["pictures"]:
            content = (told.out / "evidence" / picture["file"]).read_bytes()
            assert sha256(content).hexdigest() == picture["sha256"]
            assert len(content) == picture["size_bytes"]


@pytest.mark.slow
def test_the_first_and_the_threshold_picture_are_as_far_apart_as_the_stay() -> None:
    opened = [each for each in replayed(BUNDLED, 5).report.events if each.type == "case.opened"]
    assert len(opened) == len(staged(BUNDLED))
    for event in opened:
        if isinstance(event, CaseEvent):
            begin, threshold, *_ = event.body.pictures
            apart_s = (threshold.captured_at - begin.captured_at).total_seconds()
            assert apart_s >= event.body.allowed_s - WITHIN_S
