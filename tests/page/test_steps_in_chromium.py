"""The page at the pole in a real browser, of a phone's size, with a real agent beside it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from provisioning.page.lockout import FREE_TRIES
from provisioning.page.visit import Visit
from tests.support.page_process import CODE, PageProcess, run_page
from tests.support.phone import phone_of
from tests.support.root_here import RootHere
from tests.support.running_agent import WatchedCorner
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
SHOTS = os.environ.get("KERBWATCH_SHOTS")
"""A folder for pictures of each step, for the manual."""
HEIGHT_OF_A_FINGER_PX = 44


@pytest.fixture
def pole(tmp_path: Path) -> Iterator[PageProcess]:
    """A page with no agent."""
    page = run_page(tmp_path)
    yield page
    page.end()


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedCorner]:
    """A real agent, for the views of it."""
    watched = WatchedCorner(tmp_path_factory.mktemp("corner"))
    watched.start()
    yield watched
    watched.stop(signal.SIGKILL)


@pytest.fixture
def device(corner: WatchedCorner) -> Iterator[PageProcess]:
    """The page beside that agent."""
    (corner.folder / "page" / "failures.json").unlink(missing_ok=True)
    page = run_page(corner.folder)
    yield page
    page.end()


def opened(phone: Page, page: PageProcess) -> None:
    phone.goto(page.url + "/")


def sign_in(phone: Page, page: PageProcess, code: str = CODE) -> None:
    page.press()
    opened(phone, page)
    phone.locator("#code").fill(code)
    phone.locator("form button[type=submit]").click()


def signed_in(phone: Page, page: PageProcess) -> None:
    sign_in(phone, page)
    expect(phone).to_have_url(f"{page.url}/steps/mount")
    phone.wait_for_load_state()  # then its scripts listen


def shot(phone: Page, name: str) -> None:
    if SHOTS:
        phone.screenshot(path=f"{SHOTS}/page-{name}.png")


def test_a_phone_signs_in_with_press_and_code(pole: PageProcess, chromium: Browser) -> None:
    with phone_of(chromium, language="zh-CN") as phone:
        opened(phone, pole)
        expect(phone.locator("html")).to_have_attribute("lang", "zh-CN")
        shot(phone, "sign-in")
        phone.locator("form button[type=submit]").click()
        expect(phone.locator("#said")).to_have_text("请输入盖内的登录码。")
        phone.locator("#code").fill("7k3mq 9xw2t")
        phone.locator("form button[type=submit]").click()
        expect(phone.locator("#said")).to_contain_text("请按一下机箱内的按钮")
        pole.press()
        phone.locator("form button[type=submit]").click()
        expect(phone).to_have_url(f"{pole.url}/steps/mount")


def test_wrong_codes_lock_the_sign_in_and_say_for_how_long(
    pole: PageProcess, chromium: Browser
) -> None:
    with phone_of(chromium) as phone:
        for _ in range(FREE_TRIES):
            sign_in(phone, pole, "WRONG-WRONG")
            expect(phone.locator("#said")).to_have_text("The code is wrong.")
        expect(phone.locator("form button[type=submit]")).to_be_disabled()
        expect(phone.locator("form button[type=submit]")).to_have_text("Wait 29 s.")
        shot(phone, "locked")
        sign_in(phone, pole)
        expect(phone.locator("#said")).to_contain_text("Too many wrong codes.")


def test_the_language_changes_where_one_stands(pole: PageProcess, chromium: Browser) -> None:
    with phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, pole)
        for step, chinese, english in (
            ("mount", "架设", "Mount"),
            ("walk", "走动测试", "Walk test"),
        ):
            phone.goto(f"{pole.url}/steps/{step}")
            expect(phone.locator("h1")).to_have_text(chinese)
            phone.locator("#language").click()
            expect(phone.locator("h1")).to_have_text(english)
            phone.locator("#language").click()
            expect(phone.locator("h1")).to_have_text(chinese)


def test_a_second_phone_takes_over_and_the_first_is_told(
    pole: PageProcess, chromium: Browser
) -> None:
    with phone_of(chromium) as first, phone_of(chromium) as second:
        sign_in(first, pole)
        expect(first).to_have_url(f"{pole.url}/steps/mount")
        sign_in(second, pole)
        expect(second).to_have_url(f"{pole.url}/steps/mount")
        first.goto(f"{pole.url}/steps/check")
        expect(first).to_have_url(f"{pole.url}/")
        second.goto(f"{pole.url}/steps/check")
        expect(second.locator("h1")).to_have_text("Check")


def test_a_phone_that_is_shown_something_is_told_that_another_has_signed_in(
    device: PageProcess, chromium: Browser
) -> None:
    with phone_of(chromium) as first:
        signed_in(first, device)
        expect(first.locator("#camera option")).to_have_count(1)
        device.sign_in()
        expect(first.locator("#said")).to_have_text(
            "Another phone has signed in. This one is signed out."
        )


def test_mounting_shows_the_picture_and_a_large_figure_each(
    device: PageProcess, chromium: Browser
) -> None:
    with phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, device)
        expect(phone.locator("#focus output")).not_to_have_text("–")
        expect(phone.locator("#light output")).not_to_have_text("–")
        assert phone.locator("#live").evaluate("image => image.naturalWidth") > 0
        expect(phone.locator("#seen rect").first).to_be_attached()
        expect(phone.locator("#list li").first).to_contain_text("车")
        expect(phone.locator("#state")).to_contain_text("运行")
        shot(phone, "mount")


def test_the_walk_test_shows_track_foot_and_stay(device: PageProcess, chromium: Browser) -> None:
    with phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, device)
        phone.goto(f"{device.url}/steps/walk")
        expect(phone.locator("#seen ellipse").first).to_be_attached()
        expect(phone.locator("#list li").first).to_contain_text("在 kerb 中")
        expect(phone.locator("#not-walked")).to_have_text("尚未走过：kerb")  # a bike walks nowhere
        shot(phone, "walk")


def test_the_check_is_the_devices_own_and_has_a_button_for_what_is_safe(
    device: PageProcess, corner: WatchedCorner, chromium: Browser
) -> None:
    with RootHere(corner.folder) as root, phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, device)
        phone.goto(f"{device.url}/steps/check")
        phone.locator("#start").click()
        expect(phone.locator("#findings li").first).to_be_visible(timeout=120_000)
        shot(phone, "check")
        fixes = phone.locator("#findings button")
        if fixes.count():
            fixes.first.click()
            expect(phone.locator("#start")).to_be_enabled(timeout=120_000)
        assert root.asked[0] == "check"
        assert set(root.asked) <= {"check", "restart_agent", "install_units", "sync_clock"}


def test_without_a_connection_the_page_says_so_in_the_readers_language(
    device: PageProcess, chromium: Browser
) -> None:
    """A browser's own words for it are English on every phone."""
    lost = "与设备失去连接。请走近一些，或重新加入它的网络。"
    with phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, device)
        for step, pressed, told in (
            ("check", "#start", "#says"),
            ("walk", "#test-case", "#test-says"),
            ("accept", "#commission", "#says"),
        ):
            phone.goto(f"{device.url}/steps/{step}")
            phone.context.set_offline(True)
            phone.locator(pressed).click()
            expect(phone.locator(told)).to_have_text(lost)
            phone.locator("#language").click()
            expect(phone.locator("#banner")).to_have_text(lost)
            phone.context.set_offline(False)


