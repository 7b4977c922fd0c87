"""Accounts begin with a one-time link, and there is always somebody who can make them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kerbwatch_platform.web import accounts
from kerbwatch_platform.web.passwords import fault_of
from kerbwatch_platform.web.roles import Role

from tests.support.desk import RunningDesk, hashed_password, new_desk
from tests.support.desk_visitor import Visitor, words_of
from tests.support.postgres import Postgres

GOOD = "four cranes by the lake"
OVER = "This link was used already, is too old, or is none of this desk."


@pytest.fixture
def fresh(desk_server: Postgres, tmp_path: Path) -> Iterator[RunningDesk]:
    """A desk at which nobody can sign in yet."""
    desk = new_desk(desk_server, tmp_path)
    desk.sql("DELETE FROM account_link")
    desk.sql("DELETE FROM account")
    desk.start()
    yield desk
    assert desk.end() == 0


def link_shown(text: str) -> str:
    """The path of the one-time link on a page or a line."""
    found = re.search(r"http://127\.0\.0\.1:\d+(/first/[\w-]{43})(?![\w-])", text)
    assert found, text
    return found[1]


def form(**changed: str) -> dict[str, str]:
    return {"name": "zhang.san", "person": "张三", "password": GOOD, "again": GOOD} | changed


@pytest.mark.slow
def test_the_first_start_gives_one_link_that_makes_one_administrator(fresh: RunningDesk) -> None:
    link = link_shown(fresh.command("account", "first-link"))
    with Visitor(fresh.url) as first, Visitor(fresh.url) as second:
        assert first.get(link).status_code == 200
        assert second.get(link).status_code == 200  # to look at it does not use it
        assert first.post(link, form()).status_code == 303
        assert first.get("/accounts").status_code == 200
        answer = second.post(link, form(name="li.si"))
        assert answer.status_code == 410
        assert OVER in words_of(answer)
    assert fresh.command("account", "first-link") == ""
    assert fresh.sql("SELECT name, role FROM account") == [("zhang.san", "administrator")]


@pytest.mark.slow
def test_a_later_start_ends_the_first_link_of_the_one_before(fresh: RunningDesk) -> None:
    old, new = (link_shown(fresh.command("account", "first-link")) for _ in range(2))
    with Visitor(fresh.url) as visitor:
        assert visitor.get(old).status_code == 410
        assert visitor.get(new).status_code == 200


@pytest.mark.slow
def test_the_first_link_ends_by_itself(fresh: RunningDesk) -> None:
    link = link_shown(fresh.command("account", "first-link"))
    fresh.sql("UPDATE account_link SET not_after = now()")
    with Visitor(fresh.url) as visitor:
        assert visitor.get(link).status_code == 410


@pytest.mark.slow
def test_of_two_who_use_a_link_at_once_one_has_it(desk: RunningDesk) -> None:
    with desk.connect() as connection:
        token = accounts.make(connection, "raced-for", "两人", Role.VIEWER, "administrator")
    barrier, won = threading.Barrier(4), []

    def use() -> None:
        with desk.connect() as connection:
            barrier.wait()
            won.append(accounts.use_link(connection, token, hashed_password(), name="", person=""))

    users = [threading.Thread(target=use) for _ in range(4)]
    for each in users:
        each.start()
    for each in users:
        each.join()
    assert sorted(won, key=str) == [None, None, None, "raced-for"]


@pytest.mark.slow
def test_an_administrator_makes_an_account_whose_link_its_person_uses(desk: RunningDesk) -> None:
    with Visitor(desk.url) as chief, Visitor(desk.url) as person:
        chief.be(Role.ADMINISTRATOR).get("/accounts")
        new = {"name": "desk-01", "person": "坐席 01", "role": "reviewer"}
        link = link_shown(chief.post("/accounts", new).text)
        assert "desk-01" in words_of(person.get(link))
        answer = person.post(link, {"password": GOOD, "again": GOOD, "name": "administrator"})
        assert answer.status_code == 303
        assert person.sign_in("desk-01", GOOD).status_code == 303
        assert person.get("/accounts").status_code == 403


@pytest.mark.slow
def test_a_new_link_ends_the_old_one_and_the_old_password_when_it_is_used(
    desk: RunningDesk,
) -> None:
    name = desk.person(Role.VIEWER, "forgot-it")
    with Visitor(desk.url) as chief, Visitor(desk.url) as person:
        chief.be(Role.ADMINISTRATOR).get("/accounts")
        first, second = (link_shown(chief.post(f"/accounts/{name}/link").text) for _ in range(2))
        assert person.get(first).status_code == 410
        assert person.sign_in(name).status_code == 303
        person.get(second)
        assert person.post(second, {"password": GOOD, "again": GOOD}).status_code == 303
        assert person.sign_in(name).status_code == 403


@pytest.mark.slow
def test_the_shell_gives_a_link_where_no_administrator_can(desk: RunningDesk) -> None:
    name = desk.person(Role.ADMINISTRATOR, "alone")
    with Visitor(desk.url) as person:
        assert person.get(link_shown(desk.command("account", "link", name))).status_code == 200


@pytest.mark.slow
def test_the_last_administrator_stays_one(fresh: RunningDesk) -> None:
    link = link_shown(fresh.command("account", "first-link"))
    with Visitor(fresh.url) as chief:
        chief.get(link)
        chief.post(link, form())
        chief.get("/accounts")
        waiting = {"name": "li.si", "person": "李四", "role": "administrator"}
        assert chief.post("/accounts", waiting).status_code == 200  # cannot sign in yet
        for what in ("role", "close"):
            answer = chief.post(f"/accounts/zhang.san/{what}", {"role": "viewer"})
            assert answer.status_code == 409
            assert "This is the last administrator who can sign in." in words_of(answer)
        assert chief.get("/accounts").status_code == 200


@pytest.mark.slow
def test_two_administrators_cannot_each_make_the_other_one_less(desk: RunningDesk) -> None:
    desk.sql("UPDATE account SET role = 'viewer' WHERE role = 'administrator'")
    both = [desk.person(Role.ADMINISTRATOR, name) for name in ("left-hand", "right-hand")]
    barrier, refused = threading.Barrier(2), []

    def lessen(name: str) -> None:
        with desk.connect() as connection:
            barrier.wait()
            try:
                accounts.change_role(connection, name, Role.VIEWER)
            except accounts.AccountError as error:
                refused.append(str(error))

    at_once = [threading.Thread(target=lessen, args=(name,)) for name in both]
    for each in at_once:
        each.start()
    for each in at_once:
        each.join()
    desk.sql("UPDATE account SET role = 'administrator' WHERE name = 'administrator'")
    assert refused == [accounts.LAST_ADMINISTRATOR]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": "a"}, "2 to 32 characters"),
        ({"name": "zhang san"}, "2 to 32 characters"),
        ({"name": "<b>zhang</b>"}, "2 to 32 characters"),
        ({"name": "\u0430dmin"}, "2 to 32 characters"),
        ({"name": "x" * 33}, "2 to 32 characters"),
        ({"name": "administrator"}, "There is an account of that name already."),
        ({"person": " "}, "1 to 60 characters"),
        ({"person": "张" * 61}, "1 to 60 characters"),
    ],
)
def test_names_that_are_none_are_refused_with_the_reason(
    desk: RunningDesk, visitor: Visitor, changed: dict[str, str], told: str
) -> None:
    before = desk.sql("SELECT count(*) FROM account")
    visitor.be(Role.ADMINISTRATOR).get("/accounts")
    given = {"name": "zhang.san", "person": "张三", "role": "viewer"} | changed
    answer = visitor.post("/accounts", given)
    assert answer.status_code == 400
    assert told in words_of(answer)
    assert desk.sql("SELECT count(*) FROM account") == before


@pytest.mark.parametrize(
    "password",
    [
        "short one",
        "x" * 201,
        "aaaaaaaaaaaaaa",
        "ababababababab",
        "1234567890123",
        "qwertyuiopasd",
        "zhang.san.zhang.san",
        "password123456",
        "Kerbwatch2026",
        "admin admin admin",
    ],
)
def test_a_password_that_is_guessed_at_once_is_none(password: str) -> None:
    assert fault_of(password, "zhang.san") is not None


@pytest.mark.parametrize(
    "password", [GOOD, "三只乌鸦站在电线上晒太阳", "hV7#qLp2x!", "x9" + "Zoë trank Tee" * 12]
)
def test_a_sentence_of_one_s_own_is_a_password_in_any_script(password: str) -> None:
    assert fault_of(password, "zhang.san") is None
