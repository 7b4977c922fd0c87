"""Nothing that was drawn is lost: not by a reload, a dead link, another phone or the agent's end."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.phone import Place
from tests.support.zone_drawing import Drawing
from tests.support.zone_unit import ZoneUnit

pytestmark = pytest.mark.slow  # they need Chromium, which ./check --fast does not install

GROUND: list[Place] = [(0.2, 0.75), (0.5, 0.72), (0.55, 0.9), (0.25, 0.92)]
WRITTEN_ELSEWHERE = """
async (zones) => {
  const headers = { "Content-Type": "application/json" };
  headers["X-CSRF-Token"] = document.querySelector("meta[name=csrf]").content;
  const body = JSON.stringify({ zones, based_on: null, seen: null, force: true });
  await fetch("/api/draft", { method: "PUT", headers, body });
}
"""
"""As another window of the phone does; a second phone would sign this one out."""


def test_a_draft_is_kept_by_itself_and_there_again_when_the_page_is_loaded_again(
    drawing: Drawing,
) -> None:
    drawing.outline("no_dumping", GROUND)
    kept = drawing.draft()
    drawing.load_again()
    expect(drawing.page.locator(".zone-row[data-zone='no-dumping-1']")).to_be_visible()
    drawing.choose("no-dumping-1")
    drawing.press("insert-corner")
    assert len(drawing.draft()) == len(kept)


def test_what_is_drawn_without_a_link_is_on_the_phone_and_comes_to_the_unit_later(
    drawing: Drawing,
) -> None:
    drawing.page.context.set_offline(True)
    drawing.choose("bay")
    drawing.press("delete-zone")
    expect(drawing.page.locator("#draft-state")).to_have_attribute("data-state", "waiting")
    drawing.page.context.set_offline(False)
    assert [zone["zone_id"] for zone in drawing.draft()] == ["pavement", "no-vending", "bin-1"]


def test_what_was_drawn_for_another_device_is_not_offered_at_this_one(drawing: Drawing) -> None:
    """All devices have the same address, so that a phone takes them for one."""
    page = drawing.page
    page.context.set_offline(True)
    drawing.choose("bay")
    drawing.press("delete-zone")
    expect(page.locator("#draft-state")).to_have_attribute("data-state", "waiting")
    page.evaluate(
        """() => {
          const device = document.querySelector("meta[name=device]").content;
          const mine = `kerbwatch.zones.draft.${device}`;
          localStorage.setItem("kerbwatch.zones.draft.0123456789ABCDEF", localStorage.getItem(mine));
          localStorage.removeItem(mine);
        }"""
    )
    here = page.url
    page.goto("about:blank")
    page.context.set_offline(False)
    page.goto(here)
    drawing.ready()
    expect(page.locator(".zone-row")).to_have_count(4)
    expect(page.locator("#draft-state")).to_be_empty()


def test_what_keeps_a_draft_from_the_unit_is_said(drawing: Drawing) -> None:
    """Another window has signed in again: this one's token is no longer good, and no waiting mends that."""
    drawing.page.evaluate("document.querySelector('meta[name=csrf]').content = 'of before'")
    drawing.choose("bay")
    drawing.press("delete-zone")
    expect(drawing.says).to_have_text("This page is out of date. Load it again.")
    expect(drawing.page.locator("#draft-state")).to_have_attribute("data-state", "waiting")
    drawing.load_again()
    assert [zone["zone_id"] for zone in drawing.draft()] == ["pavement", "no-vending", "bin-1"]


@pytest.mark.parametrize("choice", ["keep-mine", "take-theirs"])
def test_another_phones_draft_is_not_overwritten_unasked(
    drawing: Drawing, unit: ZoneUnit, choice: str
) -> None:
    drawing.choose("bay")
    drawing.press("delete-zone")
    mine = drawing.draft()
    theirs = [*mine, {**mine[0], "zone_id": "theirs"}]
    drawing.page.evaluate(WRITTEN_ELSEWHERE, theirs)
    drawing.choose("bin-1")
    drawing.press("delete-zone")
    drawing.press(choice)
    left = [zone["zone_id"] for zone in drawing.draft()]
    expected = {"keep-mine": [*mine[:2]], "take-theirs": theirs}[choice]
    assert left == [zone["zone_id"] for zone in expected]
    expect(drawing.page.locator(".zone-row")).to_have_count(len(left))


def test_each_camera_has_its_picture_and_its_zones(drawing: Drawing) -> None:
    drawing.page.get_by_label("Camera", exact=True).select_option("lane")
    expect(drawing.page.locator(".zone-row")).to_have_count(0)
    expect(drawing.page.locator(".panel")).to_contain_text("4 on other cameras")
    drawing.outline("mask", GROUND)
    assert drawing.draft()[-1]["camera_id"] == "lane"


def test_a_zone_of_a_camera_that_is_no_more_is_shown_and_can_be_deleted(
    drawing: Drawing, unit: ZoneUnit
) -> None:
    """Otherwise it keeps the draft from going on, and nobody sees why."""
    gone = {**unit.zones()[0], "zone_id": "gone", "camera_id": "of-before"}
    drawing.page.evaluate(WRITTEN_ELSEWHERE, [*unit.zones(), gone])
    drawing.load_again()
    row = drawing.page.locator(".zone-row[data-zone='gone']")
    expect(row).to_contain_text("of-before")
    onward = drawing.page.locator("[data-action='to-dry-run']")
    expect(onward).to_be_disabled()
    row.click()
    drawing.press("delete-zone")
    expect(drawing.page.locator(".zone-row")).to_have_count(4)
    expect(onward).to_be_enabled()


def test_what_was_drawn_last_is_there_after_another_phone_has_signed_this_one_out(
    drawing: Drawing, unit: ZoneUnit
) -> None:
    drawing.choose("bay")
    drawing.press("delete-zone")
    drawing.draft()
    unit.page.sign_in()
    drawing.choose("bin-1")
    drawing.press("delete-zone")
    expect(drawing.page.locator("#sign-in")).to_be_visible()
    unit.open_on(drawing.page)
    drawing.ready()
    assert [zone["zone_id"] for zone in drawing.draft()] == ["pavement", "no-vending"]


def test_the_page_goes_on_when_the_agent_starts_again_underneath(
    drawing: Drawing, unit: ZoneUnit
) -> None:
    drawing.choose("bay")
    drawing.press("delete-zone")
    kept = drawing.draft()
    unit.corner.stop()
    drawing.choose("bin-1")
    drawing.press("delete-zone")
    drawing.draft()
    expect(drawing.page.locator(".panel")).to_contain_text("could not check the zones")
    drawing.press("undo")
    assert drawing.draft() == kept
    unit.corner.start()
    expect(drawing.page.locator(".panel")).not_to_contain_text("could not check the zones")
    drawing.load_again()
    expect(drawing.page.locator(".zone-row")).to_have_count(len(kept))