def test_a_test_case_is_watched_on_over_a_lost_link_and_a_new_window(
    device: PageProcess, chromium: Browser
) -> None:
    with phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, device)
        phone.goto(f"{device.url}/steps/walk")
        phone.locator("#test-case").click()
        expect(phone.locator("#test-steps li.done")).to_have_count(1)
        phone.context.set_offline(True)
        expect(phone.locator("#test-says")).to_contain_text("失去连接")
        phone.context.set_offline(False)
        expect(phone.locator("#test-says")).to_have_text("")
        other = phone.context.new_page()
        other.goto(f"{device.url}/steps/walk")
        expect(other.locator("#test-steps li.done")).to_have_count(1)
        other.goto(f"{device.url}/steps/accept")
        expect(other.locator("#tested")).to_have_text("测试问题已发送，任务号还没有回来。")


def test_a_platform_that_does_not_answer_is_no_reason_to_wait_for_ever(
    device: PageProcess, chromium: Browser
) -> None:
    with phone_of(chromium) as phone:
        signed_in(phone, device)
        phone.goto(f"{device.url}/steps/walk")
        phone.locator("#test-case").click()
        expect(phone.locator("#test-steps li.done")).to_have_count(1)
        expect(phone.locator("#test-case")).to_be_disabled()
        phone.evaluate(
            """() => {
              const key = Object.keys(localStorage).find((each) => each.startsWith("kerbwatch.visit."));
              const kept = JSON.parse(localStorage.getItem(key));
              localStorage.setItem(key, JSON.stringify({ ...kept, case_at: kept.case_at - 61_000 }));
            }"""
        )
        phone.reload()
        expect(phone.locator("#test-says")).to_contain_text(
            "It has waited for a minute and stays queued."
        )
        expect(phone.locator("#test-case")).to_be_enabled()


