"""Zones are drawn on the picture by finger; what is wrong with an outline is said while one draws."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from agent.scenarios import zone_kinds
from tests.support.phone import Place
from tests.support.zone_drawing import Drawing

pytestmark = pytest.mark.slow  # they need Chromium, which ./check --fast does not install

GROUND: list[Place] = [(0.2, 0.75), (0.5, 0.72), (0.55, 0.9), (0.25, 0.92)]
"""Ground on which the street of the example has no zone."""


@pytest.mark.parametrize("kind", sorted(zone_kinds()))
def test_a_zone_of_each_kind_is_drawn_by_finger(drawing: Drawing, kind: str) -> None:
    drawing.outline(kind, GROUND)
    zone = drawing.draft()[-1]
    assert (zone["kind"], zone["camera_id"]) == (kind, "street")
    assert zone["zone_id"] == f"{kind.replace('_', '-')}-{2 if kind == 'bin' else 1}"
    for corner, there in zip(zone["polygon"], GROUND, strict=True):
        assert corner == pytest.approx(there, abs=0.004)


@pytest.mark.parametrize(("shape", "corners"), [("quadrilateral", 4), ("band", 6), ("box", 4)])
def test_a_zone_begins_as_a_shape_whose_corners_are_dragged(
    drawing: Drawing, shape: str, corners: int
) -> None:
    drawing.begin("no_dumping", shape)
    expect(drawing.corners).to_have_count(corners)
    before = drawing.draft()[-1]["polygon"]
    drawing.fingers.drag(tuple(before[0]), (0.1, 0.15))
    after = drawing.draft()[-1]["polygon"]
    assert after[0] == pytest.approx([0.1, 0.15], abs=0.004)
    assert after[1:] == before[1:]


def test_two_fingers_look_closer_and_draw_nothing(drawing: Drawing) -> None:
    drawing.begin("no_dumping", "free")
    drawing.fingers.tap(GROUND[0])
    before = drawing.page.locator("#stage img.picture").bounding_box()
    drawing.fingers.spread((0.5, 0.5))
    after = drawing.page.locator("#stage img.picture").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > 2 * before["width"]
    expect(drawing.page.locator(".tapped")).to_have_count(1)
    drawing.fingers.drag((0.5, 0.5), (0.4, 0.45))  # and one finger that moves looks elsewhere
    there = drawing.page.locator("#stage img.picture").bounding_box()
    assert there is not None
    assert there["x"] != after["x"]
    expect(drawing.page.locator(".tapped")).to_have_count(1)


def test_a_corner_that_a_second_finger_interrupts_is_where_it_was(drawing: Drawing) -> None:
    drawing.choose("bay")
    drawing.press("insert-corner")
    before = drawing.zone("bay")["polygon"]
    drawing.fingers.down(tuple(before[0]))
    drawing.fingers.move((0.3, 0.9))
    expect(drawing.handle(0)).not_to_have_attribute("aria-label", _label(before, 0))
    drawing.fingers.down((0.3, 0.9), (0.6, 0.6))
    drawing.fingers.up()
    expect(drawing.handle(0)).to_have_attribute("aria-label", _label(before, 0))
    assert drawing.zone("bay")["polygon"] == before


def _label(polygon: list[list[float]], corner: int) -> str:
    x, y = (f"{100 * value:.1f}".removesuffix(".0") for value in polygon[corner])
    return f"Corner {corner + 1} of {len(polygon)}, {x} % from the left, {y} % from the top"


def test_the_magnifier_shows_what_is_under_the_finger_and_goes_with_it(drawing: Drawing) -> None:
    lens = drawing.page.locator(".lens")
    expect(lens).to_be_hidden()
    drawing.choose("bay")
    drawing.fingers.down((0.1218, 0.5035))
    expect(lens).to_be_visible()
    drawing.fingers.move((0.2, 0.6))
    box, at = lens.bounding_box(), drawing.fingers.at((0.2, 0.6))
    assert box is not None
    beside = not (
        box["x"] <= at["x"] <= box["x"] + box["width"]
        and box["y"] <= at["y"] <= box["y"] + box["height"]
    )
    assert beside, "the lens is not under the hand"
    drawing.fingers.up()
    expect(lens).to_be_hidden()


def test_a_finger_that_rests_aims_with_the_magnifier_before_it_sets_a_corner(
    drawing: Drawing,
) -> None:
    drawing.begin("no_dumping", "free")
    drawing.fingers.down((0.2, 0.75))
    expect(drawing.page.locator(".lens")).to_be_visible()
    drawing.fingers.move((0.3, 0.8))
    drawing.fingers.up()
    expect(drawing.page.locator(".tapped")).to_have_count(1)
    drawing.fingers.tap((0.5, 0.8))
    drawing.fingers.tap((0.4, 0.9))
    drawing.press("close")
    assert drawing.draft()[-1]["polygon"][0] == pytest.approx([0.3, 0.8], abs=0.004)


def test_a_long_press_inserts_a_corner_on_an_edge_and_deletes_one(drawing: Drawing) -> None:
    drawing.choose("bin-1")
    expect(drawing.corners).to_have_count(4)
    drawing.fingers.down((0.436, 0.2394))
    expect(drawing.corners).to_have_count(5)
    drawing.fingers.up()
    assert drawing.zone("bin-1")["polygon"][1] == pytest.approx([0.436, 0.2394], abs=0.004)
    drawing.fingers.down((0.5162, 0.5163))
    expect(drawing.corners).to_have_count(4)
    drawing.fingers.up()
    assert [0.5162, 0.5163] not in drawing.zone("bin-1")["polygon"]


def test_buttons_insert_and_delete_a_corner_and_three_stay(drawing: Drawing) -> None:
    drawing.choose("bin-1")
    drawing.fingers.tap((0.3565, 0.2394))
    drawing.press("insert-corner")
    expect(drawing.corners).to_have_count(5)
    for left in (4, 3):
        drawing.press("delete-corner")
        expect(drawing.corners).to_have_count(left)
    drawing.press("delete-corner")
    expect(drawing.says).to_contain_text("three corners at least")
    expect(drawing.corners).to_have_count(3)


def test_crossing_edges_are_said_while_they_are_drawn_and_until_they_do_not(
    drawing: Drawing,
) -> None:
    drawing.choose("bin-1")
    drawing.fingers.down((0.3565, 0.2394))
    drawing.fingers.move((0.7, 0.4))
    expect(drawing.says).to_have_text(
        "Edges 2–3 and 4–1 cross: give the corners in order around the ground."
    )
    expect(drawing.page.locator(".wrong-edge")).to_have_count(2)
    drawing.fingers.move((0.36, 0.24))
    expect(drawing.says).to_have_text("The outline is in order.")
    drawing.fingers.up()


def test_a_zone_too_small_to_hold_anything_is_said_and_not_applied(drawing: Drawing) -> None:
    for action in ("zoom-in",) * 5:
        drawing.press(action)
    drawing.outline("no_dumping", [(0.5, 0.5), (0.504, 0.5), (0.504, 0.503)])
    expect(drawing.says).to_contain_text("too small")
    drawing.press("done")
    expect(drawing.page.locator("[data-action='to-dry-run']")).to_be_disabled()


def test_a_tap_beside_the_picture_sets_no_corner_and_a_drag_stays_on_it(drawing: Drawing) -> None:
    drawing.begin("no_dumping", "free")
    drawing.fingers.tap((0.5, 1.06))
    expect(drawing.says).to_contain_text("beside the picture")
    expect(drawing.page.locator(".tapped")).to_have_count(0)
    drawing.page.get_by_role("button", name="Cancel").click()
    drawing.choose("bay")
    drawing.fingers.drag((0.1218, 0.5035), (-0.03, 0.4))
    expect(drawing.says).to_contain_text("stays at the edge")
    assert drawing.zone("bay")["polygon"][0] == pytest.approx([0, 0.4], abs=0.004)


def test_a_corner_snaps_to_that_of_another_zone(drawing: Drawing) -> None:
    drawing.choose("bay")
    drawing.fingers.drag((0.3343, 0.5015), (0.361, 0.508))
    assert drawing.zone("bay")["polygon"][1] == [0.3565, 0.5163]


def test_a_zone_that_is_chosen_from_the_list_comes_into_sight(drawing: Drawing) -> None:
    for _ in range(3):
        drawing.press("zoom-in")
    drawing.choose("bay")
    middle = drawing.page.locator(".handle.whole .dot").bounding_box()
    stage = drawing.page.locator("#stage").bounding_box()
    assert middle is not None
    assert stage is not None
    assert stage["x"] <= middle["x"] <= stage["x"] + stage["width"] - middle["width"]


def test_other_zones_are_seen_and_a_tap_chooses_one(drawing: Drawing) -> None:
    expect(drawing.page.locator("polygon.zone[data-zone]")).to_have_count(4)
    drawing.fingers.tap((0.43, 0.38))
    expect(drawing.page.locator(".zone.selected[data-zone]")).to_have_attribute(
        "data-zone", "bin-1"
    )
    drawing.fingers.tap((0.1, 0.1))
    expect(drawing.page.locator(".zone.selected[data-zone]")).to_have_count(0)
