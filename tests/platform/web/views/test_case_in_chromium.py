"""A case's page in a real browser, with what a real agent said of the example street and its own redacted pictures."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

import pytest
from kerbwatch_platform.settings import load
from kerbwatch_platform.web.roles import Role
from playwright.sync_api import Browser, Locator, expect

from tests.support.desk import RunningDesk, press
from tests.support.desk_city import Device
from tests.support.replayed_street import DEVICE, TENANT, Recorded, street_of_now

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def street(desk: RunningDesk, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The example street of a quarter of an hour ago; its device is alive."""
    with desk.connect() as connection:
        Device(connection, DEVICE).beats(datetime.now(UTC))
        folder = tmp_path_factory.mktemp("street")
        return street_of_now(connection, load(desk.settings_file), folder)


def address(desk: RunningDesk, street: Recorded, kind: str) -> str:
    return f"{desk.url}/cases/{TENANT}/{DEVICE}/{street.case_id(kind)}"


def is_shown(picture: Locator) -> None:
    """It is loaded, and not a broken one."""
    expect(picture).to_be_visible()
    picture.scroll_into_view_if_needed()
    picture.evaluate("each => each.decode()")
    assert picture.evaluate("each => each.naturalWidth") == 1280


def test_the_queue_shows_the_redacted_pictures_that_are_here(
    desk: RunningDesk, chromium: Browser, street: Recorded
) -> None:
    with desk.browser(chromium, Role.REVIEWER) as page:
        page.goto(desk.url)
        expect(page.locator("#cases tbody tr")).to_have_count(2)
        stall = page.locator("#cases tbody tr", has_text="占道经营")
        is_shown(stall.locator("img"))
        expect(stall.locator(".picture")).to_contain_text("达到时限")
        bin_ = page.locator("#cases tbody tr", has_text="垃圾箱满溢")
        expect(bin_.locator(".picture")).to_contain_text("图片尚未到达")
    with desk.browser(chromium, Role.REVIEWER, phone=True) as page:
        page.goto(desk.url)
        is_shown(page.locator("#cases img").first)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    with desk.browser(chromium, Role.REVIEWER, language="en-US") as page:
        page.goto(desk.url)
        expect(page.locator("#cases tbody tr", has_text="street vending")).to_be_visible()


def test_a_case_tells_its_story_with_begin_and_after_side_by_side_and_verified(
    desk: RunningDesk, chromium: Browser, street: Recorded
) -> None:
    with desk.browser(chromium, Role.REVIEWER) as page:
        page.goto(address(desk, street, "misparked_bike"))
        figures = page.locator("#pictures > .side figure")
        expect(figures).to_have_count(3)
        for nth, role in enumerate(("起始", "达到时限", "消除后")):
            is_shown(figures.nth(nth).locator("img"))
            expect(figures.nth(nth)).to_contain_text(role)
            expect(figures.nth(nth).locator(".badge.good")).to_have_text("已验证")
        expect(page.locator("main")).to_contain_text("图片已验证")
        expect(page.locator("dl.facts")).to_contain_text("09010 非机动车乱停放")
        steps = page.locator(".story li")
        expect(steps.first).to_contain_text("目标开始停留")
        expect(page.locator(".story .opened")).to_contain_text("停留超过允许的 10 秒")
        expect(page.locator(".story .cleared")).to_contain_text("供核查参考；不结案")
        expect(page.locator("main")).to_contain_text("链的起点")


def test_a_case_on_a_phone_is_one_column(
    desk: RunningDesk, chromium: Browser, street: Recorded
) -> None:
    with desk.browser(chromium, Role.REVIEWER, phone=True) as page:
        page.goto(address(desk, street, "misparked_bike"))
        is_shown(page.locator("#pictures img").first)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_picture_that_does_not_come_by_itself_is_asked_for_with_a_reason(
    desk: RunningDesk, chromium: Browser, street: Recorded
) -> None:
    with desk.browser(chromium, Role.REVIEWER) as page:
        page.goto(address(desk, street, "street_vending"))
        begin = page.locator("#pictures > .side figure").first
        expect(begin).to_contain_text("尚未到达")
        # Nothing is wrong with what is only awaited.
        expect(page.locator("#case .badge", has_text="张图片已验证，其余尚未到达")).to_have_class(
            "badge good"
        )
        begin.locator("input[name=reason]").fill("投诉 7")
        begin.locator("button").click()
        expect(page).to_have_url(f"{address(desk, street, 'street_vending')}#pictures")
    [(command, role, by)] = desk.sql(
        "SELECT command, role, by_account FROM outgoing WHERE command->>'command' = 'picture'"
    )
    assert (command["reason"], role, by) == ("投诉 7", "evidence", "reviewer")


