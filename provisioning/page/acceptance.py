"""The acceptance by the page: what was checked goes to the agent, which records and signs it; the form is root's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from agent.control.messages.service import AskAcceptance, RecordAcceptance
from provisioning.acceptance.findings import rows_of
from provisioning.acceptance.form import NAMES
from provisioning.page.answers import PageError, both
from provisioning.wording import in_words
from wording.messages import said

if TYPE_CHECKING:
    from agent.control.messages.service import AcceptanceReply
    from provisioning.page.page import Call, Page

RECORDED_WITHIN_S, FORM_WITHIN_S = 60.0, 120.0
CHECKED_WITHIN_S = 900.0
"""An older check says nothing of what is accepted."""
FORM = "acceptance.pdf"


def acceptance(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """How far it is."""
    return JSONResponse(_told(page, page.agent.ask(AskAcceptance())[0]))


def accept(page: Page, call: Call) -> Response:
    """Record it; the installer's rights end with it. The name goes to the form alone, which may fail by itself."""
    body = call.body
    told = page.root.told("check.json", CHECKED_WITHIN_S)
    if not isinstance(told, dict):
        raise PageError(409, "not_checked", said("Check the device first."))
    asked = RecordAcceptance(
        role=body.role,
        person_id=body.person_id,
        checks=rows_of(told.get("findings", [])),
        walked=body.walked,
        case_id=body.case_id,
    )
    reply, _ = page.agent.ask(asked, RECORDED_WITHIN_S)
    page.audit.append("page.acceptance", state=reply.state, number=reply.number)
    content = {"name": body.name, "language": call.language, "case_id": body.case_id or ""}
    try:
        page.root.ask("acceptance_form", FORM_WITHIN_S, **content)
        no_form = None
    except PageError as error:  # what is recorded is recorded, with its paper or without
        text = said(
            "It is recorded, but its form was not made: {reason}. It needs a font with Chinese on the device"
            " (fonts-wqy-microhei).",
            reason=error.text,
        )
        no_form = both(text)
    if reply.state in {"provisional", "complete"}:
        page.visit.end("accepted")
    told = _told(page, reply)
    return JSONResponse(told | {"form": told["form"] and no_form is None, "no_form": no_form})


def form(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """The form as PDF."""
    try:
        content = page.root.path(FORM).read_bytes()
    except OSError as error:
        raise PageError(404, "no_form", said("There is no form yet.")) from error
    headers = {"content-disposition": f'attachment; filename="{FORM}"'}
    return Response(content, media_type="application/pdf", headers=headers)


def _told(page: Page, reply: AcceptanceReply) -> dict[str, Any]:
    told = reply.model_dump(mode="json", exclude={"jws", "checks"})
    failed = {each.code for each in reply.checks if each.state == "failed"}
    told["failed"] = sorted({in_words(NAMES.get(code, code)) for code in failed})
    return told | {"form": page.root.path(FORM).exists()}
