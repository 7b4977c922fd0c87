"""What the page's scripts ask: JSON and pictures, mostly the agent's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from provisioning.page.page import Call, Page


def state(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """How the unit is, and what may be done here."""
    return JSONResponse(
        {"rights": "installer", "visit_over": page.visit.over(page.now_s()) or None}
    )


def draft(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """The draft."""
    return JSONResponse(page.draft.read())


def keep_draft(page: Page, call: Call) -> Response:
    """Keep a draft."""
    body = call.body
    kept = page.draft.write(body.zones, body.based_on, seen=body.seen, force=body.force)
    return JSONResponse(kept)