def test_a_verdict_on_the_page_of_a_case_stands_in_its_history_signed(
    desk: RunningDesk, chromium: Browser, street: Recorded
) -> None:
    with desk.browser(chromium, Role.REVIEWER) as page:
        page.goto(address(desk, street, "overflowing_bin"))
        press(page, "v")
        expect(page.locator("#case .said")).to_have_text("属实")
        page.reload()
        line = page.locator("#history tbody tr").first
        expect(line).to_contain_text("属实")
        expect(line).to_contain_text("成立：本值班台的密钥")
        expect(line).to_contain_text("等待发送")
        told = '{"status": "refused", "code": "no_authority", "reason": "the site names no key"}'
        text = (
            "UPDATE outgoing SET sent_at = now(), answered_at = now(), answer = %s"
            " WHERE command->>'command' = 'verdict'"
        )
        desk.sql(text, told)
        page.reload()
        expect(line).to_contain_text("设备已拒绝 点位没有指定有权下达的密钥 no_authority")
        page.goto(desk.url)
        press(page, "4")
        expect(page.locator("#cases .said")).to_contain_text(
            "设备已拒绝 点位没有指定有权下达的密钥"
        )
        page.go_back()
        page.go_back()
        text = "UPDATE verdict SET jws = replace(jws, '.', '.e30') WHERE case_id = %s"
        desk.sql(text, street.case_id("overflowing_bin"))
        page.reload()
        expect(line).to_contain_text("以本值班台的密钥验证不成立")
        press(page, "t")
        page.keyboard.type("示例-9")
        press(page, "Enter")
        expect(page.locator("#case .filed")).to_have_text("示例-9")
        page.reload()
        expect(line).to_contain_text("示例-9")  # the latest first, verdicts and numbers alike


def test_a_case_is_handed_over_as_a_sealed_zip_with_a_reason_that_is_recorded(
    desk: RunningDesk, chromium: Browser, street: Recorded
) -> None:
    with desk.browser(chromium, Role.REVIEWER) as page:
        page.goto(address(desk, street, "misparked_bike"))
        page.locator("#reason").fill("移交镜湖分局：案件 7")
        page.once("dialog", lambda dialog: dialog.accept())
        with page.expect_download() as download:
            page.locator("form[action^='/handover/'] button").click()
        content = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
        assert sum(name.endswith(".jpg") for name in content.namelist()) == 5
        page.reload()
        expect(page.locator("main")).to_contain_text("移交镜湖分局：案件 7")
    [(account, reason)] = desk.sql("SELECT account, reason FROM handover")
    assert (account, reason) == ("reviewer", "移交镜湖分局：案件 7")


def test_a_viewer_hands_nothing_over_and_asks_no_device(
    desk: RunningDesk, chromium: Browser, street: Recorded
) -> None:
    with desk.browser(chromium, Role.VIEWER) as page:
        page.goto(address(desk, street, "misparked_bike"))
        is_shown(page.locator("#pictures img").first)
        expect(page.locator("main form")).to_have_count(0)


def test_looking_at_a_case_and_its_pictures_stands_in_the_log(
    desk: RunningDesk, chromium: Browser, street: Recorded
) -> None:
    case_id = street.case_id("misparked_bike")
    seen = "SELECT count(*) FROM access_log WHERE account = 'viewer' AND case_id = %s"
    [(before,)] = desk.sql(seen, case_id)
    with desk.browser(chromium, Role.VIEWER) as page:
        page.goto(address(desk, street, "misparked_bike"))
        is_shown(page.locator("#pictures img").first)
    assert desk.sql(seen, case_id) == [(before + 1,)]


@pytest.mark.parametrize(
    "path", ["/cases/a/b/c", f"/evidence/{'0' * 64}", "/evidence/..%2Fkey", "/devices/a/b"]
)
def test_what_is_not_here_is_said(desk: RunningDesk, chromium: Browser, path: str) -> None:
    with desk.browser(chromium, Role.VIEWER) as page:
        answer = page.goto(desk.url + path)
        assert answer is not None
        assert answer.status == 404
        expect(page.locator("main .says")).to_be_visible()
