"""Several cameras of one crossing: what they see of one place is one case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.config.loading import from_tables
from agent.config.schema import Configuration
from agent.protocol.events import CaseEvent
from agent.runtime.replay import replay
from tests.support.red_bike_site import write_model

KERB = [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]


def camera(camera_id: str, *stays: tuple[float, float], seconds: float = 30) -> dict[str, Any]:
    """A drawn street on which a red thing stands from time to time."""
    things = [
        {"colour": "#dc1414", "left": 0.45, "top": 0.4, "width": 0.15, "height": 0.27}
        | {"from_s": from_s, "to_s": to_s}
        for from_s, to_s in stays
    ]
    settings = {"seconds": seconds, "frames_per_s": 5, "things": things}
    return {"camera_id": camera_id, "driver": "synthetic", "settings": settings}


def zone(camera_id: str, place_id: str) -> dict[str, Any]:
    kerb = {"zone_id": f"kerb-{camera_id}", "camera_id": camera_id, "place_id": place_id}
    return {**kerb, "kind": "no_parking", "polygon": KERB}


def crossing(*cameras: dict[str, Any], places: tuple[str, str]) -> Configuration:
    return from_tables(
        {
            "site": {"tenant": "t", "device_id": "d", "address": "example"},
            "cameras": list(cameras),
            "zones": [
                zone(each["camera_id"], place) for each, place in zip(cameras, places, strict=True)
            ],
            "scenarios": {"misparked_bikes": {"allowed_s": 4, "clear_after_s": 1}},
        }
    )


def story(site: Configuration, base: Path) -> list[tuple[str, str, str]]:
    """What was reported: type, case and camera, in order."""
    events = [each for each in replay(site, base=base).events if isinstance(each, CaseEvent)]
    order = list(dict.fromkeys(each.body.case_id for each in events))
    names = {case_id: f"case {number}" for number, case_id in enumerate(order, start=1)}
    return [(e.type, names[e.body.case_id], e.body.place.camera_id) for e in events]


@pytest.fixture(autouse=True)
def red_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))


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
