"""Names and messages that were written to do something, on every page that shows them."""

from __future__ import annotations

import pytest
from kerbwatch_platform.web.roles import Role
from kerbwatch_platform.words import harmless
from playwright.sync_api import Browser, expect

from tests.support.desk import RunningDesk
from tests.support.desk_routes import every_route
from tests.support.desk_visitor import Visitor

pytestmark = pytest.mark.slow

HOSTILE = {
    "html": "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">",
    "attribute": "\"><b onmouseover=\"document.title='taken'\">' x='",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}",
    "turned": "evil\u202egpj.exe\u2066\u200b\u3164",
    "control": "\x1b[2Jred\x07\x85",
    "arabic": "ئۇيغۇر ١٢٣",
    "chinese": "占道经营，“值班台”",
    "long": "x" * 400,
}
RAW = (
    "<script>document",
    "<img src=x",
    "<b onmouseover",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u3164",
    "\x1b",
    "\x07",
    "\x85",
)


@pytest.fixture(scope="module")
def hostile(desk: RunningDesk) -> RunningDesk:
    """A desk with such names wherever something foreign is kept."""
    for number, value in enumerate(HOSTILE.values()):
        kept = value[:60]
        desk.person(Role.VIEWER, f"person-{number}", kept)
        desk.sql(
            "INSERT INTO access_log (account, role, what, tenant, device, case_id, picture, method, path, status, peer, "
            "detail) VALUES (%s, 'viewer', %s, %s, %s, %s, %s, %s, %s, 200, %s, %s)",
            *[value] * 10,
        )  # fmt: skip
        desk.sql(
            "INSERT INTO desk_session (key_hash, account, peer, browser) VALUES (%s::bytea, 'administrator', %s, %s)",
            str(number), value, value,
        )  # fmt: skip
        desk.sql(
            "INSERT INTO quarantine (kind, topic, tenant, device, sha256, size_bytes, payload, why) "
            "VALUES (%s, %s, %s, %s, %s, 9, convert_to(%s, 'UTF8'), %s)",
            *[value] * 7,
        )  # fmt: skip
        desk.sql("INSERT INTO over_limit VALUES (%s, %s, now(), 1000, 1000000)", value, value)
    return desk


PAGES = [each.path for each in every_route() if each.method == "GET"]


@pytest.mark.parametrize("path", PAGES)
def test_nothing_foreign_is_html_and_nothing_is_hidden(hostile: RunningDesk, path: str) -> None:
    with Visitor(hostile.url) as visitor:
        answer = visitor.be(Role.ADMINISTRATOR).get(path)
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert [each for each in RAW if each in answer.text] == []


@pytest.mark.parametrize("path", ["/accounts", "/log", "/account"])
def test_what_was_hidden_is_shown_as_what_it_is(hostile: RunningDesk, path: str) -> None:
    with Visitor(hostile.url) as visitor:
        text = visitor.be(Role.ADMINISTRATOR).get(path).text
    for seen in (
        "\\u202egpj.exe",
        "\\x1b[2Jred",
        "&lt;script&gt;",
        "{{ 7 * 7 }}{% raw %}",
        HOSTILE["arabic"],
        HOSTILE["chinese"],
    ):
        assert seen in text


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_a_browser_runs_none_of_it(hostile: RunningDesk, chromium: Browser, language: str) -> None:
    with hostile.browser(chromium, Role.ADMINISTRATOR, language=language) as page:
        said: list[str] = []
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.on("console", lambda line: said.append(line.text))
        for path in PAGES:
            if not path.startswith(("/log.csv", "/figures/", "/evidence", "/handover", "/exports")):
                page.goto(hostile.url + path)
                assert "taken" not in page.title()
                assert page.locator("img[src='x']").count() == 0
        assert [line for line in said if "Content Security Policy" in line] == []


@pytest.mark.parametrize("name", sorted(set(HOSTILE) - {"control"}))  # those: test_guard
def test_what_was_typed_comes_back_as_text(
    hostile: RunningDesk, chromium: Browser, name: str
) -> None:
    with hostile.browser(chromium) as page:
        page.goto(hostile.url + "/sign-in")
        page.locator("#name").evaluate("(field) => field.removeAttribute('maxlength')")
        page.locator("#name").fill(HOSTILE[name])
        page.locator("#password").fill("x")
        page.locator("main button.main").click()
        expect(page.locator(".says.bad")).to_be_visible()
        expect(page.locator("#name")).to_have_value(harmless(HOSTILE[name].lower()[:100]))
        assert "taken" not in page.title()
