"""No way into the desk without a role, and none around a form's token: a table over all routes that there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kerbwatch_platform.web.app import nav, routes
from kerbwatch_platform.web.pages import PAGES
from kerbwatch_platform.web.roles import Role

from tests.support.desk import RunningDesk
from tests.support.desk_routes import Asked, every_route
from tests.support.desk_visitor import Visitor, words_of

pytestmark = pytest.mark.slow

ALL = every_route()
CHANGING = [each for each in ALL if each.method != "GET"]
FOR_ANYONE = {
    "GET /sign-in",
    "POST /sign-in",
    "POST /sign-out",
    "POST /language",
    "GET /first/no-such-link",
    "POST /first/no-such-link",
}
HEADERS = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
PEOPLE = [Role.VIEWER, Role.REVIEWER, Role.ADMINISTRATOR]


@pytest.fixture(scope="module")
def people(desk: RunningDesk) -> Iterator[dict[Role, Visitor]]:
    """Somebody of each role, signed in, and somebody who is not."""
    found = {role: Visitor(desk.url).be(role) for role in PEOPLE}
    found[Role.ANYONE] = Visitor(desk.url)
    found[Role.ANYONE].get("/sign-in")
    yield found
    for each in found.values():
        each.client.close()


def asked(visitor: Visitor, route: Asked, **changed: Any) -> tuple[int, str]:
    """Ask for it; status and where the answer leads."""
    if route.method == "GET":
        answer = visitor.client.get(route.path)
    elif route.method == "POST":
        answer = visitor.post(route.path, **changed)
    else:
        answer = visitor.client.request(route.method, route.path)
    return answer.status_code, answer.headers.get("location", "")


def test_only_what_is_named_here_is_open_to_anyone() -> None:
    open_to_all = {str(each) for each in ALL if each.role == Role.ANYONE}
    assert open_to_all == FOR_ANYONE


def test_every_route_went_through_the_frame() -> None:
    assert [route.path for route in routes() if route.endpoint not in PAGES] == []


def test_every_place_of_the_navigation_is_a_route_of_its_role() -> None:
    reached = {each.path: each.role for each in ALL if each.method == "GET"}
    assert {each.path: reached[each.path] for each in nav()} == {e.path: e.role for e in nav()}


@pytest.mark.parametrize("route", [each for each in ALL if each.role > Role.ANYONE], ids=str)
def test_a_route_is_closed_to_whoever_is_not_signed_in(
    people: dict[Role, Visitor], route: Asked
) -> None:
    status, location = asked(people[Role.ANYONE], route)
    if route.method == "GET":
        assert status == 303
        assert location.startswith("/sign-in?next=")
    else:
        assert status == 401


@pytest.mark.parametrize("route", [each for each in ALL if each.role > Role.VIEWER], ids=str)
def test_a_route_is_closed_to_every_smaller_role(people: dict[Role, Visitor], route: Asked) -> None:
    for role in PEOPLE:
        if role < route.role:
            assert asked(people[role], route)[0] == 403


@pytest.mark.parametrize("route", [each for each in ALL if each.method == "GET"], ids=str)
def test_a_route_is_open_to_its_role_and_those_above(
    people: dict[Role, Visitor], route: Asked
) -> None:
    for role in PEOPLE:
        if role >= route.role:
            assert asked(people[role], route)[0] in {200, 303, 400, 404, 409, 410}


@pytest.mark.parametrize("route", CHANGING, ids=str)
def test_a_form_without_this_session_s_token_changes_nothing(
    desk: RunningDesk, people: dict[Role, Visitor], route: Asked
) -> None:
    name = desk.person(Role.ADMINISTRATOR, f"forged-{CHANGING.index(route)}")
    with Visitor(desk.url) as me:
        me.sign_in(name)
        for token in (None, "", "guessed", *(each.token for each in people.values())):
            assert asked(me, route, token=token)[0] == 403
        for origin in (
            None,
            "null",
            "https://evil.example",
            "http://127.0.0.1:1",
            f"{desk.url}.example",
        ):
            assert asked(me, route, origin=origin)[0] == 403
        assert me.get("/about").status_code == 200


@pytest.mark.parametrize("route", ALL, ids=str)
def test_every_answer_keeps_the_browser_to_the_desk(
    people: dict[Role, Visitor], route: Asked
) -> None:
    for visitor in people.values():
        answer = visitor.client.request(route.method, route.path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/no-such-page", "/static/no-such.css", "/accounts/", "/static/../app.py"]
)
def test_so_does_an_answer_about_what_is_not_there(people: dict[Role, Visitor], path: str) -> None:
    answer = people[Role.ADMINISTRATOR].client.get(path)
    assert answer.status_code == 404
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "There is no such page." in words_of(answer)


def test_styles_are_asked_for_again_each_time(visitor: Visitor) -> None:
    answer = visitor.client.get("/static/desk.css")
    assert answer.headers["cache-control"] == "no-cache"
    unchanged = {"if-none-match": answer.headers["etag"]}
    assert visitor.client.get("/static/desk.css", headers=unchanged).status_code == 304
