"""Around every view: who asks, whether they may, with which token; what the log says; what goes wrong."""

from __future__ import annotations

import inspect
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import psycopg
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from kerbwatch_platform import store
from kerbwatch_platform.web import limiting, sessions
from kerbwatch_platform.web.desk import (
    Desk,
    RefusedError,
    Visit,
    peer_of,
    visit_of,
)
from kerbwatch_platform.web.guard import BodyError
from kerbwatch_platform.web.roles import ROLE_NAMES, Role
from kerbwatch_platform.words import CHINESE, LANGUAGES, Language, text

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.requests import Request

_log = logging.getLogger(__name__)

_FIELDS = 200
SEEN = ("case_id", "sha256")
"""A path with one of these shows a case or a picture: looking at it is logged."""

SIGNED_OUT = text("You are signed out. Sign in again; nothing was changed.")
NOT_YOURS = text(
    "Your account may not do this: it takes the role “{role}”. An administrator gives roles."
)
STALE = text(
    "The form was older than your session, or was not sent by this desk. Open the page again; nothing was changed."
)
BAD_FORM = text("The form could not be read; nothing was changed.")
TOO_OFTEN = text("That was too often. Wait {seconds} s, then go on; nothing was changed.")
NOT_FOUND = text("There is no such page.")
NOT_THIS_WAY = text("The desk does not know this kind of request.")
TOO_LARGE = text("What was sent is larger than the desk takes; nothing was changed.")
TOO_SLOW = text("What was sent did not come whole in time; nothing was changed.")
NO_DATABASE = text("The database does not answer. What you see is not lost; try again in a moment.")
TOO_LONG = text(
    "The database took longer for this than {seconds} s, and was stopped. Ask for less, such as fewer days, or try again "
    "in a moment."
)
HELD = text(
    "Somebody else is changing the same at this moment; nothing was changed. Try again in a moment."
)
FAILED = text(
    "Something went wrong in the desk. Tell whoever runs it this number; the log has the rest under it: {reference}"
)
_BY_STATUS = {404: NOT_FOUND, 405: NOT_THIS_WAY, 408: TOO_SLOW, 413: TOO_LARGE}


@dataclass(frozen=True, slots=True)
class Page:
    """What :func:`page` was told of a view."""

    view: Callable[[Desk, Request], Any]
    role: Role
    renews: bool


PAGES: dict[Callable[..., Any], Page] = {}
"""Every endpoint there is; one that is not in it is none of the desk's."""


