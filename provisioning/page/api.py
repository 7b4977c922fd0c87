"""What the page's scripts ask beside pictures and zones: state, draft, check, fixes, certificate."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from agent.control.messages.service import (
    AskCommission,
    AskIdentify,
    AskTestCase,
    AskTestCaseState,
)
from provisioning.page.answers import PageError, both
from provisioning.page.page_words import NOT_FOUND
from provisioning.page.pictures import CAMERA_ID
from provisioning.page.presses import until_s
from wording.harmless import harmless
from wording.messages import said

if TYPE_CHECKING:
    from starlette.responses import Response

    from agent.control.messages.service import TearOffReply
    from provisioning.page.page import Call, Page

_CASE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
FIXES = ("restart_agent", "install_units", "correct_rights", "sync_clock")
"""What a button of the check may ask of root: each is safe at any time."""
CHECK_WITHIN_S, FIX_WITHIN_S, COMMISSION_WITHIN_S = 240.0, 120.0, 90.0


def state(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """How the device is, what may be done here, and for how long the page stays on."""
    now_s = page.now_s()
    try:
        status, why = page.agent.status(), None
    except PageError as error:
        status, why = {}, both(error.text)
    left_s = until_s(page.setup.root_dir) - now_s
    told: dict[str, Any] = {
        "agent": {"running": bool(status), "because": why},
        "device": {name: status.get(name) for name in ("device_id", "address", "at", "uptime_s")},
        "cameras": {
            name: {"state": each.get("state"), "analysed": each.get("analysed")}
            for name, each in status.get("cameras", {}).items()
        },
        "uplink": _uplink(status),
        "page": {"left_s": max(0, round(left_s)) if left_s != float("-inf") else None},
        "rights": "none" if page.visit.over(now_s) else "installer",
        "visit_over": page.visit.over(now_s) or None,
        "seeded": _seeded(page),
    }
    return JSONResponse(told)


def _uplink(status: dict[str, Any]) -> dict[str, Any] | None:
    uplink = status.get("uplink")
    if not isinstance(uplink, dict):
        return None
    return {name: uplink.get(name) for name in ("connected_since", "last_error", "confirmed")}


def _seeded(page: Page) -> dict[str, str] | None:
    """What the card's preparation has left; null: nothing."""
    try:
        told = json.loads(page.setup.seeded.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict):
        return None
    return {str(harmless(name)): harmless(str(text)) for name, text in list(told.items())[:10]}


def draft(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """The draft."""
    return JSONResponse(page.draft.read())


def keep_draft(page: Page, call: Call) -> Response:
    """Keep a draft."""
    body = call.body
    kept = page.draft.write(body.zones, body.based_on, seen=body.seen, force=body.force)
    return JSONResponse(kept)


def check(page: Page, call: Call) -> Response:
    """Have the device checked; the findings in the reader's language."""
    page.root.ask("check", CHECK_WITHIN_S)
    told = page.root.told("check.json")
    if not isinstance(told, dict):
        raise PageError(502, "no_check", said("The check gave no result."))
    findings = [_finding(each, call.language) for each in told.get("findings", [])]
    return JSONResponse({"passed": told.get("passed"), "findings": findings})


def _finding(row: dict[str, Any], language: str) -> dict[str, Any]:
    words = row.get("words", {}).get(language, row)
    fix = row.get("fix")
    return {
        "code": row.get("code"),
        "subject": row.get("subject"),
        "state": row.get("severity"),
        "check": words.get("check", row.get("check")),
        "text": words.get("what", ""),
        "meaning": words.get("meaning", ""),
        "remedy": words.get("remedy", ""),
        "fix": fix if fix in FIXES else None,
    }


def fix(page: Page, call: Call) -> Response:
    """Carry out a safe fix."""
    name = call.path["code"]
    if name not in FIXES:
        raise PageError(404, "no_fix", said("There is no such fix."))
    page.audit.append("page.fix", name=name)
    page.root.ask(name, FIX_WITHIN_S, language=call.language)
    return JSONResponse({"done": name})


def test_case(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """Send a case that is marked as a test to the platform."""
    return JSONResponse(_came(page.agent.ask(AskTestCase())[0]))


def test_case_state(page: Page, call: Call) -> Response:
    """How far it came."""
    case_id = call.path["case_id"]
    if not _CASE_ID.fullmatch(case_id):
        raise PageError(404, "not_found", NOT_FOUND)
    return JSONResponse(_came(page.agent.ask(AskTestCaseState(case_id=case_id))[0]))


def _came(reply: TearOffReply) -> dict[str, Any]:
    told = reply.model_dump(mode="json")
    told["trouble"] = None if reply.trouble is None else both(reply.trouble.said())
    return told | {"reached": reply.reached}


def identify(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """Let the device's light flash."""
    reply, _ = page.agent.ask(AskIdentify())
    return JSONResponse(reply.model_dump(mode="json"))


def commission(page: Page, call: Call) -> Response:
    """One attempt at a camera's commissioning picture, with nobody in it; asked again until it is stored."""
    camera_id = call.path["camera_id"]
    if not CAMERA_ID.fullmatch(camera_id):
        raise PageError(404, "not_found", NOT_FOUND)
    asked = AskCommission(camera_id=camera_id, anyway=call.body.anyway)
    reply, _ = page.agent.ask(asked, COMMISSION_WITHIN_S)
    told = reply.model_dump(mode="json")
    told["because"] = None if reply.because is None else both(reply.because.said())
    if reply.stored:
        page.audit.append(
            "page.commission",
            camera_id=camera_id,
            sha256=told.get("sha256"),
            anyway=call.body.anyway,
        )
    return JSONResponse(told)


def page_off(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """Leave the request to end the page: whoever waited for what came of it would wait for his own end."""
    page.audit.append("page.off")
    page.sessions.end()
    page.root.leave("page_off")
    return JSONResponse({})


def certificate_request(page: Page, call: Call) -> Response:
    """The request for a certificate, to be carried to the authority: made on the device, its key stays there."""
    page.audit.append("page.certificate_request")
    page.root.ask("identity_request", FIX_WITHIN_S, language=call.language)
    found = sorted(page.root.path("identity").glob("*.csr"))
    if not found:
        raise PageError(502, "no_request", said("No request for a certificate was made."))
    return JSONResponse({"name": found[0].name, "pem": found[0].read_text("ascii")})


def certificate(page: Page, call: Call) -> Response:
    """Put a certificate in use that came back from the authority; the device judges it."""
    page.audit.append("page.certificate")
    body = call.body
    content = {"certificate": body.certificate, "language": call.language}
    if body.authority is not None:
        content["authority"] = body.authority
    page.root.ask("identity_install", FIX_WITHIN_S, **content)
    return JSONResponse({})
