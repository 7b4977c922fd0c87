"""Promises about exposed rubbish: what lies alone, and nothing else that lies or stands there."""

from __future__ import annotations

import json
from dataclasses import replace as changed
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from agent.config.loading import from_tables
from agent.domain.scene import Box, Detection, Finding, Observation
from agent.perception.background_model import NewThing, Novelty, NoveltyModel
from agent.runtime.replay import replay
from agent.scenarios import Standing
from agent.scenarios.exposed_rubbish import EXAMPLES, NEEDS, Settings, build
from tests.support.drawn_street import play
from tests.support.scenes import looked, moment, paving, with_goods, zone
from tests.support.sites import drawn_camera, site_of
from tests.support.sites import zone as site_zone

HEAP = Box(0.45, 0.6, 0.55, 0.72)
BESIDE = Box(0.57, 0.5, 0.61, 0.74)


def present(
    *things: Standing, ends_s: float = 90, **settings: float
) -> list[tuple[float, Finding]]:
    """Everything that is said to be there, with the second in which it was."""
    told = {**EXAMPLES[0].settings, **settings}
    example = changed(EXAMPLES[0], things=things, settings=told, ends_s=ends_s)
    return [
        (now_s, finding)
        for now_s, findings, _ in play("exposed_rubbish", example)
        for finding in findings
        if finding.state == "present"
    ]


def test_what_the_network_calls_rubbish_is_a_case_after_the_allowed_time() -> None:
    (first_s, first), *_ = present(Standing(HEAP, 20, 90, "rubbish"), allowed_s=10)
    assert first_s == pytest.approx(32, abs=4)
    assert first.members[0].box.iou(HEAP) > 0.5


def test_what_it_has_no_name_for_must_lie_for_longer() -> None:
    (first_s, _), *_ = present(Standing(HEAP, 20, 90), allowed_s=10, unnamed_times=3)
    assert first_s == pytest.approx(52, abs=5)


def test_what_is_looked_at_now_and_then_is_a_case_as_soon_as_what_is_looked_at_all_the_time() -> (
    None
):
    """What lies between two looks at it counts: the network looks at one part of the street at a time."""
    assert first_present_s(looked_every=5) == pytest.approx(first_present_s(looked_every=1), abs=1)


def first_present_s(looked_every: int) -> float:
    """When a heap is a case, five frames a second, of which the network sees its place in every so many."""
    scenario = build(Settings(allowed_s=10), [zone("no_dumping")])
    elsewhere = Observation((Box(0.0, 0.0, 0.2, 0.2),), ())
    heap = looked(Detection("rubbish", 0.9, HEAP))
    for frame in range(500):
        now_s = 0.2 * frame
        new = NewThing(HEAP, cells=20, since_s=0.0, last_s=now_s, structure=2.0)
        judged = scenario.judge(
            moment(
                now_s,
                observation=heap if frame % looked_every == 0 else elsewhere,
                novelty=Novelty(True, (new,), np.ones((9, 16), bool)),
            )
        )
        if any(finding.state == "present" for finding in judged.findings):
            return now_s
    return float("inf")


def test_what_somebody_stays_with_is_theirs() -> None:
    assert present(Standing(HEAP, 20, 90), Standing(BESIDE, 20, 90, "person")) == []


def test_what_a_vendor_leaves_behind_is_rubbish_since_nobody_is_with_it() -> None:
    (_, first), *_ = present(Standing(HEAP, 20, 90), Standing(BESIDE, 20, 45, "person"))
    assert first.since_s == pytest.approx(45, abs=3)


@pytest.mark.parametrize("label", ["bicycle", "motorcycle", "car", "stall", "umbrella", "person"])
def test_what_has_another_name_is_no_rubbish(label: str) -> None:
    assert present(Standing(HEAP, 20, 90, label)) == []


@pytest.mark.parametrize("label", ["car", "person"])
def test_what_hides_rubbish_for_a_while_ends_no_case(label: str) -> None:
    """Who stands before it, or parks there, has not taken it away."""
    before = Standing(Box(0.3, 0.4, 0.7, 0.85), 50, 150, label)
    told = present(Standing(HEAP, 20, 220), before, ends_s=220)
    seconds = [now_s for now_s, _ in told]
    assert min(seconds) < 50
    gaps = [later - earlier for earlier, later in pairwise(seconds)]
    assert max(gaps) <= 2, "it is said without a break"
    assert max(seconds) > 215
    assert len({finding.since_s for _, finding in told}) == 1


