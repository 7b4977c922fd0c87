"""The acceptance by the page: what was checked goes to the agent, which records and signs it; the form is root's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from agent.control.messages.service import AskAcceptance, RecordAcceptance
from provisioning.acceptance.findings import rows_of
from provisioning.acceptance.form import NAMES
from provisioning.page.answers import PageError, both
from provisioning.wording import in_words
from wording.known_errors import words_of
from wording.messages import said

if TYPE_CHECKING:
    from agent.control.messages.service import AcceptanceReply
    from provisioning.page.page import Call, Page

RECORDED_WITHIN_S, FORM_WITHIN_S = 60.0, 120.0
CHECKED_WITHIN_S = 900.0
"""An older check says nothing of what is accepted."""
FORM = "acceptance.pdf"

_log = logging.getLogger(__name__)


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
    _end_rights(page, reply)
    return _with_form(page, call, reply)


def form_again(page: Page, call: Call) -> Response:
    """Make the form of what is recorded, with another name: it changes nothing of the device."""
    reply, _ = page.agent.ask(AskAcceptance())
    if reply.state == "none":
        raise PageError(409, "not_accepted", said("Nobody has accepted it yet."))
    return _with_form(page, call, reply)


def _with_form(page: Page, call: Call, reply: AcceptanceReply) -> Response:
    """What is recorded is recorded, with its paper or without."""
    content = {"name": call.body.name, "case_id": call.body.case_id or ""}
    try:
        page.root.ask("acceptance_form", FORM_WITHIN_S, language=call.language, **content)
        no_form = None
    except PageError as error:
        text = said("It is recorded, but its form was not made. {reason}", reason=error.text)
        no_form = both(text)
    told = _told(page, reply)
    return JSONResponse(told | {"form": told["form"] and no_form is None, "no_form": no_form})


def _end_rights(page: Page, reply: AcceptanceReply) -> None:
    """The agent has recorded it: a disk that takes nothing from the page makes it no other."""
    try:
        if reply.state in {"provisional", "complete"}:
            page.visit.end("accepted")
        page.audit.append("page.acceptance", state=reply.state, number=reply.number)
    except OSError as error:
        _log.error("acceptance %d: %s", reply.number, words_of(error))


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
    told["rights"] = "none" if page.visit.over(page.now_s()) else "installer"
    return told | {"form": page.root.path(FORM).exists()}