def page(
    *, role: Role, renews: bool = True
) -> Callable[[Callable[[Desk, Request], Any]], Callable[[Request], Coroutine[Any, Any, Response]]]:
    """Make a view an endpoint of a route. A view that is no coroutine runs in a thread.

    Args:
        role: Who may at least be signed in for it.
        renews: Whether a visit keeps the session alive; not where a page asks by itself, nobody sitting at it.
    """

    def around(
        view: Callable[[Desk, Request], Any],
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        told = Page(view, role, renews)

        @wraps(view)
        async def endpoint(request: Request) -> Response:
            return await _answer(cast("Desk", request.app.state.desk), told, request)

        del endpoint.__wrapped__  # Starlette would look through it at the view
        PAGES[endpoint] = told
        return endpoint

    return around


async def _answer(desk: Desk, told: Page, request: Request) -> Response:
    visit = visit_of(request)
    visit.language = _language(desk, request)
    try:
        await run_in_threadpool(_recognise, desk, request, visit, told.renews)
        response = await _let_in(desk, told, request, visit)
        if response is None:
            response = await _viewed(desk, told, request)
        await run_in_threadpool(_note, desk, told, request, response)
    except Exception as error:  # noqa: BLE001 - the outermost line of one request: it ends here, the desk goes on
        response = await run_in_threadpool(failed, desk, request, error)
    desk.add_cookies(request, response)
    return response


def failed(desk: Desk, request: Request, error: Exception) -> Response:
    """The page that says what went wrong, and nothing of how the desk is made."""
    status, english, facts, wait_s = _told(error)
    if status == 500:
        facts["reference"] = secrets.token_hex(4)
        _log.error("%s: %s", facts["reference"], request.method, exc_info=error)
    response = desk.show(
        request, "error.html", status=status, says=desk.say(request, english, **facts)
    )
    if wait_s:
        response.headers["retry-after"] = str(wait_s)
    account = visit_of(request).account
    if status in {401, 403} and account is not None:
        try:
            desk.log(request, "refused", status)
        except psycopg.Error:  # nothing was shown
            _log.exception("a refusal could not be written down")
    return response


def _told(error: Exception) -> tuple[int, str, dict[str, object], int]:
    """Status, text, its facts, and how long to wait."""
    if isinstance(error, RefusedError):
        return error.status, error.english, dict(error.facts), 0
    if isinstance(error, limiting.TooOftenError):
        return 429, TOO_OFTEN, {"seconds": error.wait_s}, error.wait_s
    if isinstance(error, BodyError):
        return error.status, _BY_STATUS[error.status], {}, 0
    if isinstance(error, HTTPException):
        return error.status_code, _BY_STATUS.get(error.status_code, BAD_FORM), {}, 0
    if isinstance(error, psycopg.errors.QueryCanceled):
        return 503, TOO_LONG, {"seconds": store.PAGE.statement_s}, 5
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return 503, HELD, {}, 5
    if isinstance(error, psycopg.OperationalError | psycopg.errors.IdleInTransactionSessionTimeout):
        return 503, NO_DATABASE, {}, 5
    return 500, FAILED, {}, 0


def _language(desk: Desk, request: Request) -> Language:
    """As chosen at this browser, or as the browser says, or Chinese."""
    chosen = desk.cookie(request, "language")
    for language in LANGUAGES:
        if language == chosen:
            return language
    wanted = request.headers.get("accept-language", "").strip().lower()
    return "en" if wanted.startswith("en") else CHINESE


def _recognise(desk: Desk, request: Request, visit: Visit, renews: bool) -> None:
    visit.browser = desk.cookie(request, "browser")
    if not visit.browser:
        visit.browser = sessions.new_key()
        desk.set_cookie(request, "browser", visit.browser, sessions.KNOWN_DAYS)
    key = desk.cookie(request, "session")
    if key:
        with desk.connection() as connection:
            visit.account = sessions.account_of(connection, key, visit.language, renews=renews)
    if visit.account:
        visit.key, visit.language = key, visit.account.language


async def _let_in(desk: Desk, told: Page, request: Request, visit: Visit) -> Response | None:
    """Check who asks, and what with; another answer than the view's, or None.

    Raises:
        RefusedError: They may not.
        TooOftenError: Not now.
    """
    account, changes = visit.account, request.method == "POST"
    if account is None:
        desk.limits.count(limiting.VISITED, peer_of(request))
    else:
        desk.limits.count(limiting.DID if changes else limiting.SAW, account.name)
    if account is None and told.role > Role.ANYONE:
        if changes:
            raise RefusedError(401, SIGNED_OUT)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(target, safe='')}", 303)
    if account is not None and account.role < told.role:
        raise RefusedError(403, NOT_YOURS, role=_role_name(desk, request, told.role))
    if changes:
        await _check_form(desk, request, visit)
    return None


def _role_name(desk: Desk, request: Request, role: Role) -> str:
    return desk.say(request, ROLE_NAMES[role.word])


async def _check_form(desk: Desk, request: Request, visit: Visit) -> None:
    """Read what was posted, if a page of this desk posted it.

    Raises:
        RefusedError: It was another one.
    """
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site != "same-origin" or not desk.addresses.is_own_origin(origin, host):
        raise RefusedError(403, STALE)
    try:
        form = await _read(request)
    except (HTTPException, UnicodeError, ValueError, RecursionError) as error:
        raise RefusedError(400, BAD_FORM) from error
    token = form.pop("csrf", "") or request.headers.get("x-csrf-token", "")
    if not compare_digest(token.encode(), visit.csrf.encode()):
        raise RefusedError(403, STALE)
    if any(map(_has_controls, form.values())):
        raise RefusedError(400, BAD_FORM)
    visit.form = form


async def _read(request: Request) -> dict[str, str]:
    """Fields of a form, or of a flat JSON object of texts.

    Raises:
        ValueError: It is neither.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        told = json.loads(await request.body())
        if not isinstance(told, dict) or not all(isinstance(each, str) for each in told.values()):
            raise ValueError
        return told
    async with request.form(max_files=0, max_fields=_FIELDS) as posted:
        return {name: str(value) for name, value in posted.multi_items()}


def _has_controls(value: str) -> bool:
    return any(ord(each) < 0x20 and each not in "\r\n\t" for each in value) or "\x7f" in value


async def _viewed(desk: Desk, told: Page, request: Request) -> Response:
    if inspect.iscoroutinefunction(told.view):
        return cast("Response", await told.view(desk, request))
    return cast("Response", await run_in_threadpool(told.view, desk, request))


def _note(desk: Desk, told: Page, request: Request, response: Response) -> None:
    """Log what somebody is about to be shown, or has done: without the row there is no answer."""
    visit = visit_of(request)
    if visit.account is None or told.role == Role.ANYONE:
        return
    changes = request.method == "POST"
    if changes or visit.note or any(name in request.path_params for name in SEEN):
        note = dict(visit.note)
        what = note.pop("what", "did" if changes else "saw")
        desk.log(request, what, response.status_code, **note)
