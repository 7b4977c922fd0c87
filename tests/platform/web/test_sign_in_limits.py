"""Guessing is slow, tells nothing, and keeps nobody else out."""

from __future__ import annotations

import re
from typing import Literal

import httpx
import pytest
from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY
from kerbwatch_platform.web.passwords import Passwords
from kerbwatch_platform.web.roles import Role

from tests.support.desk import RunningDesk
from tests.support.desk_visitor import Visitor, words_of

pytestmark = pytest.mark.slow

WRONG = "not the password"
TOO_OFTEN = re.compile(r"That was too often\. Wait \d+ s, then go on; nothing was changed\.")
ELSEWHERE = "127.0.0.2"


def plain(answer: httpx.Response, name: str) -> str:
    """The page without what differs from visit to visit."""
    text = re.sub(r'(name="csrf" (?:content|value))="[^"]*"', r"\1", answer.text)
    return text.replace(name, "NAME")


def guess(visitor: Visitor, name: str, times: int) -> list[int]:
    return [visitor.sign_in(name, WRONG).status_code for _ in range(times)]


class Counting(PasswordHasher):
    """A real hasher that counts."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.verified: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
        self.verified.append(str(hash).rsplit("$", 2)[0])
        return super().verify(hash, password)


def test_who_is_unknown_costs_as_much_as_who_mistypes() -> None:
    hasher = Counting()
    passwords = Passwords(hasher)
    kept = passwords.hash("right")
    found = [
        passwords.check(kept, "right"),
        passwords.check(kept, WRONG),
        passwords.check(None, WRONG),
    ]
    assert found == [True, False, False]
    assert len(hasher.verified) == 3
    assert len(set(hasher.verified)) == 1  # the same work, by the same parameters


def test_nobody_s_password_is_nobody_s_way_in() -> None:
    assert not Passwords(Counting()).check(None, "nobody's")


def test_passwords_are_kept_as_argon2id_with_the_parameters_of_rfc_9106() -> None:
    kept = Passwords().hash("right")
    told = RFC_9106_LOW_MEMORY
    costs = f"m={told.memory_cost},t={told.time_cost},p={told.parallelism}"
    assert kept.startswith(f"$argon2id$v=19${costs}$")


def test_an_answer_does_not_say_which_of_the_two_is_wrong(desk: RunningDesk) -> None:
    closed = desk.person(Role.VIEWER, "closed-one")
    desk.sql("UPDATE account SET closed_at = now() WHERE name = %s", closed)
    unused = desk.person(Role.VIEWER, "unused-link")
    desk.sql("UPDATE account SET password_hash = NULL WHERE name = %s", unused)
    known = desk.person(Role.VIEWER, "known-name")
    with Visitor(desk.url) as visitor:
        tried = [
            (name, visitor.sign_in(name, WRONG)) for name in (known, closed, unused, "no-one-known")
        ]
    assert {answer.status_code for _, answer in tried} == {403}
    assert len({plain(answer, name) for name, answer in tried}) == 1
    assert "The name or the password is wrong." in words_of(tried[0][1])


def test_after_five_wrong_ones_one_waits_even_with_the_right_one(
    desk: RunningDesk, visitor: Visitor
) -> None:
    name = desk.person(Role.VIEWER, "guessed-at")
    assert guess(visitor, name, 6) == [403] * 5 + [429]
    answer = visitor.sign_in(name)
    assert answer.status_code == 429
    assert TOO_OFTEN.search(words_of(answer))
    assert 0 < int(answer.headers["retry-after"]) <= 900


def test_a_name_that_is_none_is_limited_alike(desk: RunningDesk, visitor: Visitor) -> None:
    assert guess(visitor, "not-an-account", 6) == [403] * 5 + [429]


def test_whoever_guesses_keeps_neither_other_people_nor_other_places_out(
    desk: RunningDesk, visitor: Visitor
) -> None:
    name, neighbour = desk.person(Role.VIEWER, "target"), desk.person(Role.VIEWER, "neighbour")
    assert guess(visitor, name, 6)[-1] == 429
    with Visitor(desk.url) as same_place, Visitor(desk.url, ELSEWHERE) as other_place:
        assert same_place.sign_in(neighbour).status_code == 303
        assert other_place.sign_in(name).status_code == 303


def test_a_browser_that_is_known_stays_welcome_whatever_strangers_try(desk: RunningDesk) -> None:
    name = desk.person(Role.VIEWER, "besieged")
    with Visitor(desk.url) as owner:
        owner.sign_in(name)
        owner.post("/sign-out")
        tried = []
        for last in range(10, 20):  # ten addresses with five tries each
            with Visitor(desk.url, f"127.0.0.{last}") as stranger:
                tried += guess(stranger, name, 5)
        assert tried == [403] * 49 + [429]  # fifty were the name's, with the owner's first one
        assert owner.sign_in(name).status_code == 303
        owner.post("/sign-out")
        assert guess(owner, name, 11) == [403] * 10 + [429]  # known, not free to guess


def test_a_right_password_begins_the_count_again(desk: RunningDesk, visitor: Visitor) -> None:
    name = desk.person(Role.VIEWER, "clumsy")
    with Visitor(desk.url) as other:
        assert guess(visitor, name, 4) == [403] * 4
        assert other.sign_in(name).status_code == 303
        assert guess(visitor, name, 4) == [403] * 4


def test_the_log_has_each_try_and_one_row_a_minute_of_those_refused(
    desk: RunningDesk, visitor: Visitor
) -> None:
    name = desk.person(Role.VIEWER, "written-down")
    guess(visitor, name, 9)
    rows = desk.sql(
        "SELECT what, status, detail FROM access_log WHERE account = %s ORDER BY number", name
    )
    assert rows == [("sign_in_failed", 403, None)] * 5 + [("sign_in_failed", 429, "too often")]


def test_whoever_changes_very_much_is_asked_to_wait(desk: RunningDesk, visitor: Visitor) -> None:
    name = desk.person(Role.ADMINISTRATOR, "in-a-hurry")
    visitor.sign_in(name)
    visitor.get("/accounts")
    statuses = [visitor.post("/accounts/no-such-one/sign-out").status_code for _ in range(125)]
    assert statuses.count(429) >= 5
    assert statuses[:100] == [303] * 100
    with Visitor(desk.url) as other:
        other.be(Role.ADMINISTRATOR).get("/accounts")
        assert other.post("/accounts/no-such-one/sign-out").status_code == 303


def test_a_password_as_typed_by_another_keyboard_is_the_same_one() -> None:
    passwords = Passwords(Counting())
    assert passwords.check(passwords.hash("Zoe\u0308 trank Tee"), "Zo\u00eb trank Tee")
