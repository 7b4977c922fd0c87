"""Where people come through a proxy with TLS: another name, stricter cookies, and who really asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.desk import PASSWORD, RunningDesk, new_desk
from tests.support.desk_visitor import TOKEN, Visitor
from tests.support.postgres import Postgres

pytestmark = pytest.mark.slow

NAME = "desk.city.example"
THROUGH = {"host": NAME, "x-forwarded-for": "10.20.0.7", "x-forwarded-proto": "https"}


@pytest.fixture(scope="module")
def behind(
    desk_server: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningDesk]:
    """A desk that such a proxy stands before."""
    made = new_desk(desk_server, tmp_path_factory.mktemp("behind"))
    with made.settings_file.open("a", encoding="utf-8") as settings:
        settings.write(f'public_url = "https://{NAME}"\n')
    made.start()
    yield made
    made.end()


def sign_in(desk: RunningDesk, origin: str) -> httpx.Response:
    """As a browser does through the proxy: it sends secure cookies, which httpx keeps from plain HTTP."""
    with httpx.Client(base_url=desk.url, headers=THROUGH, timeout=120) as client:
        page = client.get("/sign-in")
        token = TOKEN.search(page.text)
        assert token
        [browser] = page.headers.get_list("set-cookie")
        headers = {"origin": origin, "cookie": browser.partition(";")[0]}
        form = {"csrf": token[1], "name": "viewer", "password": PASSWORD}
        return client.post("/sign-in", data=form, headers=headers)


def test_cookies_are_secure_and_for_this_name_alone(behind: RunningDesk) -> None:
    answer = sign_in(behind, f"https://{NAME}")
    assert answer.status_code == 303
    told = answer.headers.get_list("set-cookie")
    assert {each.partition("=")[0] for each in told} == {"__Host-session", "__Host-browser"}
    for each in told:
        attributes = {part.strip().lower() for part in each.split(";")[1:]}
        assert {"secure", "httponly", "samesite=strict", "path=/"} <= attributes
        assert not any(part.startswith("domain") for part in attributes)
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("origin", [f"http://{NAME}", "https://other.example", "null"])
def test_a_form_comes_from_that_name_by_tls(behind: RunningDesk, origin: str) -> None:
    assert sign_in(behind, origin).status_code == 403


def test_the_log_names_who_really_asked(behind: RunningDesk) -> None:
    sign_in(behind, f"https://{NAME}")
    assert ("10.20.0.7",) in behind.sql("SELECT peer FROM access_log WHERE what = 'signed_in'")


def test_it_does_not_answer_under_the_machine_s_own_name(behind: RunningDesk) -> None:
    assert httpx.get(f"{behind.url}/sign-in").status_code == 421


def test_without_a_proxy_nobody_says_who_he_is(desk: RunningDesk, visitor: Visitor) -> None:
    visitor.client.headers["x-forwarded-for"] = "10.20.0.7"
    visitor.sign_in("viewer")
    peers = desk.sql("SELECT peer FROM access_log WHERE what = 'signed_in'")
    assert ("127.0.0.1",) in peers
    assert ("10.20.0.7",) not in peers


def test_the_one_time_link_leads_through_the_proxy(behind: RunningDesk) -> None:
    link = behind.command("account", "link", "viewer")
    assert link.startswith(f"https://{NAME}/first/")


def test_a_desk_that_others_would_reach_without_tls_does_not_start(
    desk_server: Postgres, tmp_path: Path
) -> None:
    made = new_desk(desk_server, tmp_path)
    with made.settings_file.open("a", encoding="utf-8") as settings:
        settings.write('host = "0.0.0.0"\n')
    status, said = made.tried("web")
    assert status == 3
    assert "passwords would cross the network in the open" in said
