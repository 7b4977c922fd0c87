"""Whoever has the cookie is signed in: so it is nobody else's, it ends, and it can be ended."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from kerbwatch_platform.web.roles import Role

from tests.support.desk import PASSWORD, RunningDesk
from tests.support.desk_visitor import Visitor, words_of

pytestmark = pytest.mark.slow

SESSION, BROWSER = "kerbwatch-session", "kerbwatch-browser"


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.client.get("/about").status_code == 200


def test_cookies_are_for_this_desk_s_pages_alone(desk: RunningDesk, visitor: Visitor) -> None:
    answer = visitor.sign_in("reviewer")
    told = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        told.load(line)
    assert {SESSION, BROWSER} <= set(told)
    for each in told.values():
        assert each["httponly"]
        assert each["samesite"] == "strict"
        assert (each["path"], each["domain"]) == ("/", "")
    assert told[SESSION]["max-age"] == ""  # it ends with the browser, too


def test_a_planted_cookie_does_not_become_a_session(desk: RunningDesk, visitor: Visitor) -> None:
    planted = "planted-by-somebody-else"
    visitor.client.cookies.set(SESSION, planted, domain="127.0.0.1", path="/")
    visitor.client.cookies.set(BROWSER, planted, domain="127.0.0.1", path="/")
    visitor.be(Role.REVIEWER)
    assert planted not in {visitor.cookie("session"), visitor.cookie("browser")}
    with Visitor(desk.url) as other:
        other.client.cookies.set(SESSION, planted)
        assert not is_signed_in(other)


def test_each_sign_in_begins_under_a_new_key_and_ends_the_one_before(
    desk: RunningDesk, visitor: Visitor
) -> None:
    visitor.be(Role.REVIEWER)
    before = visitor.cookie("session")
    form = {"name": "viewer", "password": PASSWORD}
    assert visitor.post("/sign-in", form).status_code == 303
    assert visitor.cookie("session") != before
    with Visitor(desk.url) as other:
        other.client.cookies.set(SESSION, before)
        assert not is_signed_in(other)


def test_the_database_holds_no_key_that_could_be_used(desk: RunningDesk, visitor: Visitor) -> None:
    visitor.be(Role.REVIEWER)
    for table in ("desk_session", "known_browser", "account_link", "account"):
        kept = str(desk.sql(f"SELECT t.*, t::text FROM {table} t"))
        for secret in (visitor.cookie("session"), visitor.cookie("browser"), PASSWORD):
            assert secret not in kept


@pytest.mark.parametrize("column", ["seen_at", "began_at"])
@pytest.mark.parametrize(("hours", "left"), [(0.4, True), (12.1, False)])
def test_a_session_ends_when_nobody_clicks_and_at_the_end_of_a_shift(
    desk: RunningDesk, visitor: Visitor, column: str, hours: float, left: bool
) -> None:
    name = desk.person(Role.VIEWER, f"late-{column.replace('_', '-')}-{left}".lower())
    visitor.sign_in(name)
    desk.sql(
        f"UPDATE desk_session SET {column} = now() - make_interval(secs => %s) WHERE account = %s",
        hours * 3600,
        name,
    )
    assert is_signed_in(visitor) == left


def test_whoever_goes_on_clicking_stays_signed_in(desk: RunningDesk, visitor: Visitor) -> None:
    name = desk.person(Role.VIEWER, "clicks")
    visitor.sign_in(name)
    for _ in range(3):
        desk.sql(
            "UPDATE desk_session SET seen_at = seen_at - interval '20 min' WHERE account = %s", name
        )
        assert is_signed_in(visitor)


def test_to_sign_out_ends_the_session_itself(desk: RunningDesk, visitor: Visitor) -> None:
    visitor.be(Role.REVIEWER)
    key = visitor.cookie("session")
    visitor.get("/about")
    assert visitor.post("/sign-out").status_code == 303
    assert SESSION not in visitor.client.cookies
    visitor.client.cookies.set(SESSION, key)
    assert not is_signed_in(visitor)


def test_to_sign_out_everywhere_ends_all_of_one_s_sessions(desk: RunningDesk) -> None:
    with Visitor(desk.url) as here, Visitor(desk.url) as there, Visitor(desk.url) as another:
        here.be(Role.REVIEWER), there.be(Role.REVIEWER), another.be(Role.VIEWER)
        here.get("/account")
        assert here.post("/account/sign-out-everywhere").status_code == 303
        assert [is_signed_in(each) for each in (here, there, another)] == [False, False, True]


@pytest.mark.parametrize("what", ["role", "sign-out", "close", "link"])
def test_what_an_administrator_changes_holds_at_once(
    desk: RunningDesk, visitor: Visitor, what: str
) -> None:
    name = desk.person(Role.REVIEWER, f"changed-by-{what}")
    with Visitor(desk.url) as person:
        person.sign_in(name)
        visitor.be(Role.ADMINISTRATOR).get("/accounts")
        answer = visitor.post(f"/accounts/{name}/{what}", {"role": "viewer"})
        assert answer.status_code == (200 if what == "link" else 303)
        assert is_signed_in(person) == (what == "link")
        again = person.sign_in(name).status_code
        assert again == (403 if what == "close" else 303)


def test_another_password_ends_the_sessions_of_the_old_one(desk: RunningDesk) -> None:
    name = desk.person(Role.VIEWER, "changes-it")
    new = "four cranes by the lake"
    with Visitor(desk.url) as here, Visitor(desk.url) as there:
        here.sign_in(name), there.sign_in(name)
        here.get("/account")
        form = {"present": PASSWORD, "password": new, "again": new}
        assert here.post("/account/password", form).status_code == 303
        assert (is_signed_in(here), is_signed_in(there)) == (True, False)
        assert there.sign_in(name).status_code == 403
        assert there.sign_in(name, new).status_code == 303


def test_the_present_password_is_asked_for(desk: RunningDesk, visitor: Visitor) -> None:
    name = desk.person(Role.VIEWER, "left-the-desk")
    visitor.sign_in(name)
    visitor.get("/account")
    new = "four cranes by the lake"
    form = {"present": "no idea at all", "password": new, "again": new}
    answer = visitor.post("/account/password", form)
    assert answer.status_code == 403
    assert "The present password is wrong." in words_of(answer)
    with Visitor(desk.url) as other:
        assert other.sign_in(name, new).status_code == 403
