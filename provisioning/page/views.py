"""The page's HTML views, and signing in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, RedirectResponse, Response

from provisioning.page.answers import PageError
from provisioning.page.app import LANGUAGE_COOKIE
from provisioning.page.certificate import fingerprint
from provisioning.page.page_words import (
    ACCEPT_WORDS,
    CHECK_WORDS,
    MOUNT_WORDS,
    NOT_FOUND,
    WALK_WORDS,
)
from provisioning.page.rendering import render
from provisioning.page.sessions import COOKIE
from provisioning.page.zone_words import ZONE_WORDS

if TYPE_CHECKING:
    from provisioning.page.page import Call, Page

STEPS: dict[str, tuple[str, dict[str, str]]] = {
    "mount": ("mount.html", MOUNT_WORDS),
    "zones": ("zones.html", ZONE_WORDS),
    "dry-run": ("zones.html", ZONE_WORDS),
    "walk": ("walk.html", WALK_WORDS),
    "check": ("check.html", CHECK_WORDS),
    "accept": ("accept.html", ACCEPT_WORDS),
}
"""Each step with its template and its own texts."""


def home(page: Page, call: Call) -> Response:
    """The sign-in, or the first step."""
    if call.session is not None:
        return RedirectResponse("/steps/mount", status_code=303)
    return render("sign_in.html", call, device="", fingerprint=_fingerprint(page))


def step(page: Page, call: Call) -> Response:
    """One step. The device is named to the scripts: a phone keeps what is of one under an address that all have."""
    name = call.path["step"]
    if name not in STEPS:
        raise PageError(404, "not_found", NOT_FOUND)
    template, words = STEPS[name]
    device = _fingerprint(page).replace(" ", "")[:16]
    return render(template, call, words, step=name, device=device)


def _fingerprint(page: Page) -> str:
    return fingerprint(page.setup.state_dir / "tls")


def sign_in(page: Page, call: Call) -> Response:
    """Try a code."""
    client = call.request.client
    key = page.sign_in.attempt(call.body.code, client.host if client else "", page.now_s())
    answer = JSONResponse({"next": "/steps/mount"})
    answer.set_cookie(COOKIE, key, path="/", secure=True, httponly=True, samesite="strict")
    return answer


def sign_out(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """End the session."""
    page.sessions.end()
    page.audit.append("page.signed_out")
    answer = JSONResponse({"next": "/"})
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return answer


def language(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """Choose the language."""
    answer = JSONResponse({})
    answer.set_cookie(
        LANGUAGE_COOKIE, call.body.language, path="/", secure=True, httponly=True, samesite="strict"
    )
    return answer