def test_what_was_walked_at_another_device_or_other_zones_is_not_taken_along(
    device: PageProcess, chromium: Browser
) -> None:
    with phone_of(chromium) as phone:
        signed_in(phone, device)
        told = device_asks(phone, "/api/configuration")
        keep = """([device, of]) => localStorage.setItem(`kerbwatch.visit.${device}`,
          JSON.stringify({ at: Date.now(), of, walked: { kerb: "passed" } }))"""
        here = phone.locator("meta[name=device]").get_attribute("content")
        for of, kept_by, line in (
            (told["sha256"], here, "#walked"),
            ("0" * 64, here, "#not-walked"),
            (told["sha256"], "0123456789ABCDEF", "#not-walked"),
        ):
            phone.evaluate("localStorage.clear()")
            phone.evaluate(keep, [kept_by, of])
            phone.goto(f"{device.url}/steps/accept")
            expect(phone.locator(line)).to_contain_text("kerb")


def test_an_acceptance_wants_a_name_and_says_so(device: PageProcess, chromium: Browser) -> None:
    with phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, device)
        phone.goto(f"{device.url}/steps/accept")
        expect(phone.locator("#stage")).not_to_be_empty()
        for name in ("", "  "):
            phone.locator("#name").fill(name)
            phone.locator("#accept button").click()
            expect(phone.locator("#says")).to_have_text("请输入姓名，它会写在验收单上。")
        phone.locator("#name").fill("王伟")
        phone.locator("#person").fill("七班")
        phone.locator("#accept button").click()
        expect(phone.locator("#says")).to_have_text("只用字母、数字、- 和 _。")


def test_a_certificate_that_is_none_is_refused_by_its_name(
    device: PageProcess, chromium: Browser
) -> None:
    with phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, device)
        phone.goto(f"{device.url}/steps/check")
        for content in (b"\x30\x82\x01", b"x" * 600_000):
            phone.locator("#certificate").set_input_files(
                {"name": "device.cer", "mimeType": "application/x-x509", "buffer": content}
            )
            phone.locator("#install").click()
            expect(phone.locator("#certificate-says")).to_contain_text(
                "device.cer 不是 PEM 格式的证书"
            )
            phone.locator("#certificate").set_input_files([])


def test_the_agent_may_restart_underneath(
    device: PageProcess, corner: WatchedCorner, chromium: Browser
) -> None:
    """The page says so, keeps the phone signed in, and goes on when the agent is back."""
    with phone_of(chromium) as phone:
        signed_in(phone, device)
        expect(phone.locator("#focus output")).not_to_have_text("–")
        corner.stop()
        expect(phone.locator("#says")).to_contain_text("The agent does not answer.")
        corner.start()
        expect(phone.locator("#says")).to_have_text("")
        expect(phone.locator("#seen rect").first).to_be_attached()


def test_after_the_acceptance_a_right_code_is_refused_with_words(
    tmp_path: Path, chromium: Browser
) -> None:
    Visit(tmp_path / "page" / "visit.json", 0.0).end("accepted")
    page = run_page(tmp_path)
    try:
        with phone_of(chromium) as phone:
            sign_in(phone, page)
            expect(phone.locator("#said")).to_contain_text("The device has been accepted")
    finally:
        page.end()


@pytest.mark.parametrize("size", [(390, 844), (360, 640)])
def test_every_control_is_large_enough_for_a_thumb_and_nothing_is_wider_than_the_phone(
    device: PageProcess, chromium: Browser, size: tuple[int, int]
) -> None:
    with phone_of(chromium, viewport={"width": size[0], "height": size[1]}) as phone:
        signed_in(phone, device)
        for step in ("mount", "walk", "check", "accept"):
            phone.goto(f"{device.url}/steps/{step}")
            small = phone.evaluate(
                "least => [...document.querySelectorAll('button, a, select, input')]"
                ".filter(each => each.offsetParent && each.type !== 'checkbox')"
                ".filter(each => each.getBoundingClientRect().height < least)"
                ".map(each => each.outerHTML)",
                HEIGHT_OF_A_FINGER_PX,
            )
            assert small == [], step
            wide = phone.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, step


