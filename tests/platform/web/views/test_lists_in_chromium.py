"""Places, devices and "why was nothing reported here" in a real browser, in both languages and sizes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from kerbwatch_platform.web.roles import Role
from playwright.sync_api import Browser, expect

from tests.support.desk import RunningDesk, press
from tests.support.desk_city import DEVICE, SHANGHAI, TENANT, Case, Device

pytestmark = pytest.mark.slow
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALWAYS: dict[str, object] = {"in_force": []}


class Corner:
    """A device with two zones: one in order, and one whose view is blocked; another one that fell silent."""

    def __init__(self, desk: RunningDesk) -> None:
        self.now = datetime.now(UTC)
        with desk.connect() as connection:
            here = Device(connection)
            here.zero_at = self.now - timedelta(days=2)
            here.born(self.now - 5 * HOUR)
            hidden = {"zone_id": "crossing", "place_id": "example-corner.crossing", "name": None}
            here.takes_inventory(self.now - 5 * HOUR, [ALWAYS, ALWAYS | hidden])
            here.beats_until(self.now - 4 * HOUR, self.now - 65 * MINUTE)
            here.skip(2)
            here.beats_until(self.now - HOUR, self.now, zones={"crossing": "view_blocked"})
            self.case = Case(here, self.now - 3 * HOUR)
            gone = Device(connection, "silent-corner")
            gone.zero_at = here.zero_at
            gone.born(self.now - 6 * HOUR, "copied")
            gone.beats(self.now - 5 * HOUR, view="view_dark")

    def ago(self, span: timedelta) -> str:
        return (self.now - span).astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M")


@pytest.fixture(scope="module")
def corner(desk: RunningDesk) -> Corner:
    return Corner(desk)


def test_an_empty_queue_says_why_and_what_to_do(desk: RunningDesk, chromium: Browser) -> None:
    with desk.browser(chromium, Role.REVIEWER) as page:
        page.goto(desk.url)
        expect(page.locator("main .says")).to_contain_text("尚无问题到达")
        now = datetime.now(UTC)
        with desk.connect() as connection:
            device = Device(connection, "done-corner")
            device.zero_at = now - timedelta(days=1)
            Case(device, now - 2 * HOUR).clears(now - HOUR)
        page.reload()
        expect(page.locator("main .says")).to_contain_text("1 个已结束，待核定")
        page.locator("main .says a").click()
        expect(page.locator("#cases tbody tr")).to_have_count(1)
        press(page, "v")
        expect(page.locator("#cases .said")).to_have_text("属实")


def test_devices_are_listed_with_what_is_the_matter(
    desk: RunningDesk, chromium: Browser, corner: Corner
) -> None:
    with desk.browser(chromium, Role.VIEWER) as page:
        page.goto(f"{desk.url}/devices")
        silent, here = (
            page.locator("#devices tbody tr", has_text=n) for n in ("silent-corner", DEVICE)
        )
        expect(silent).to_contain_text("失联")
        expect(silent).to_contain_text("street: 过暗")
        expect(silent).to_contain_text("1 次回退或丢失数据库")
        expect(here).to_contain_text("在线")
        expect(here).to_contain_text("crossing: 被遮挡或脏污")
        expect(here).to_contain_text("缺 2 个")
        here.locator("a").click()
        expect(page.locator("h1")).to_contain_text(DEVICE)
        expect(page.locator("main")).to_contain_text("在途中，或在本平台丢失")


def test_places_lead_to_their_cases(desk: RunningDesk, chromium: Browser, corner: Corner) -> None:
    with desk.browser(chromium, Role.VIEWER, language="en-US") as page:
        page.goto(f"{desk.url}/places")
        expect(page.locator("main h2")).to_have_text("Grid not known")
        expect(page.locator("h1")).to_have_text("Places")
        page.locator("main tbody a").first.click()
        expect(page.locator("#cases tbody tr")).to_have_count(1)
        expect(page.locator("#grid")).to_have_value("-")


def test_it_is_said_why_nothing_was_reported_by_keyboard(
    desk: RunningDesk, chromium: Browser, corner: Corner
) -> None:
    with desk.browser(chromium, Role.VIEWER) as page:
        page.goto(desk.url)
        press(page, "g")
        press(page, "w")
        expect(page.locator("h1")).to_have_text("此处为何未上报？")
        press(page, "/")
        page.keyboard.type("corner.crossing")
        press(page, "Enter")
        expect(page.locator("#zone option")).to_have_count(1)
        expect(page.locator("#zone option")).to_contain_text("禁停区 · crossing · ")
        page.locator("#at").fill(corner.ago(10 * MINUTE))
        page.locator("form.filter button").click()
        expect(page.locator("#answer")).to_contain_text("未上报，原因已知")
        because = page.locator(".findings .explains")
        expect(because).to_have_count(1)
        expect(because).to_contain_text("被遮挡或脏污")
        expect(because).to_contain_text("device.heartbeat")


@pytest.mark.parametrize(
    ("zone", "ago", "says"),
    [
        ("kerb", 10 * MINUTE, "It was reported."),
        ("crossing", 2 * HOUR, "It is not known why"),
        ("crossing", 63 * MINUTE, "What follows may be the reason"),
        ("nowhere", 10 * MINUTE, "Nothing was reported, and it is known why."),
    ],
)
def test_each_answer_is_only_as_sure_as_what_it_rests_on(
    desk: RunningDesk, chromium: Browser, corner: Corner, zone: str, ago: timedelta, says: str
) -> None:
    with desk.browser(chromium, Role.VIEWER, language="en-US") as page:
        page.goto(f"{desk.url}/why?zone={TENANT}/{DEVICE}/{zone}&at={corner.ago(ago)}")
        expect(page.locator("#answer strong")).to_contain_text(says)


@pytest.mark.parametrize("path", ["/places", "/devices", f"/devices/{TENANT}/{DEVICE}", "/why"])
@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
def test_a_phone_shows_each_list_without_scrolling_sideways(
    desk: RunningDesk, chromium: Browser, corner: Corner, path: str, language: str
) -> None:
    with desk.browser(chromium, Role.VIEWER, phone=True, language=language) as page:
        page.goto(desk.url + path)
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    "told", ["zone=a&at=b", "zone=a/b/c&at=0001-01-01T00:00", "zone=a/b/c&at=2026-11-30T10:00"]
)
def test_what_cannot_be_meant_is_no_fault_of_the_page(
    desk: RunningDesk, chromium: Browser, corner: Corner, told: str
) -> None:
    with desk.browser(chromium, Role.VIEWER) as page:
        answer = page.goto(f"{desk.url}/why?{told}")
        assert answer is not None
        assert answer.status == 200
