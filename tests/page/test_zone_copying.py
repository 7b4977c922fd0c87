"""Zones from elsewhere are a proposal until somebody accepts them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from agent.control.messages.service import AskCommission
from tests.support.paths import STREET
from tests.support.waiting import wait_until
from tests.support.zone_drawing import Drawing
from tests.support.zone_unit import ZoneUnit, street_zones

pytestmark = pytest.mark.slow  # they need Chromium, which ./check --fast does not install


def sister(tmp_path: Path, zones: Any) -> str:
    path = tmp_path / "zones.json"
    path.write_text(json.dumps(zones), "utf-8")
    return str(path)


SISTERS = {
    "zones": [
        {"zone_id": "bay", "camera_id": "other", "kind": "bay", "polygon": [[0.1, 0.2], [0.3, 0.2], [0.3, 0.4]], "city_place_id": "p-1"},
        {"zone_id": "ring", "camera_id": "other", "kind": "ring_road", "polygon": [[0.1, 0.2], [0.3, 0.2], [0.3, 0.4]]},
    ]
}  # fmt: skip


def test_a_sister_units_zones_are_a_proposal_until_they_are_accepted(
    drawing: Drawing, tmp_path: Path
) -> None:
    drawing.press("copy")
    drawing.page.locator("input[type=file]").set_input_files(sister(tmp_path, SISTERS))
    expect(drawing.page.locator(".zone.ghost")).to_have_count(1)
    expect(drawing.page.locator(".panel")).to_contain_text("a kind that this unit does not know: 1")
    expect(drawing.page.locator("#draft-state")).not_to_have_attribute("data-state", "saved")
    for begin, end in (((0.35, 0.45), (0.75, 0.85)), ((0.35, 0.15), (0.75, 0.45))):
        drawing.fingers.drag(begin, end)
    drawing.press("accept")
    expect(drawing.says).to_contain_text("Copied into the draft: 1.")
    zone = drawing.draft()[-1]
    assert (zone["zone_id"], zone["camera_id"]) == ("bay-1", "street")
    assert "city_place_id" not in zone, "the city files it of other ground"
    assert max(x for x, _ in zone["polygon"]) > 0.5
    drawing.press("undo")
    assert len(drawing.draft()) == 4


@pytest.mark.parametrize(
    ("zones", "text"),
    [
        ("no object", 'has no list "zones"'),
        ({"zones": []}, "holds no zone"),
        ({"zones": [{"zone_id": "a", "camera_id": "c", "kind": "x", "polygon": [[0, 0], [1, 0], [0, 1]]}]}, "knows none of the kinds"),
    ],
)  # fmt: skip
def test_a_file_of_something_else_is_refused_in_words(
    drawing: Drawing, tmp_path: Path, zones: Any, text: str
) -> None:
    drawing.press("copy")
    drawing.page.locator("input[type=file]").set_input_files(sister(tmp_path, zones))
    expect(drawing.page.locator(".panel .fault")).to_contain_text(text)


def test_the_zones_of_a_camera_that_was_turned_are_fitted_at_once(drawing: Drawing) -> None:
    before = {zone["zone_id"]: zone for zone in street_zones()}
    drawing.press("copy")
    drawing.press("reanchor")
    expect(drawing.page.locator(".zone.ghost")).to_have_count(4)
    drawing.fingers.drag((0.6, 0.6), (0.5, 0.65))
    drawing.press("accept")
    for zone in drawing.draft():
        old = before[zone["zone_id"]]
        assert zone["kind"] == old["kind"]
        assert zone["polygon"][2] == pytest.approx(
            [old["polygon"][2][0] - 0.1, old["polygon"][2][1] + 0.05], abs=0.006
        )


def test_refused_it_changes_nothing(drawing: Drawing) -> None:
    drawing.press("copy")
    drawing.press("reanchor")
    drawing.press("refuse")
    expect(drawing.page.locator(".zone.ghost")).to_have_count(0)
    expect(drawing.page.locator("[data-action='undo']")).to_be_disabled()


@pytest.fixture
def commissioned(tmp_path: Path) -> Iterator[ZoneUnit]:
    """A unit before the example street, whose camera has its reference image."""
    clip = {"path": str(STREET / "clip.mp4"), "loop": True, "pace": "real_time", "frames_per_s": 2}
    camera = {"camera_id": "street", "driver": "video_file", "settings": clip}
    unit = ZoneUnit(tmp_path, cameras=[camera])
    taken = AskCommission(camera_id="street", anyway=True)

    def stored() -> bool:
        with unit.corner.asked() as agent:
            return agent.ask(taken)[0].stored

    wait_until(stored)
    yield unit
    unit.end()


def test_the_unit_itself_proposes_where_the_zones_lie_by_its_reference_image(
    chromium: Browser, commissioned: ZoneUnit
) -> None:
    with commissioned.phone(chromium) as drawing:
        drawing.press("copy")
        drawing.press("reanchor")
        fitted = drawing.page.get_by_text("Fitted by the reference image")

        def proposed() -> bool:  # the agent may still be at the picture: then it says so
            drawing.press("by-pictures")
            expect(fitted.or_(drawing.page.locator(".panel .fault"))).to_be_visible()
            return fitted.is_visible()

        wait_until(proposed)
        drawing.press("accept")
        before = {zone["zone_id"]: zone["polygon"] for zone in street_zones()}
        for zone in drawing.draft():
            for there, was in zip(zone["polygon"], before[zone["zone_id"]], strict=True):
                assert there == pytest.approx(was, abs=0.01)
