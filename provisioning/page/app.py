"""The page as an ASGI application: routes, who may use them, and what every answer has in common."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from hmac import compare_digest
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from agent.audit import AuditError
from provisioning.page.answers import PageError, refusal
from provisioning.page.guard import BodyError, Guard
from provisioning.page.page import Call
from provisioning.page.page_words import (
    BAD_REQUEST,
    FAILED,
    NOT_FOUND,
    OVER,
    REPLACED,
    SIGNED_OUT,
    STALE,
)
from provisioning.page.sessions import COOKIE
from provisioning.wording import CHINESE, ENGLISH, read_in
from wording.known_errors import reason_of, words_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from provisioning.page.page import Page

LANGUAGE_COOKIE = "__Host-language"
_CHANGING = frozenset({"POST", "PUT"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing that a phone can ask.

    Attributes:
        path: As Starlette writes it.
        does: Answers; in a thread of its own, for it may wait for the agent.
        method: ``GET``, ``POST`` or ``PUT``.
        asks: What the body has to be; None: it is not read.
        signed_in: Whether only somebody who is signed in may ask.
        ends: Whether it only ends something, or prints what is recorded, and so may be asked when the installer's
            rights are over.
    """

    path: str
    does: Callable[[Page, Call], Response]
    method: str = "GET"
    asks: type[BaseModel] | None = None
    signed_in: bool = True
    ends: bool = False


def build(page: Page, endpoints: Iterable[Endpoint]) -> ASGIApp:
    """Put the application together, with the guard around it."""
    routes = [Route(each.path, _answering(page, each), methods=[each.method]) for each in endpoints]
    starlette = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})
    starlette.router.redirect_slashes = False
    return Guard(starlette, page.setup)


def language_of(request: Request) -> str:
    """In which language whoever asks reads: as chosen, or as the phone says, or Chinese."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in {CHINESE, ENGLISH}:
        return chosen
    wanted = request.headers.get("accept-language", "").strip().lower()
    return ENGLISH if wanted.startswith("en") else CHINESE


def _answering(page: Page, endpoint: Endpoint) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        language = language_of(request)
        with read_in(language):
            try:
                call = await _let_in(page, endpoint, request, language)
            except PageError as error:
                return _refused(endpoint, error)
            except OSError as error:
                return _failed(endpoint, error)
            except BodyError as error:
                told = str(error.status)
                return PlainTextResponse(told, error.status, headers={"connection": "close"})
            return await run_in_threadpool(_done, page, endpoint, call)

    return answer


def _done(page: Page, endpoint: Endpoint, call: Call) -> Response:
    try:
        return endpoint.does(page, call)
    except PageError as error:
        return _refused(endpoint, error)
    except OSError as error:
        return _failed(endpoint, error)
    except Exception:  # noqa: BLE001 - the outermost line of one request: it ends here, the page goes on
        _log.exception("%s", endpoint.path)
        return _refused(endpoint, PageError(500, "failed", FAILED))


def _failed(endpoint: Endpoint, error: OSError) -> Response:
    """What the system refuses, with its reason: a full disk is nothing that trying again mends."""
    _log.error("%s: %s", endpoint.path, words_of(error))
    text = said(
        "The page itself failed at this: {reason}. The agent goes on watching.",
        reason=error.reason if isinstance(error, AuditError) else reason_of(error),
    )
    return _refused(endpoint, PageError(500, "failed", text))


async def _let_in(page: Page, endpoint: Endpoint, request: Request, language: str) -> Call:
    """Check who asks, and what with.

    Raises:
        PageError: It is refused.
    """
    key = request.cookies.get(COOKIE)
    now_s = page.now_s()
    session = page.sessions.of(key, now_s)
    over = page.visit.over(now_s)
    if session is not None and over not in {"", "accepted"}:
        page.sessions.end()
        session = None
    if session is None and endpoint.signed_in:
        replaced = page.sessions.was_replaced(key)
        raise PageError(
            401, "replaced" if replaced else "signed_out", REPLACED if replaced else SIGNED_OUT
        )
    if session is not None and endpoint.method in _CHANGING and endpoint.signed_in:
        token = request.headers.get("x-csrf-token", "")
        if not compare_digest(token.encode(), session.csrf.encode()):
            raise PageError(403, "stale", STALE)
        if over and not endpoint.ends:
            raise PageError(403, "visit_over", OVER)
    body = None if endpoint.asks is None else await _checked(endpoint.asks, request)
    return Call(request, body, session, language, dict(request.path_params))


async def _checked(asks: type[BaseModel], request: Request) -> BaseModel:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise PageError(415, "bad_request", BAD_REQUEST)
    try:
        return asks.model_validate_json(await request.body())
    except ValidationError as error:
        faults = [
            (".".join(map(str, each["loc"]))[:100], str(each["type"])[:100])
            for each in error.errors(include_input=False, include_url=False)[:20]
        ]
        raise PageError(400, "bad_request", BAD_REQUEST, faults=faults) from error


def _refused(endpoint: Endpoint, error: PageError) -> Response:
    if endpoint.path.startswith("/api/") or endpoint.method != "GET":
        return refusal(error)
    if error.status == HTTPStatus.UNAUTHORIZED:
        return RedirectResponse("/", status_code=303)
    return PlainTextResponse(str(error.status), error.status)


async def _not_found(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's form
    with read_in(language_of(request)):
        if request.url.path.startswith("/api/"):
            return refusal(PageError(404, "not_found", NOT_FOUND))
        return PlainTextResponse("404", 404)
