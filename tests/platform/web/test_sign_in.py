"""The desk's frame in a real browser: a big screen and a phone, mouse, finger and keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kerbwatch_platform.web.roles import Role
from playwright.sync_api import Browser, Page, expect

from tests.support.desk import DESKTOP, PASSWORD, PEOPLE, RunningDesk, new_desk, press
from tests.support.desk_routes import every_route
from tests.support.phone import SIZE
from tests.support.postgres import Postgres

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
SHOWN = [
    each.path
    for each in every_route()
    if each.method == "GET" and not re.search(r"/[^/]*\.\w+$|/evidence/|/first/", each.path)
]
"""Pages, not files."""
FINGER_PX = 44


@pytest.fixture
def fresh(desk_server: Postgres, tmp_path: Path) -> Iterator[RunningDesk]:
    """A desk at which nobody can sign in yet."""
    desk = new_desk(desk_server, tmp_path)
    desk.sql("DELETE FROM account_link")
    desk.sql("DELETE FROM account")
    desk.start()
    yield desk
    desk.end()


@BOTH
def test_a_person_signs_in_and_out(desk: RunningDesk, chromium: Browser, phone: bool) -> None:
    with desk.browser(chromium, Role.REVIEWER, phone=phone) as page:
        expect(page.locator(".person")).to_have_text(PEOPLE[Role.REVIEWER][1])
        page.get_by_role("button", name="退出").click()
        expect(page.locator("#password")).to_be_visible()
        page.go_back()
        page.reload()
        expect(page.locator("#password")).to_be_visible()


@BOTH
def test_from_the_first_link_to_the_second_person(
    fresh: RunningDesk, chromium: Browser, phone: bool
) -> None:
    link = fresh.command("account", "first-link").strip()
    with fresh.browser(chromium, phone=phone) as chief, fresh.browser(chromium) as person:
        chief.goto(link)
        expect(chief.get_by_role("heading", name="第一个管理员")).to_be_visible()
        for name, value in (
            ("name", "zhang.san"),
            ("person", "张三"),
            ("password", PASSWORD),
            ("again", "else"),
        ):
            chief.locator(f"#{name}").fill(value)
        chief.get_by_role("button", name="设置并登录").click()
        expect(chief.get_by_role("alert")).to_have_text("两次输入的密码不一致。")
        expect(chief.locator("#name")).to_have_value("zhang.san")
        for name in ("password", "again"):
            chief.locator(f"#{name}").fill(PASSWORD)
        chief.get_by_role("button", name="设置并登录").click()
        chief.get_by_role("link", name="账号", exact=True).click()
        for name, value in (("name", "desk-01"), ("person", "坐席 01")):
            chief.locator(f"#{name}").fill(value)
        chief.get_by_label("坐席：还可核定问题").check()
        chief.get_by_role("button", name="建立并显示链接").click()

        person.goto(chief.locator("#link").inner_text())
        expect(person.get_by_role("heading", name="设置密码")).to_be_visible()
        for name in ("password", "again"):
            person.locator(f"#{name}").fill(PASSWORD)
        person.get_by_role("button", name="设置并登录").click()
        expect(person.locator(".person")).to_have_text("坐席 01")
        expect(person.get_by_role("link", name="账号", exact=True)).to_have_count(0)

        chief.get_by_role("link", name="返回账号列表").click()
        row = chief.locator("#account-desk-01")
        expect(row).to_contain_text("已登录（1）")
        row.locator("select").select_option("viewer")
        row.get_by_role("button", name="更改角色").click()
        expect(row.locator("td[data-name=角色]")).to_have_text("查看员")
        person.goto(fresh.url + "/about")
        expect(person.locator("#password")).to_be_visible()


def test_the_page_that_was_asked_for_comes_after_the_sign_in(
    desk: RunningDesk, chromium: Browser
) -> None:
    with desk.browser(chromium) as page:
        page.goto(f"{desk.url}/log?account=viewer")
        page.locator("#name").fill("administrator")
        page.locator("#password").fill(PASSWORD)
        press(page, "Enter")
        expect(page).to_have_url(f"{desk.url}/log?account=viewer")


@BOTH
def test_the_language_is_changed_where_one_is_and_stays(
    desk: RunningDesk, chromium: Browser, phone: bool
) -> None:
    name = desk.person(Role.ADMINISTRATOR, f"reads-both-{phone}".lower())
    with desk.browser(chromium, phone=phone) as page:
        page.goto(f"{desk.url}/sign-in")
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "en"
        page.locator("#name").fill(name)
        page.locator("#password").fill(PASSWORD)
        press(page, "Enter")
        expect(page.locator(".who")).to_be_visible()
        page.goto(f"{desk.url}/log")
        page.get_by_role("button", name="中文").click()
        expect(page.get_by_role("heading", name="访问日志")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "zh-CN"
    with desk.browser(chromium, language="en", phone=phone) as elsewhere:
        elsewhere.goto(f"{desk.url}/sign-in")
        elsewhere.locator("#name").fill(name)
        elsewhere.locator("#password").fill(PASSWORD)
        press(elsewhere, "Enter")
        expect(elsewhere.get_by_role("button", name="退出")).to_be_visible()


@BOTH
def test_every_page_fits_its_screen_and_asks_nothing_of_anybody_else(
    desk: RunningDesk, chromium: Browser, phone: bool
) -> None:
    size = SIZE if phone else DESKTOP
    with desk.browser(chromium, Role.ADMINISTRATOR, phone=phone) as page:
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on(
            "console", lambda line: complaints.append(line.text) if line.type == "error" else None
        )
        for path in SHOWN:
            answer = page.goto(desk.url + path)
            assert answer is not None
            if answer.ok and answer.headers["content-type"].startswith("text/html"):
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= size["width"], path
                assert page.locator("h1").count() == 1, path
        assert [url for url in asked if not url.startswith(desk.url)] == []
        assert [line for line in complaints if "Content Security" in line] == []


def test_on_a_phone_what_is_pressed_is_as_large_as_a_finger(
    desk: RunningDesk, chromium: Browser
) -> None:
    with desk.browser(chromium, Role.ADMINISTRATOR, phone=True) as page:
        for path in ("/accounts", "/log", "/account"):
            page.goto(desk.url + path)
            small = page.evaluate(
                "(px) => [...document.querySelectorAll('button, .button, nav a, select, input:not([type=hidden])"
                ":not([type=radio]):not([type=checkbox])')]"
                ".filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < px)"
                ".map((each) => each.outerHTML)",
                FINGER_PX,
            )
            assert small == [], path


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.outerHTML")
    return found


def test_without_a_mouse_everything_is_reached_and_where_one_is_is_seen(
    desk: RunningDesk, chromium: Browser
) -> None:
    with desk.browser(chromium, Role.ADMINISTRATOR) as page:
        page.goto(f"{desk.url}/accounts")
        press(page, "Tab")
        assert "skip" in focused(page)
        wanted = page.evaluate(
            "() => [...document.querySelectorAll('a[href], button, select, input:not([type=hidden]), [tabindex=\"0\"]')]"
            ".filter((each) => each.checkVisibility() && !(each.type === 'radio' && each.value !== 'viewer')).length"
        )
        reached = set()
        for _ in range(wanted):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", focused(page)
            reached.add(
                page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
            )
            press(page, "Tab")
        assert len(reached) == wanted
        page.goto(f"{desk.url}/accounts")
        press(page, "Tab")
        press(page, "Enter")
        assert focused(page).startswith('<main id="main"')


def test_keys_lead_through_the_desk_and_are_told(desk: RunningDesk, chromium: Browser) -> None:
    with desk.browser(chromium, Role.ADMINISTRATOR) as page:
        page.goto(f"{desk.url}/about")
        press(page, "g")
        press(page, "l")
        expect(page.get_by_role("heading", name="访问日志")).to_be_visible()
        press(page, "/")
        page.keyboard.type("ga")  # in a field a letter is a letter
        expect(page.locator("#account")).to_have_value("ga")
        press(page, "Escape")
        press(page, "?")
        expect(page.locator("#keys")).to_be_visible()
        expect(page.locator("#keys-list")).to_contain_text("账号")
        page.locator("#keys-on").uncheck()
        page.get_by_role("button", name="关闭").click()
        for key in ("g", "a"):
            press(page, key)
        expect(page.get_by_role("heading", name="访问日志")).to_be_visible()
        press(page, "?")
        page.locator("#keys-on").check()
        page.get_by_role("button", name="关闭").click()
        for key in ("g", "a"):
            press(page, key)
        expect(page.get_by_role("heading", name="账号", exact=True)).to_be_visible()


def test_what_cannot_be_undone_is_asked_for_first(desk: RunningDesk, chromium: Browser) -> None:
    name = desk.person(Role.VIEWER, "leaves")
    with desk.browser(chromium, Role.ADMINISTRATOR) as page:
        page.goto(f"{desk.url}/accounts")
        row = page.locator(f"#account-{name}")
        page.once("dialog", lambda dialog: dialog.dismiss())
        row.get_by_role("button", name="停用").click()
        expect(row.get_by_role("button", name="停用")).to_be_visible()
        page.once("dialog", lambda dialog: dialog.accept())
        row.get_by_role("button", name="停用").click()
        expect(row.get_by_role("button")).to_have_count(0)


@BOTH
def test_the_frame_works_without_scripts(desk: RunningDesk, chromium: Browser, phone: bool) -> None:
    told = {"java_script_enabled": False}
    with desk.browser(chromium, Role.ADMINISTRATOR, phone=phone, **told) as page:
        page.get_by_role("link", name="访问日志").click()
        expect(page.get_by_role("heading", name="访问日志")).to_be_visible()
        page.get_by_role("button", name="退出").click()
        expect(page.locator("#password")).to_be_visible()
