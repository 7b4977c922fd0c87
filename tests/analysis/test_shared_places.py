"""Several cameras of one crossing: what they see of one place is one case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.config.schema import Configuration
from agent.protocol.events import CaseEvent
from agent.runtime.replay import replay
from tests.support.crossing import camera, crossing


def story(site: Configuration, base: Path) -> list[tuple[str, str, str]]:
    """What was reported: type, case and camera, in order."""
    events = [each for each in replay(site, base=base).events if isinstance(each, CaseEvent)]
    order = list(dict.fromkeys(each.body.case_id for each in events))
    names = {case_id: f"case {number}" for number, case_id in enumerate(order, start=1)}
    return [(e.type, names[e.body.case_id], e.body.place.camera_id) for e in events]


pytestmark = pytest.mark.usefixtures("red_model")


def test_what_two_cameras_see_of_one_place_is_one_case(tmp_path: Path) -> None:
    site = crossing(camera("east", (2, 20)), camera("west", (2, 20)), places=("gate", "gate"))
    assert story(site, tmp_path) == [
        ("case.opened", "case 1", "east"),
        ("case.cleared", "case 1", "east"),
    ]


def test_of_two_places_each_has_its_own_case(tmp_path: Path) -> None:
    site = crossing(camera("east", (2, 20)), camera("west", (2, 20)), places=("gate", "stop"))
    opened = [
        (case, where) for type_, case, where in story(site, tmp_path) if type_ == "case.opened"
    ]
    assert sorted(opened) == [("case 1", "east"), ("case 2", "west")]


def test_who_sees_nothing_does_not_clear_what_another_sees(tmp_path: Path) -> None:
    site = crossing(camera("east", (2, 26)), camera("west"), places=("gate", "gate"))
    [opened, cleared] = replay(site, base=tmp_path).events
    assert (opened.type, cleared.type) == ("case.opened", "case.cleared")
    assert isinstance(cleared, CaseEvent)
    assert cleared.body.dwell_s == pytest.approx(24, abs=2)


@pytest.mark.slow
def test_a_case_goes_on_with_the_camera_that_still_sees_it(tmp_path: Path) -> None:
    """East loses sight of it at 12 s, west sees it until 26 s."""
    site = crossing(camera("east", (2, 12)), camera("west", (2, 26)), places=("gate", "gate"))
    told = story(site, tmp_path)
    assert [(type_, case) for type_, case, _ in told] == [
        ("case.opened", "case 1"),
        ("case.cleared", "case 1"),
    ]
    [_, cleared] = replay(site, base=tmp_path).events
    assert isinstance(cleared, CaseEvent)
    assert cleared.body.dwell_s == pytest.approx(24, abs=2)


def test_a_camera_that_was_lost_clears_nothing(tmp_path: Path) -> None:
    lost = camera("east", (2, 100), seconds=12)
    site = crossing(lost, camera("west", seconds=30), places=("gate", "gate"))
    assert [type_ for type_, _, _ in story(site, tmp_path)] == ["case.opened"]


def test_where_things_stand_is_said_in_the_picture_of_the_camera_that_opened(
    tmp_path: Path,
) -> None:
    site = crossing(camera("east", (2, 26)), camera("west", (5, 26)), places=("gate", "gate"))
    for thing in site.cameras[1].settings["things"]:
        thing["left"] = 0.1
    for event in replay(site, base=tmp_path).events:
        assert isinstance(event, CaseEvent)
        boxes = json.loads(event.model_dump_json())["body"]["members"]
        assert all(0.4 < each["box"]["left"] < 0.55 for each in boxes)
