"""What a draft would have given, and applying it with a way back."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from agent.control.messages.configuration import AskApply, AskConfirm, AskRevert
from tests.support.waiting import wait_until
from tests.support.zone_drawing import Drawing
from tests.support.zone_unit import ZoneUnit, street_zones

pytestmark = pytest.mark.slow  # they need Chromium, which ./check --fast does not install


def on_trial(drawing: Drawing) -> None:
    """Delete the bay and apply that."""
    drawing.choose("bay")
    drawing.press("delete-zone")
    drawing.press("to-dry-run")
    drawing.press("to-apply")
    drawing.press("apply")
    expect(drawing.page.locator("#countdown")).to_be_visible()


def number(drawing: Drawing) -> int:
    """Of the configuration that is on trial."""
    title = drawing.page.locator(".panel h2").inner_text()
    return int(re.findall(r"\d+", title)[0])


def ids(unit: ZoneUnit) -> list[str]:
    return [zone["zone_id"] for zone in unit.zones()]


def test_what_the_draft_would_have_given_is_told_beside_what_today_gives(
    drawing: Drawing,
) -> None:
    """The agent has watched a bike that stands in the pavement's zone for longer than it may."""
    drawing.choose("pavement")
    drawing.press("delete-zone")
    drawing.press("to-dry-run")
    differences = drawing.page.locator("[data-part='differences']")

    def gone() -> bool:
        drawing.press("dry-run")
        expect(drawing.page.locator("[data-part='from_what']")).to_contain_text("street: ")
        return "Gone: pavement · Misparked bike" in differences.inner_text()

    wait_until(gone)
    expect(drawing.page.locator(".figure")).to_contain_text("0cases with the draft")
    drawing.press("undo")
    drawing.press("done")
    drawing.press("to-dry-run")
    expect(drawing.page.locator(".panel .remark").first).to_contain_text("changed since")


def test_the_step_of_the_dry_run_begins_with_it(drawing: Drawing, unit: ZoneUnit) -> None:
    drawing.page.goto(f"{unit.page.url}/steps/dry-run")
    drawing.ready()
    expect(drawing.page.locator("[data-action='dry-run']")).to_be_enabled()


def test_what_would_become_another_is_said_before_it_does(drawing: Drawing) -> None:
    drawing.choose("bay")
    drawing.press("delete-zone")
    drawing.outline("no_dumping", [(0.2, 0.75), (0.5, 0.72), (0.55, 0.9)])
    drawing.press("done")
    drawing.press("to-dry-run")
    drawing.press("to-apply")
    panel = drawing.page.locator(".panel")
    expect(panel).to_contain_text("Gone: bay")
    expect(panel).to_contain_text("New: no-dumping-1")
    expect(panel).to_contain_text("has not been tried")


def test_what_is_not_confirmed_goes_back_at_a_press(drawing: Drawing, unit: ZoneUnit) -> None:
    on_trial(drawing)
    assert "bay" not in ids(unit)
    expect(drawing.page.locator("#countdown")).to_have_text(re.compile("^[45]:"))
    drawing.press("revert")
    expect(drawing.page.locator(".panel")).to_contain_text("has gone back")
    assert "bay" in ids(unit)
    assert len(drawing.draft()) == 3, "the draft is kept"


def test_a_trial_is_there_again_when_the_page_is_loaded_again(
    drawing: Drawing, unit: ZoneUnit
) -> None:
    on_trial(drawing)
    drawing.load_again()
    expect(drawing.page.locator("#countdown")).to_be_visible()
    drawing.press("revert")
    expect(drawing.page.locator(".panel")).to_contain_text("has gone back")


def test_without_a_link_the_phone_says_that_the_unit_goes_back_and_later_that_it_has(
    drawing: Drawing, unit: ZoneUnit
) -> None:
    on_trial(drawing)
    drawing.page.context.set_offline(True)
    expect(drawing.page.locator(".panel .fault")).to_contain_text("it goes back by itself")
    with unit.corner.asked() as agent:
        agent.ask(AskRevert(number=number(drawing)))
    drawing.page.context.set_offline(False)
    expect(drawing.page.locator(".panel")).to_contain_text("has gone back")
    assert ids(unit) == [zone["zone_id"] for zone in street_zones()]


def test_what_is_confirmed_holds(drawing: Drawing, unit: ZoneUnit) -> None:
    on_trial(drawing)
    tried = number(drawing)
    drawing.press("confirm")
    expect(drawing.page.locator(".panel .good")).to_have_text(f"Configuration {tried} holds.")
    assert "bay" not in ids(unit)
    drawing.press("applied")
    expect(drawing.page.locator(".panel")).to_contain_text("zones that the unit goes by")


def test_a_draft_over_zones_that_the_unit_has_no_more_is_said(
    drawing: Drawing, unit: ZoneUnit
) -> None:
    drawing.choose("bin-1")
    drawing.press("delete-zone")
    drawing.draft()
    others = json.dumps({"zones": street_zones()[:2]})
    with unit.corner.asked() as agent:
        applied, _ = agent.ask(AskApply(zones=others))
        agent.ask(AskConfirm(number=applied.number))
    drawing.load_again()
    drawing.press("to-dry-run")
    drawing.press("to-apply")
    expect(drawing.page.locator(".panel .fault")).to_contain_text("other zones since")
