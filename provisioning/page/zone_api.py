"""What the zones' page asks: the zones in force, what a draft would mean and would have given, applying it on trial.

The agent validates and decides; this only translates between its channel and the page's JSON.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.responses import JSONResponse, Response

from agent.control.messages.base import Words
from agent.control.messages.configuration import (
    AskApply,
    AskCheck,
    AskConfiguration,
    AskConfirm,
    AskRevert,
)
from agent.control.messages.dry_run import AskDryRun, AskDryRunProgress, AskDryRunResult
from agent.control.messages.reanchor import AskReanchor
from provisioning.page.answers import PageError
from provisioning.page.app import Endpoint
from provisioning.page.bodies import MAX_ZONES, DryRunBody, NumberBody, ZonesBody
from provisioning.page.page_words import BAD_REQUEST
from provisioning.wording import in_words

if TYPE_CHECKING:
    from provisioning.page.page import Call, Page

_Request = TypeVar("_Request", bound=BaseModel)


class ApplyBody(ZonesBody):
    """A proposal, and the configuration that it was drawn over; 0: the site's own files."""

    over: Annotated[int, Field(ge=0)]


class ReanchorBody(ZonesBody):
    """Zones as they were drawn on a camera's commissioning picture."""

    camera_id: Annotated[str, Field(min_length=1, max_length=64)]


def configuration(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """The zones in force, and what zones may be."""
    told, _ = page.agent.ask(AskConfiguration())
    bounds = told.bounds.model_dump()
    return JSONResponse(
        {
            "number": told.number or 0,
            "sha256": told.sha256,
            "zones": json.loads(told.zones)["zones"],
            "kinds": plain(told.kinds),
            "site": plain(told.site_facts),
            "bounds": bounds | {"max_zones": min(MAX_ZONES, told.bounds.max_zones)},
        }
    )


def check(page: Page, call: Call) -> Response:
    """What is wrong with a draft, what is odd about it, and which open cases would end."""
    told, _ = page.agent.ask(asking(AskCheck, zones=zones_text(call.body.zones)))
    return JSONResponse(
        {name: plain(getattr(told, name)) for name in ("faults", "remarks", "cases")}
    )


def dry_run(page: Page, call: Call) -> Response:
    """Begin to try a draft on the last hours."""
    asked = asking(AskDryRun, zones=zones_text(call.body.zones), hours=call.body.hours)
    told, _ = page.agent.ask(asked)
    return JSONResponse({"job": told.job})


def dry_run_outcome(page: Page, call: Call) -> Response:
    """How far it is, and what came of it."""
    job = call.path["job"]
    told, _ = page.agent.ask(asking(AskDryRunProgress, job=job))
    answer = {"state": told.state, "progress": told.share, "because": plain(told.because)}
    if told.state == "done":
        result, _ = page.agent.ask(AskDryRunResult(job=job))
        answer["result"] = plain(result)
    return JSONResponse(answer)


def trial(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """Which configuration is in force, and for how long it may still be confirmed if it is on trial."""
    told, _ = page.agent.ask(AskConfiguration())
    left_s = None if told.trial is None else told.trial.left_s
    return JSONResponse({"number": told.number or 0, "left_s": left_s})


def apply(page: Page, call: Call) -> Response:
    """Go by a draft, on trial."""
    asked = asking(AskApply, zones=zones_text(call.body.zones), over=call.body.over)
    told, _ = page.agent.ask(asked)
    return JSONResponse({"number": told.number, "seconds": told.confirm_within_s})


def confirm(page: Page, call: Call) -> Response:
    """Keep what is on trial."""
    told, _ = page.agent.ask(asking(AskConfirm, number=call.body.number))
    return JSONResponse({"number": told.number, "withdrawn": told.withdrawn})


def revert(page: Page, call: Call) -> Response:
    """Go back to the zones of before."""
    told, _ = page.agent.ask(asking(AskRevert, number=call.body.number))
    return JSONResponse({"number": told.number or 0})


def reanchor(page: Page, call: Call) -> Response:
    """Propose where zones lie now that the camera looks from elsewhere."""
    asked = asking(AskReanchor, camera_id=call.body.camera_id, zones=call.body.zones)
    told, _ = page.agent.ask(asked)
    return JSONResponse(plain(told))


def asking(kind: type[_Request], **fields: Any) -> _Request:
    """A request to the agent out of what a phone has sent.

    Raises:
        PageError: It fits no such request.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise PageError(400, "bad_request", BAD_REQUEST) from error


def zones_text(zones: Any) -> str:
    """A draft as the text of a ``zones.json``."""
    return json.dumps({"zones": zones}, ensure_ascii=False)


def plain(told: Any) -> Any:
    """What the agent said as plain JSON, its texts in the language of who reads."""
    if isinstance(told, Words):
        return in_words(told.said())
    if isinstance(told, BaseModel):
        return {name: plain(getattr(told, name)) for name in type(told).model_fields}
    if isinstance(told, list | tuple):
        return [plain(each) for each in told]
    return told.isoformat() if isinstance(told, datetime) else told


ZONE_ENDPOINTS = (
    Endpoint("/api/configuration", configuration),
    Endpoint("/api/check-draft", check, "POST", ZonesBody),
    Endpoint("/api/dry-run", dry_run, "POST", DryRunBody),
    Endpoint("/api/dry-run/{job}", dry_run_outcome),
    Endpoint("/api/trial", trial),
    Endpoint("/api/apply", apply, "POST", ApplyBody),
    Endpoint("/api/confirm", confirm, "POST", NumberBody),
    Endpoint("/api/revert", revert, "POST", NumberBody),
    Endpoint("/api/reanchor", reanchor, "POST", ReanchorBody),
)
