"""What is said of a zone, undone, reached by keyboard and by ear, and in two languages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from agent.scenarios import load_scenario, scenario_names, zone_kinds
from provisioning.page.page_words import PAGE_WORDS
from provisioning.page.zone_words import ZONE_WORDS
from tests.support.paths import ROOT
from tests.support.zone_drawing import Drawing
from tests.support.zone_unit import ZoneUnit, street_zones

pytestmark = pytest.mark.slow  # they need Chromium, which ./check --fast does not install

STATIC = ROOT / "provisioning" / "page" / "static" / "zones"


def test_every_text_of_the_page_has_its_words_and_every_word_its_place() -> None:
    scripts = "\n".join(path.read_text("utf-8") for path in STATIC.glob("*.js"))
    template = (STATIC.parents[1] / "templates" / "zones.html").read_text("utf-8")
    made = ("case_", "day_", "draft_", "shape_", "name_", "change_", "kind_", "says_")
    unused = [
        key
        for key in ZONE_WORDS
        if not key.startswith(made) and f'"{key}"' not in scripts and f"w.{key}" not in template
    ]
    assert unused == ["in_force_none", "permitted_none"]
    assert not PAGE_WORDS.keys() & ZONE_WORDS.keys(), "one would say the other's text"


def named(stem: str) -> set[str]:
    """What of a sort has words."""
    return {key.removeprefix(stem) for key in ZONE_WORDS if key.startswith(stem)}


def test_every_kind_of_zone_and_of_case_has_its_words() -> None:
    assert named("kind_") == named("says_") == set(zone_kinds())
    assert named("case_") == {load_scenario(name).KIND for name in scenario_names()}


def test_undo_takes_back_everything_names_hours_and_deletions_too(drawing: Drawing) -> None:
    drawing.choose("pavement")
    begun = street_zones()
    drawing.page.locator("[name='name-en']").fill("Kerb by the bakery")
    drawing.page.locator("[data-hours='permitted'] [data-action='add-hours']").click()
    drawing.fingers.drag((0.3274, 0.7442), (0.3, 0.8))
    drawing.press("delete-zone")
    expect(drawing.says).to_have_text("Zone pavement is deleted. Undo brings it back.")
    assert [zone["zone_id"] for zone in drawing.draft()] == ["bay", "no-vending", "bin-1"]
    for what in ("zone deleted", "corner moved", "zone described", "zone described"):
        drawing.press("undo")
        expect(drawing.says).to_have_text(f"Undone: {what}")
    expect(drawing.page.locator("[data-action='undo']")).to_be_disabled()
    assert drawing.draft() == begun
    for _ in range(4):
        drawing.press("redo")
    assert len(drawing.draft()) == 3


def test_what_a_zone_is_called_and_when_it_holds_is_written_as_in_zones_json(
    drawing: Drawing,
) -> None:
    drawing.choose("no-vending")
    page = drawing.page
    page.locator("[name='name-zh']").fill("面包店门前")
    page.locator("[name='name-en']").fill("By the bakery")
    page.locator("[name='allowed_s']").fill("90")
    page.locator("[name='responsible_unit']").fill("镜湖区城管执法局")
    page.locator("[name='road_class']").fill("严管街")
    page.locator("[name='code']").select_option("09001")
    hours = page.locator("[data-hours='in_force']")
    hours.locator("[data-action='add-hours']").click()
    for day in (6, 7):
        hours.locator(f"[data-day='{day}']").click()
    hours.locator("[name='from-0']").fill("20:30")
    hours.locator("[name='to-0']").fill("06:00")
    expect(hours).to_contain_text("ends on the next day")
    zone = drawing.zone("no-vending")
    assert {key: value for key, value in zone.items() if key != "polygon"} == {
        "zone_id": "no-vending",
        "camera_id": "street",
        "kind": "no_vending",
        "name": {"zh": "面包店门前", "en": "By the bakery"},
        "allowed_s": 90,
        "responsible_unit": "镜湖区城管执法局",
        "road_class": "严管街",
        "code": "09001",
        "in_force": [{"days": [1, 2, 3, 4, 5], "from": "20:30", "to": "06:00"}],
    }


def test_a_zone_that_nothing_judges_is_said_at_once(drawing: Drawing) -> None:
    drawing.press("add-zone")
    drawing.page.locator("[data-kind='shop_front']").click()
    expect(drawing.page.locator(".panel .remark")).to_contain_text(
        "No scenario is configured that judges Shop front"
    )
    drawing.page.locator("[data-shape='box']").click()
    expect(drawing.page.locator("#zone-says .remark")).to_contain_text("no scenario is configured")


def test_a_number_that_is_none_is_said_and_changes_nothing(drawing: Drawing) -> None:
    drawing.choose("pavement")
    field = drawing.page.locator("[name='allowed_s']")
    wrong = drawing.page.get_by_text("A number of seconds, 1 or more: it stays as it was.")
    field.fill("90")
    assert drawing.zone("pavement")["allowed_s"] == 90
    for typed in ("-5", "0", "0.5"):
        field.fill(typed)
        expect(wrong).to_be_visible()
        assert drawing.zone("pavement")["allowed_s"] == 90
    field.fill("")
    expect(wrong).to_have_count(0)
    expect(drawing.page.locator("#draft-state")).to_have_attribute("data-state", "saving")
    assert "allowed_s" not in drawing.zone("pavement")


def test_the_keyboard_alone_draws_moves_and_deletes(drawing: Drawing) -> None:
    page = drawing.page
    page.locator("[data-action='add-zone']").focus()
    page.keyboard.press("Enter")
    page.locator("[data-kind='bin']").focus()
    page.keyboard.press("Enter")
    page.locator("[data-shape='box']").focus()
    page.keyboard.press("Enter")
    before = drawing.zone("bin-2")["polygon"]
    page.locator(".handle.whole").focus()
    page.keyboard.press("Tab")
    expect(drawing.handle(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    expect(drawing.handle(1)).to_be_focused()
    page.keyboard.press("Shift+ArrowDown")
    moved = drawing.zone("bin-2")["polygon"]
    assert moved[0] == pytest.approx([before[0][0] + 0.004, before[0][1] - 0.002])
    assert moved[1] == pytest.approx([before[1][0], before[1][1] + 0.02])
    page.keyboard.press("Insert")
    expect(drawing.corners).to_have_count(5)
    expect(drawing.handle(2)).to_be_focused()
    page.keyboard.press("Delete")
    expect(drawing.corners).to_have_count(4)
    page.keyboard.press("Control+z")
    expect(drawing.corners).to_have_count(5)
    page.locator(".handle.whole").focus()
    page.keyboard.press("Delete")
    assert "bin-2" not in [zone["zone_id"] for zone in drawing.draft()]


def test_who_hears_the_page_knows_every_corner_and_every_fault(drawing: Drawing) -> None:
    drawing.choose("bay")
    expect(drawing.handle(0)).to_have_attribute(
        "aria-label", "Corner 1 of 4, 12.2 % from the left, 50.3 % from the top"
    )
    expect(drawing.handle(0)).to_have_attribute("role", "button")
    expect(drawing.says).to_have_attribute("aria-live", "polite")
    nameless = drawing.page.evaluate(
        "() => [...document.querySelectorAll('#zones-page button, #zones-page input, #zones-page select')]"
        ".filter((each) => !(each.getAttribute('aria-label') || each.textContent.trim() || each.labels?.length)).length"
    )
    assert nameless == 0


@pytest.mark.parametrize(("width", "language"), [(360, "en"), (360, "zh-CN"), (390, "en")])
def test_everything_that_is_touched_is_large_enough_and_fits_the_phone(
    chromium: Browser, unit: ZoneUnit, width: int, language: str
) -> None:
    unit.draw_anew()
    size = {"width": width, "height": 640}
    with unit.phone(chromium, language=language, viewport=size) as drawing:
        page = drawing.page
        drawing.choose("no-vending")
        page.locator("[data-hours='in_force'] [data-action='add-hours']").click()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        for handle in drawing.corners.all():
            box = handle.locator(".reach").bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 44
        small = page.evaluate(
            "() => [...document.querySelectorAll('#zones-page button, #zones-page input, #zones-page select')]"
            ".filter((each) => each.offsetParent && each.offsetHeight < 44).map((each) => each.outerHTML)"
        )
        assert small == []


def test_the_language_changes_and_the_draft_stays(chromium: Browser, unit: ZoneUnit) -> None:
    unit.draw_anew()
    with unit.phone(chromium, language="zh-CN") as drawing:
        page = drawing.page
        expect(page.locator("[data-action='add-zone']")).to_have_text("添加区域")
        drawing.choose("bay")
        expect(drawing.handle(0)).to_have_attribute(
            "aria-label", "第 1 个顶点，共 4 个，距左 12.2 %，距上 50.3 %"
        )
        drawing.press("delete-zone")
        drawing.draft()
        page.locator("#language").click()
        expect(page.locator("[data-action='add-zone']")).to_have_text("Add a zone")
        drawing.ready()
        expect(page.locator(".zone-row")).to_have_count(3)
