"""The figures at the desk: a page each, its plot and its file, in both languages."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from kerbwatch_platform import figures
from kerbwatch_platform.web.roles import Role

from tests.support.desk import RunningDesk
from tests.support.desk_database import take_events, take_in
from tests.support.desk_visitor import Visitor
from tests.support.drawn_quarter import drawn

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow
PERIOD = "period=2026Q4"


@pytest.fixture(scope="module")
def viewer(desk: RunningDesk) -> Iterator[Visitor]:
    """Somebody who may look, at a desk with some days of drawn streets."""
    with desk.connect() as connection:
        take_in(connection, drawn(5, date(2026, 10, 26), 6, devices=1, cases_a_day=4))
    with Visitor(desk.url) as visitor:
        yield visitor.be(Role.VIEWER)


def test_the_figures_begin_with_the_first(viewer: Visitor) -> None:
    answer = viewer.client.get("/figures?period=2026-10", follow_redirects=False)
    assert answer.headers["location"] == "/figures/operators?period=2026-10"


@pytest.mark.parametrize("name", figures.QUESTIONS)
def test_each_has_a_page_a_plot_and_a_file(viewer: Visitor, name: str) -> None:
    page = viewer.get(f"/figures/{name}?{PERIOD}")
    assert page.status_code == 200
    assert f'src="/figures/{name}.svg?{PERIOD}' in page.text
    plot = viewer.client.get(f"/figures/{name}.svg?{PERIOD}")
    assert plot.headers["content-type"] == "image/svg+xml"
    assert plot.content.startswith(b"<?xml")
    file = viewer.client.get(f"/figures/{name}.csv?{PERIOD}")
    assert file.headers["content-disposition"] == f'attachment; filename="{name}-2026Q4.csv"'
    assert file.content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(file.text)))
    assert page.text.count("<tr>") == len(lines) > 1


def test_plot_and_file_are_those_of_the_page_though_more_has_come_since(
    desk: RunningDesk, viewer: Visitor
) -> None:
    page = viewer.get("/figures/daily?period=2026-09")
    [link] = re.findall(r'href="(/figures/daily\.csv\?[^"]*as_of=[0-9]+)"', page.text)
    at = "2026-09-03T10:00:00+08:00"
    body = {"case_id": "since", "kind": "street_vending", "state": "open", "opened_at": at}
    body |= {"place": {"place_id": "place", "zone_id": "zone"}, "last_present_at": at}  # type: ignore[dict-item]
    event = {"event_id": "since", "type": "case.opened", "test": False, "occurred_at": at}
    with desk.connect() as connection:
        take_events(connection, [("example-city", "corner", event | {"body": body})])
    assert "2026-09-03" not in viewer.client.get(link.replace("&amp;", "&")).text
    assert "2026-09-03" in viewer.client.get("/figures/daily.csv?period=2026-09").text
    assert "2026-09-03" in viewer.get("/figures/daily?period=2026-09").text


def test_a_moment_of_long_ago_or_of_nowhere_is_none(viewer: Visitor) -> None:
    for told in ("0", "99999999999999", "-1", "x", "9" * 40):
        file = viewer.client.get(f"/figures/daily.csv?{PERIOD}&as_of={told}")
        assert file.status_code == 200
        assert len(file.text.splitlines()) > 1


def test_what_a_viewer_takes_away_is_in_the_log(desk: RunningDesk, viewer: Visitor) -> None:
    viewer.client.get("/figures/night.csv?period=2026-10")
    [told] = desk.sql("SELECT what FROM access_log WHERE detail = 'night 2026-10'")
    assert told == ("exported",)


@pytest.mark.parametrize(
    "query", ["period=2026Q5", "period='", "period=2026-02-31", "days=999", "days=0"]
)
def test_what_is_no_period_is_said_to_be_none(viewer: Visitor, query: str) -> None:
    answer = viewer.get(f"/figures/daily?{query}")
    assert answer.status_code == 400
    assert "is no period" in answer.text


def test_there_is_no_other_figure(viewer: Visitor) -> None:
    for path in ("/figures/nothing", "/figures/nothing.csv", "/figures/nothing.svg"):
        assert viewer.get(path).status_code == 404


def test_a_period_of_which_nothing_is_known_is_said_to_be_one(viewer: Visitor) -> None:
    assert "Nothing of this period is known" in viewer.get("/figures/daily?period=2025Q1").text


def test_while_no_hours_of_seeing_came_the_page_says_what_brings_them(
    desk: RunningDesk, viewer: Visitor
) -> None:
    at = "2026-08-03T10:00:00+08:00"
    body: dict[str, Any] = {
        "case_id": "early",
        "kind": "misparked_bike",
        "state": "open",
        "opened_at": at,
    }
    body |= {"place": {"place_id": "place", "zone_id": "zone"}, "last_present_at": at}
    event = {"event_id": "early", "type": "case.opened", "test": False, "occurred_at": at}
    stay = {"member_id": "bike", "operator": None, "since": "2026-08-03T09:00:00+08:00"}
    with desk.connect() as connection:
        take_events(
            connection, [("example-city", "corner", event | {"body": body | {"members": [stay]}})]
        )
    page = viewer.get("/figures/operators?period=2026-08")
    assert "device.summary" in page.text
    assert "device.summary" not in viewer.get(f"/figures/operators?{PERIOD}").text


@pytest.mark.parametrize("phone", [False, True])
def test_a_page_shows_its_plot_on_desktop_and_phone(
    desk: RunningDesk, viewer: Visitor, chromium: Browser, phone: bool
) -> None:
    complaints: list[str] = []
    with desk.browser(chromium, Role.VIEWER, phone=phone) as page:
        page.on("console", lambda told: complaints.append(told.text))
        page.goto(f"{desk.url}/figures/vending?{PERIOD}")
        heading = page.get_by_role("heading", level=1).inner_text()
        assert heading == "占道经营（地点与时段） · 2026Q4"
        page.wait_for_function("document.querySelector('img.plot').complete")
        assert page.evaluate("document.querySelector('img.plot').naturalWidth") > 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.get_by_role("table").get_by_role("row").count() > 1
    assert complaints == []
