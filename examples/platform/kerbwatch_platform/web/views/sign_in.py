"""Sign in and out, and choose the language."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from kerbwatch_platform.web import accounts, limiting, sessions
from kerbwatch_platform.web.desk import peer_of, visit_of
from kerbwatch_platform.web.frame import Desk, RefusedError, Role, page
from kerbwatch_platform.words import LANGUAGES, text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

WRONG = text("The name or the password is wrong.")
BUSY = text("Too many people are signing in at this moment. Try again in a few seconds.")
_AT_ONCE, _WAITING = 2, 20
"""An Argon2 hash takes 64 MiB and a good part of a second of a core."""


@page(role=Role.ANYONE)
def form(desk: Desk, request: Request) -> Response:
    """The form."""
    if visit_of(request).account:
        return desk.go("/")
    next_path = local_path(request.query_params.get("next", ""))
    return desk.show(request, "sign_in.html", next=next_path, name="", wrong="")


@page(role=Role.ANYONE)
async def sign_in(desk: Desk, request: Request) -> Response:
    """Check name and password; whoever is unknown waits as long as whoever mistypes."""
    given = desk.form(request)
    name, password = given.get("name", "").strip().lower()[:100], given.get("password", "")[:1000]
    known = await run_in_threadpool(_known, desk, request, name)
    await run_in_threadpool(_count, desk, request, name, known=known)
    kept = await run_in_threadpool(_kept, desk, name)
    async with _turn(known=known):
        right = await run_in_threadpool(desk.passwords.check, kept, password)
    return await run_in_threadpool(_answered, desk, request, name, password, right=right)


@page(role=Role.ANYONE)
def sign_out(desk: Desk, request: Request) -> Response:
    """End this browser's session."""
    visit = visit_of(request)
    if visit.key:
        with desk.connection() as connection:
            sessions.end(connection, visit.key)
        desk.log(request, "signed_out", 303)
    desk.set_cookie(request, "session", None, None)
    return desk.go("/sign-in")


@page(role=Role.ANYONE)
def language(desk: Desk, request: Request) -> Response:
    """Choose the language, for this browser and for the account."""
    given = desk.form(request)
    chosen, account = given.get("language", ""), visit_of(request).account
    if chosen not in LANGUAGES:
        raise RefusedError(400, text("The desk speaks zh_CN and en."))
    desk.set_cookie(request, "language", chosen, 400)
    if account:
        with desk.connection() as connection:
            accounts.change_language(connection, account.name, chosen)
    return desk.go(local_path(given.get("back", "")))


def local_path(path: str) -> str:
    """The path, if it is one of this desk; otherwise the first page."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if plain and path.isprintable() and "\\" not in path else "/"


def _known(desk: Desk, request: Request, name: str) -> bool:
    with desk.connection() as connection:
        return sessions.is_known(connection, visit_of(request).browser, name)


def _kept(desk: Desk, name: str) -> str | None:
    with desk.connection() as connection:
        return accounts.password_of(connection, name)


def _count(desk: Desk, request: Request, name: str, *, known: bool) -> None:
    """Count a try before it is looked at.

    Raises:
        TooOftenError: There were too many.
    """
    peer, browser = peer_of(request), visit_of(request).browser or ""
    try:
        if known:
            desk.limits.count(limiting.SIGN_IN_KNOWN, name, browser)
            return
        desk.limits.count(limiting.SIGN_IN_ADDRESS, peer)
        desk.limits.count(limiting.SIGN_IN_HERE, name, peer)
        desk.limits.count(limiting.SIGN_IN_NAME, name)
    except limiting.TooOftenError:
        if desk.limits.first(limiting.TOLD, name, peer):
            desk.log(request, "sign_in_failed", 429, account=name[:40], detail="too often")
        raise


def _answered(desk: Desk, request: Request, name: str, password: str, *, right: bool) -> Response:
    next_path = local_path(desk.form(request).get("next", ""))
    if not right:
        desk.log(request, "sign_in_failed", 403, account=name[:40])
        wrong = desk.say(request, WRONG)
        return desk.show(
            request, "sign_in.html", status=403, next=next_path, name=name, wrong=wrong
        )
    desk.limits.forget(limiting.SIGN_IN_HERE, name, peer_of(request))
    desk.limits.forget(limiting.SIGN_IN_KNOWN, name, visit_of(request).browser or "")
    with desk.connection() as connection:
        kept = accounts.password_of(connection, name)
        if kept and desk.passwords.outdated(kept):
            accounts.change_password(connection, name, desk.passwords.hash(password))
    desk.begin_session(request, name)
    desk.log(request, "signed_in", 303, account=name)
    return desk.go(next_path)


class _Turns:
    """Lets a few hash at once, and refuses whoever would wait for long."""

    def __init__(self) -> None:
        self._turns, self._waiting = asyncio.Semaphore(_AT_ONCE), 0

    async def __aenter__(self) -> None:
        if self._waiting >= _WAITING:
            raise RefusedError(503, BUSY)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._turns.release()


_turns = {True: _Turns(), False: _Turns()}


def _turn(*, known: bool) -> _Turns:
    """Strangers' attempts do not stand in the way of browsers that are known."""
    return _turns[known]


ROUTES = [
    Route("/sign-in", form),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/language", language, methods=["POST"]),
]