def test_no_view_asks_anything_of_another_host(device: PageProcess, chromium: Browser) -> None:
    with phone_of(chromium) as phone:
        asked: set[str] = set()
        phone.on("request", lambda request: asked.add(request.url))
        phone.on(
            "console", lambda message: asked.add(message.text) if "Policy" in message.text else None
        )
        signed_in(phone, device)
        for step in ("walk", "zones", "check", "accept"):
            phone.goto(f"{device.url}/steps/{step}", wait_until="load")
        foreign = {
            each for each in asked if not each.startswith((device.url + "/", f"blob:{device.url}/"))
        }
        assert foreign == set()


def test_the_commissioning_picture_waits_until_nobody_is_in_it_and_the_page_can_be_switched_off(
    device: PageProcess, corner: WatchedCorner, chromium: Browser
) -> None:
    """The bike that stands there all day is neither a person nor a vehicle that drives off."""
    with RootHere(corner.folder) as root, phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, device)
        phone.goto(f"{device.url}/steps/accept")
        phone.locator("#commission").click()
        expect(phone.locator("#cameras li")).to_contain_text("street: ")
        expect(phone.locator("#cameras li")).not_to_contain_text("正在拍摄", timeout=120_000)
        shot(phone, "accept")
        phone.locator("#off").click()
        expect(phone.locator("main")).to_contain_text("按一下按钮可再次开启")
        wait_until(lambda: root.asked == ["page_off"])
    assert device.ask("/api/state").status == 401


def test_the_device_is_accepted_by_the_phone_and_the_rights_end(
    device: PageProcess, corner: WatchedCorner, chromium: Browser
) -> None:
    """What comes of it the agent says; a refused one leaves the rights, an accepted one ends them."""
    with RootHere(corner.folder) as root, phone_of(chromium, language="zh-CN") as phone:
        signed_in(phone, device)
        phone.goto(f"{device.url}/steps/walk")
        expect(phone.locator("#list li").first).to_contain_text("在 kerb 中")
        phone.goto(f"{device.url}/steps/accept")
        expect(phone.locator("#stage")).to_have_text("还没有验收。")
        expect(phone.locator("#not-walked")).to_have_text("尚未走过：kerb")
        expect(phone.locator("#tested")).to_contain_text("还没有发送测试问题")
        phone.locator("#name").fill("王伟")
        phone.locator("#accept button").click()
        expect(phone.locator("#form")).to_be_visible(timeout=240_000)
        shot(phone, "accepted")
        assert root.asked == ["check", "acceptance_form"]
        expect(phone.locator("#says")).not_to_contain_text("_")  # names, no codes
        told = device_asks(phone, "/api/acceptance")
        assert told["state"] in {"refused", "provisional"}
        ended = told["state"] == "provisional"
        assert (device_asks(phone, "/api/state")["visit_over"] == "accepted") == ended
        pdf = (corner.folder / "root" / "acceptance.pdf").read_bytes()
        assert pdf.startswith(b"%PDF")
    assert not any(
        "王伟".encode() in path.read_bytes() for path in (corner.folder / "state").rglob("*.jsonl")
    ), "the name is on the form alone"


def test_an_acceptance_whose_form_fails_is_recorded_and_the_form_is_made_again(
    device: PageProcess, corner: WatchedCorner
) -> None:
    """As with a name that the font cannot print; an older form is not offered for this one."""
    device.sign_in()
    with RootHere(corner.folder, prints=False):
        assert device.ask("/api/check", "POST").status == 200
        told = device.ask("/api/acceptance", "POST", {"name": "王伟"}).json()
    assert told["number"] >= 1
    assert not told["form"]
    assert "Nothing was printed" in told["no_form"]["en"]
    Visit(corner.folder / "page" / "visit.json", 0.0).end("accepted")
    device.end()
    again = run_page(corner.folder)
    again.cookies, again.csrf = device.cookies, device.csrf
    try:
        with RootHere(corner.folder):
            printed = again.ask("/api/acceptance-form", "POST", {"name": "王伟"}).json()
    finally:
        again.end()
        (corner.folder / "page" / "visit.json").unlink()
    assert (printed["form"], printed["no_form"]) == (True, None)
    assert printed["number"] == told["number"], "nothing is recorded anew"


def device_asks(phone: Page, path: str) -> Any:
    """What the page's scripts are told."""
    return phone.evaluate("async path => (await fetch(path)).json()", path)


def test_a_device_without_a_light_says_so_when_it_is_to_show_itself(
    device: PageProcess, chromium: Browser
) -> None:
    with phone_of(chromium) as phone:
        signed_in(phone, device)
        phone.locator("#identify").click()
        expect(phone.locator("#banner")).to_be_visible()
        assert len(phone.locator("#banner").inner_text()) > 10
