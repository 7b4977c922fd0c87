"""Accounts, for administrators: make one, change its role, give it a link, sign it out, close it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from kerbwatch_platform.web import accounts, sessions
from kerbwatch_platform.web.frame import Desk, Nav, RefusedError, Role, page
from kerbwatch_platform.web.roles import ROLE_NAMES, ROLE_WORDS
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection
    from starlette.requests import Request
    from starlette.responses import Response

NO_ROLE = text("There is no such role.")


@page(role=Role.ADMINISTRATOR)
def listed(desk: Desk, request: Request) -> Response:
    """All accounts."""
    return _shown(desk, request, status=200, wrong="")


@page(role=Role.ADMINISTRATOR)
def make(desk: Desk, request: Request) -> Response:
    """Make an account, and show its one-time link."""
    given = desk.form(request)
    name, person = given.get("name", "").strip().lower(), given.get("person", "").strip()
    role, by = _role(given.get("role", "")), desk.account(request).name
    desk.note(request, detail=f"{name[:40]}: {role.word}")
    try:
        with desk.connection() as connection:
            token = accounts.make(connection, name, person, role, by)
    except accounts.AccountError as error:
        return _shown(desk, request, status=400, wrong=desk.say(request, str(error)))
    return _link_shown(desk, request, name, token)


@page(role=Role.ADMINISTRATOR)
def link(desk: Desk, request: Request) -> Response:
    """Show a new one-time link of an account; its old password holds until it is used."""
    name, by = request.path_params["name"], desk.account(request).name
    try:
        with desk.connection() as connection:
            token = accounts.new_link(connection, name, by)
    except accounts.AccountError as error:
        return _shown(desk, request, status=400, wrong=desk.say(request, str(error)))
    return _link_shown(desk, request, name, token)


@page(role=Role.ADMINISTRATOR)
def change_role(desk: Desk, request: Request) -> Response:
    """Change what an account may do; that signs it out."""
    role = _role(desk.form(request).get("role", ""))
    desk.note(request, detail=role.word)
    return _done(desk, request, lambda c, name: accounts.change_role(c, name, role))


@page(role=Role.ADMINISTRATOR)
def sign_out(desk: Desk, request: Request) -> Response:
    """Sign an account out everywhere."""

    def end(connection: Connection, name: str) -> None:
        sessions.end_all(connection, name)

    return _done(desk, request, end)


@page(role=Role.ADMINISTRATOR)
def close(desk: Desk, request: Request) -> Response:
    """Close an account for good."""
    return _done(desk, request, accounts.close)


def _done(desk: Desk, request: Request, does: Callable[[Connection, str], None]) -> Response:
    try:
        with desk.connection() as connection:
            does(connection, request.path_params["name"])
    except accounts.AccountError as error:
        return _shown(desk, request, status=409, wrong=desk.say(request, str(error)))
    return desk.go("/accounts")


def _role(word: str) -> Role:
    if word not in ROLE_NAMES:
        raise RefusedError(400, NO_ROLE)
    return Role[word.upper()]


def _shown(desk: Desk, request: Request, *, status: int, wrong: str) -> Response:
    with desk.connection() as connection:
        rows = accounts.listed(connection)
    given = desk.form(request)
    return desk.show(
        request,
        "accounts.html",
        status=status,
        wrong=wrong,
        accounts=rows,
        role_names=ROLE_NAMES,
        role_words=ROLE_WORDS,
        given={name: given.get(name, "") for name in ("name", "person", "role")},
    )


def _link_shown(desk: Desk, request: Request, name: str, token: str) -> Response:
    url = desk.addresses.url(f"/first/{token}")
    return desk.show(request, "link.html", name=name, url=url, hours=accounts.LINK_HOURS)


NAV = Nav(text("Accounts"), "/accounts", 80, Role.ADMINISTRATOR, key="a")
ROUTES = [
    Route("/accounts", listed),
    Route("/accounts", make, methods=["POST"]),
    Route("/accounts/{name}/link", link, methods=["POST"]),
    Route("/accounts/{name}/role", change_role, methods=["POST"]),
    Route("/accounts/{name}/sign-out", sign_out, methods=["POST"]),
    Route("/accounts/{name}/close", close, methods=["POST"]),
]
