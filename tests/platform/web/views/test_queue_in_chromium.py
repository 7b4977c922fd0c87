"""The queue in a real browser: by keyboard, by touch, with a slow network, and with two reviewers at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from kerbwatch_platform.evidence import signing
from kerbwatch_platform.settings import load
from kerbwatch_platform.web.queries import cases, decisions
from kerbwatch_platform.web.roles import Role
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.desk import RunningDesk, press
from tests.support.desk_city import Case, Device
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
HEIGHT_OF_A_FINGER_PX = 44
MINUTE = timedelta(minutes=1)
_units = (f"unit-{number}" for number in itertools.count(1))


class Street:
    """Open cases of one test: a unit of their own, the oldest first."""

    def __init__(self, desk: RunningDesk, count: int = 4, **place: Any) -> None:
        self.desk, self.unit = desk, next(_units)
        now = datetime.now(UTC)
        with desk.connect() as connection:
            device = Device(connection, f"corner-{self.unit}")
            device.zero_at = now - timedelta(days=1)
            told = {"responsible_unit_id": self.unit, "place_id": f"{self.unit}.kerb"} | place
            self.cases = [
                cases.CaseId(*Case(device, now - (60 - n) * MINUTE, **told).id)
                for n in range(count)
            ]
            device.beats(now)

    @property
    def url(self) -> str:
        return f"{self.desk.url}/?unit={self.unit}"

    def verdicts(self, nth: int) -> list[tuple[str, str, bool]]:
        """Verdict, account and whether it was taken back, the first first."""
        return self.desk.sql(
            "SELECT verdict, account, undone_at IS NOT NULL FROM verdict WHERE case_id = %s ORDER BY number",
            self.cases[nth].case_id,
        )

    def is_judged(self, nth: int, *found: tuple[str, str, bool]) -> None:
        assert self.verdicts(nth) == list(found)


def row(page: Page, nth: int) -> Any:
    return page.locator("#cases tbody tr").nth(nth)


def selected(page: Page, nth: int) -> None:
    expect(row(page, nth)).to_have_attribute("aria-current", "true")


@pytest.fixture
def street(desk: RunningDesk) -> Street:
    return Street(desk)


@contextmanager
def at_the_queue(
    desk: RunningDesk, chromium: Browser, street: Street, **told: Any
) -> Iterator[Page]:
    with desk.browser(chromium, Role.REVIEWER, **told) as page:
        page.goto(street.url)
        yield page


def stop_the_clock(page: Page) -> None:
    """On the page it stays now, and its timers go on: however slow we are, a decision can still be taken back."""
    page.clock.set_fixed_time(datetime.now(UTC))


def test_a_reviewer_goes_through_the_queue_by_keyboard_alone(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street) as page:
        selected(page, 0)
        press(page, "j")
        press(page, "j")
        press(page, "k")
        selected(page, 1)
        press(page, "v")
        expect(row(page, 1).locator(".said")).to_have_text("属实")
        selected(page, 2)
        press(page, "f")
        expect(row(page, 2).locator(".said")).to_have_text("误报")
        selected(page, 3)
        press(page, "t")
        page.keyboard.type("示例-20261130-0007")
        press(page, "Enter")
        expect(row(page, 3).locator(".filed")).to_have_text("示例-20261130-0007")
        press(page, "Enter")
        expect(page).to_have_url(f"{desk.url}/cases/{street.cases[3].path}")
        press(page, "u")
        expect(page).to_have_url(street.url)
        selected(page, 1)  # two of four have left the list of what nobody has decided
    street.is_judged(1, ("valid", "reviewer", False))
    street.is_judged(2, ("false", "reviewer", False))
    told = desk.sql("SELECT ticket FROM case_ticket WHERE case_id = %s", street.cases[3].case_id)
    assert told == [("示例-20261130-0007",)]


def test_with_caps_lock_a_letter_is_still_its_key(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street) as page:
        page.evaluate(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'V', bubbles: true}))"
        )
        expect(row(page, 0).locator(".said")).to_have_text("属实")
        press(page, "Shift+F")
        expect(row(page, 1).locator(".said")).to_have_text("")
    street.is_judged(0, ("valid", "reviewer", False))
    street.is_judged(1)


def test_another_language_leaves_the_filter_as_it_is(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street) as page:
        page.locator("button[name=language]").click()
        expect(page.locator("h1")).to_contain_text("Cases")
        expect(page).to_have_url(street.url)
        expect(page.locator("#total")).to_have_text(str(len(street.cases)))
    desk.sql("UPDATE account SET language = NULL WHERE name = 'reviewer'")


def test_a_duplicate_names_its_case_by_one_more_key(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street) as page:
        press(page, "d")
        expect(page.locator("#duplicate-list button").nth(2)).to_be_visible()
        press(page, "v")  # keys of the page behind do not act
        press(page, "2")
        expect(row(page, 0).locator(".said")).to_have_text("重复")
        press(page, "d")
        expect(page.locator("#duplicate-list button").nth(2)).to_be_visible()
        press(page, "Escape")
        expect(page.locator("#duplicate")).to_be_hidden()
        press(page, "d")
        press(page, "0")
        expect(row(page, 1).locator(".said")).to_have_text("重复")
    found = desk.sql(
        "SELECT of_case FROM verdict WHERE case_id = ANY(%s) ORDER BY number",
        [each.case_id for each in street.cases],
    )
    assert found == [(street.cases[2].case_id,), (None,)]


def test_a_decision_is_taken_back_before_the_device_is_told(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street) as page:
        stop_the_clock(page)
        press(page, "f")
        expect(page.locator("#decided")).to_contain_text("秒后通知设备")
        press(page, "z")
        expect(page.locator("#decided")).to_have_text("已撤销。")
        expect(row(page, 0).locator(".said")).to_have_text("")
        selected(page, 0)
    street.is_judged(0, ("false", "reviewer", True))
    assert desk.sql("SELECT 1 FROM outgoing WHERE device = %s", street.cases[0].device) == []


def test_each_decision_is_taken_back_within_its_own_seconds_and_they_count_down(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with desk.browser(chromium, Role.REVIEWER) as page:
        page.clock.install()
        page.goto(street.url)
        page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))
        for nth, key in enumerate("vf"):
            press(page, key)
            expect(row(page, nth).locator(".said")).to_have_text(("属实", "误报")[nth])
        page.clock.run_for(3000)
        expect(page.locator("#decided")).to_contain_text("误报：已记录。5 秒后通知设备")
        for nth in (1, 0):
            press(page, "z")
            expect(row(page, nth).locator(".said")).to_have_text("")
        expect(page.locator("[data-do=undo]")).to_be_disabled()
        press(page, "v")
        expect(row(page, 0).locator(".said")).to_have_text("属实")
        page.clock.run_for(9000)
        expect(page.locator("#decided")).to_contain_text("正在发往设备")
        expect(page.locator("[data-do=undo]")).to_be_disabled()
    street.is_judged(0, ("valid", "reviewer", True), ("valid", "reviewer", False))
    street.is_judged(1, ("false", "reviewer", True))


def test_a_case_leads_to_the_next_of_its_list_and_back_to_its_row(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street) as page:
        press(page, "j")
        press(page, "Enter")
        expect(page).to_have_url(f"{desk.url}/cases/{street.cases[1].path}")
        press(page, "j")
        expect(page).to_have_url(f"{desk.url}/cases/{street.cases[2].path}")
        press(page, "j")
        expect(page).to_have_url(f"{desk.url}/cases/{street.cases[3].path}")
        expect(page.locator("[data-do=next]")).to_be_hidden()
        press(page, "k")
        expect(page).to_have_url(f"{desk.url}/cases/{street.cases[2].path}")
        press(page, "v")
        expect(page.locator("#case .said")).to_have_text("属实")
        press(page, "u")
        expect(page).to_have_url(street.url)
        expect(page.locator("#cases tbody tr")).to_have_count(3)
        selected(page, 2)  # what follows the one that was decided
        expect(row(page, 2)).to_have_attribute("data-case", f"/cases/{street.cases[3].path}")


def test_an_open_queue_tells_of_new_cases_and_keeps_no_session_alive(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with desk.browser(chromium, Role.REVIEWER) as page:
        page.clock.install()
        page.goto(street.url)
        expect(page.locator("#cases tbody tr")).to_have_count(4)
        long_ago = "UPDATE desk_session SET seen_at = now() - interval '10 minutes'"
        desk.sql(long_ago)
        now = datetime.now(UTC)
        with desk.connect() as connection:
            device = Device(connection, f"late-{street.unit}")
            device.zero_at = now - timedelta(days=1)
            Case(device, now - 20 * MINUTE, responsible_unit_id=street.unit)
        page.clock.fast_forward(21_000)
        expect(page.locator("#news")).to_have_text("1 个新问题")
        expect(page.locator("#cases tbody tr")).to_have_count(4)
        idle = "SELECT 1 FROM desk_session WHERE seen_at > now() - interval '9 minutes'"
        assert desk.sql(idle) == []
        press(page, "r")
        expect(page.locator("#cases tbody tr")).to_have_count(5)
        expect(page.locator("#news")).to_be_empty()
        assert len(desk.sql(idle)) == 1
        page.context.clear_cookies()
        page.clock.fast_forward(21_000)
        expect(page.locator("#news")).to_contain_text("您已退出登录")


def test_what_was_sent_meanwhile_is_not_taken_back_and_that_is_said(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street) as page:
        stop_the_clock(page)
        press(page, "v")
        expect(page.locator("#decided")).to_contain_text("属实")
        desk.sql("UPDATE outgoing SET sent_at = now() WHERE device = %s", street.cases[0].device)
        press(page, "z")
        expect(page.locator("#decided")).to_contain_text("已来不及撤销")
        expect(row(page, 0).locator(".said")).to_have_text("属实")
    street.is_judged(0, ("valid", "reviewer", False))


def test_a_network_that_swallows_answers_loses_and_doubles_no_decision(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    def swallow(route: Route) -> None:
        route.fetch()  # the desk has it, and its answer never comes
        route.abort()

    with at_the_queue(desk, chromium, street) as page:
        page.route("**/verdict", swallow)
        press(page, "v")
        expect(page.locator("#decided")).to_contain_text("没有应答。1 项待发")
        page.unroute("**/verdict")
        press(page, "f")
        expect(row(page, 0).locator(".said")).to_have_text("属实")
        expect(row(page, 1).locator(".said")).to_have_text("误报")
    street.is_judged(0, ("valid", "reviewer", False))
    street.is_judged(1, ("false", "reviewer", False))


def test_a_decision_outlives_its_page(desk: RunningDesk, chromium: Browser, street: Street) -> None:
    with at_the_queue(desk, chromium, street) as page:
        page.route("**/verdict", lambda route: route.abort())
        press(page, "v")
        expect(page.locator("#decided")).to_contain_text("1 项待发")
        street.is_judged(0)
        page.close()
        again = page.context.new_page()
        again.goto(street.url)
        expect(row(again, 0).locator(".said")).to_have_text("属实")
    street.is_judged(0, ("valid", "reviewer", False))


def test_whoever_is_signed_out_keeps_the_decision_until_signed_in_again(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street) as page:
        page.context.clear_cookies()
        press(page, "v")
        expect(page.locator("#decided")).to_contain_text("您已退出登录")
        street.is_judged(0)
        desk.sign_in(page, Role.REVIEWER)
        wait_until(lambda: street.verdicts(0) == [("valid", "reviewer", False)])
        page.goto(street.url)
        expect(page.locator("#total")).to_have_text(str(len(street.cases) - 1))


def test_the_second_of_two_reviewers_is_told_of_the_first(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    settings = load(desk.settings_file)
    with at_the_queue(desk, chromium, street) as page:
        told = decisions.Verdict(uuid4(), "valid", None, 0)
        with desk.connect() as connection:
            key = signing.key(settings.signing_key_file)
            decisions.judge(connection, key, street.cases[0], told, account="li")
        press(page, "f")
        expect(page.locator("#decided")).to_contain_text("li 已在")
        expect(page.locator("#decided")).to_contain_text("现以您的核定为准；两次均已留存。")
        expect(row(page, 0).locator(".said")).to_have_text("误报")
    street.is_judged(0, ("valid", "li", False), ("false", "reviewer", False))


def test_a_clerk_with_a_phone_decides_by_touch(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street, phone=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for button in page.locator("#decide button").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= HEIGHT_OF_A_FINGER_PX
        stop_the_clock(page)
        row(page, 1).locator(".picture").tap()
        selected(page, 1)
        page.locator("[data-do=valid]").tap()
        expect(row(page, 1).locator(".said")).to_have_text("属实")
        page.locator("[data-do=undo]").tap()
        expect(row(page, 1).locator(".said")).to_have_text("")
        page.locator("[data-do=ticket]").tap()
        page.locator("#ticket-number").fill("示例-8")
        page.locator("#ticket button.main").tap()
        expect(row(page, 1).locator(".filed")).to_have_text("示例-8")
        page.locator("[data-do=open]").tap()
        expect(page).to_have_url(f"{desk.url}/cases/{street.cases[1].path}")


def test_the_keys_are_told_and_what_has_the_focus_goes_before_them(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with at_the_queue(desk, chromium, street, language="en-US") as page:
        press(page, "?")
        listed = page.locator("#keys-list dt").all_inner_texts()
        assert {"j", "k", "v", "f", "d", "t", "Enter"} <= {each.strip() for each in listed}
        meanings = page.locator("#keys-list dd").all_inner_texts()
        assert {"Valid", "False alarm", "Duplicate", "Ticket number"} <= set(meanings)
        press(page, "Escape")
        page.locator("[data-do=ticket]").focus()
        press(page, "Enter")
        expect(page.locator("#ticket")).to_be_visible()
        press(page, "Escape")
        expect(page.locator("h1")).to_contain_text("Cases")


def test_a_viewer_sees_the_queue_and_decides_nothing(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with desk.browser(chromium, Role.VIEWER) as page:
        page.goto(street.url)
        selected(page, 0)
        expect(page.locator("[data-do=valid]")).to_have_count(0)
        press(page, "v")
        press(page, "j")
        selected(page, 1)
    street.is_judged(0)


def test_what_was_kept_for_one_who_may_not_decide_any_more_is_refused_and_goes(
    desk: RunningDesk, chromium: Browser, street: Street
) -> None:
    with desk.browser(chromium, Role.VIEWER) as page:
        page.goto(street.url)
        kept = {"path": f"/cases/{street.cases[0].path}", "what": "verdict"}
        kept["fields"] = {"decision_id": str(uuid4()), "verdict": "valid", "seen": "0"}  # type: ignore[assignment]
        page.evaluate(
            "each => localStorage.setItem('kerbwatch-decisions-viewer', JSON.stringify([each]))",
            kept,
        )
        page.reload()
        expect(page.locator("#decided")).to_contain_text("您的账号无权这样做")
        assert page.evaluate("localStorage.getItem('kerbwatch-decisions-viewer')") == "[]"
    street.is_judged(0)


def test_what_a_site_calls_itself_is_text_and_nothing_else(
    desk: RunningDesk, chromium: Browser
) -> None:
    street = Street(desk, 1, address="<img src=x onerror=alert(1)>&amp;")
    with at_the_queue(desk, chromium, street) as page:
        expect(row(page, 0)).to_contain_text("<img src=x onerror=alert(1)>&amp;")
        expect(row(page, 0).locator("img")).to_have_count(0)


def test_the_filter_narrows_the_queue_and_its_pages_lead_on(
    desk: RunningDesk, chromium: Browser
) -> None:
    street = Street(desk, cases.PAGE_SIZE + 1)
    with at_the_queue(desk, chromium, street) as page:
        expect(page.locator("#total")).to_have_text(str(cases.PAGE_SIZE + 1))
        press(page, "]")
        expect(page.locator("#cases tbody tr")).to_have_count(1)
        expect(page.locator("#unit")).to_have_value(street.unit)
        page.locator("#decided-filter").select_option("decided")
        page.locator("form.filter button.main").click()
        expect(page.locator("main")).to_contain_text("没有符合条件的问题。")