def test_what_lies_at_a_bin_belongs_to_the_bin() -> None:
    container = Standing(Box(0.57, 0.5, 0.65, 0.74), 0, 90, "bin")
    assert present(container, Standing(HEAP, 20, 90)) == []
    assert present(changed(container, box=Box(0.8, 0.5, 0.88, 0.74)), Standing(HEAP, 20, 90)) != []


@pytest.mark.parametrize(("kind", "is_rubbish"), [("bin", False), ("no_parking", True)])
def test_what_lies_at_a_zone_drawn_around_a_bin_belongs_to_the_bin(
    kind: str, is_rubbish: bool
) -> None:
    around = zone(kind, ((0.56, 0.5), (0.64, 0.5), (0.64, 0.74), (0.56, 0.74)))
    scenario = build(Settings(allowed_s=5), [zone("no_dumping"), around])
    told = set()
    for now_s in range(40):
        things = (NewThing(HEAP, 20, 0.0, float(now_s)),)
        novelty = Novelty(True, things, np.zeros((20, 40), np.bool_))
        told |= {each.state for each in scenario.judge(moment(now_s, novelty=novelty)).findings}
    assert ("present" in told) is is_rubbish


def test_what_lies_for_hours_does_not_become_ground_as_goods_do() -> None:
    lying = with_goods(paving(), HEAP)
    kept, forgotten = NoveltyModel(NEEDS.background_s), NoveltyModel()
    for model in (kept, forgotten):
        for now_s in range(10):
            model.update(paving(), now_s, ())
        for now_s in range(10, 6 * 3600, 300):
            told = model.update(lying, now_s, ())
        assert bool(told.things) is (model is kept)


def test_what_stands_upright_is_no_rubbish() -> None:
    post = Box(0.48, 0.4, 0.52, 0.72)
    assert present(Standing(post, 20, 90)) == []
    assert present(Standing(post, 20, 90), max_aspect=10) != []


def test_where_something_was_taken_away_there_is_no_rubbish() -> None:
    assert present(Standing(HEAP, 0, 30)) == []


@pytest.mark.parametrize(
    "box", [Box(0.49, 0.68, 0.51, 0.72), Box(0.1, 0.42, 0.9, 0.98)], ids=["a cup", "the light"]
)
def test_what_is_too_small_or_too_large_is_no_rubbish(box: Box) -> None:
    assert present(Standing(box, 20, 90)) == []


@pytest.mark.slow
@pytest.mark.parametrize("at_a_bin", [False, True], ids=["alone", "at a bin"])
def test_a_heap_on_a_drawn_clip_is_one_case_with_the_citys_code_unless_it_lies_at_a_bin(
    tmp_path: Path, *, at_a_bin: bool
) -> None:
    """The whole way, with the shipped models: footage in, events out."""
    heap = {"colour": "#705030", "from_s": 20, "to_s": 80, "left": 0.45, "top": 0.6}
    verge = site_zone(
        zone_id="verge", kind="no_dumping", polygon=[[0, 0.4], [1, 0.4], [1, 1], [0, 1]]
    )
    around = [[0.57, 0.5], [0.65, 0.5], [0.65, 0.72], [0.57, 0.72]]
    bins = [site_zone(zone_id="bin-1", kind="bin", polygon=around)] if at_a_bin else []
    site = site_of(
        cameras=[
            drawn_camera(
                width=640,
                height=360,
                seconds=120,
                frames_per_s=5,
                things=[heap | {"width": 0.1, "height": 0.1}],
            )
        ],
        scenarios={"exposed_rubbish": {"allowed_s": 5, "clear_after_s": 5}},
        zones=[verge, *bins],
    )
    report = replay(from_tables(site), base=tmp_path, frames_per_s=2, out=tmp_path / "out")
    told = [json.loads(line) for line in report.lines]
    if at_a_bin:
        assert told == []
        return
    assert [event["type"] for event in told] == ["case.opened", "case.cleared"]
    opened = told[0]["body"]
    assert (opened["kind"], opened["code"]["code"]) == ("exposed_rubbish", "06010")
    began_at = datetime.fromisoformat(opened["began_at"])
    assert began_at.minute * 60 + began_at.second == pytest.approx(20, abs=2)
    assert {picture["role"] for picture in opened["pictures"]} >= {"begin", "threshold"}


def test_sizes_between_which_nothing_lies_are_refused() -> None:
    with pytest.raises(ValidationError, match="min_area must be below max_area"):
        Settings(min_area=0.5, max_area=0.01)
