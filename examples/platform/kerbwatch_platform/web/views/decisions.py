"""What a reviewer decides of a case.

Scripts ask for JSON and send again what a slow network swallowed; a form without them is led back to the case.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import UUID

from starlette.responses import JSONResponse
from starlette.routing import Route

from kerbwatch_platform.evidence import asking, signing
from kerbwatch_platform.evidence.keeping import Own
from kerbwatch_platform.web.frame import Desk, RefusedError, Role, page
from kerbwatch_platform.web.naming import Names, moment
from kerbwatch_platform.web.queries import cases, decisions
from kerbwatch_platform.web.views.case import NO_CASE, case_of
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LONGEST_REASON: Final = 500
_SHA256: Final = re.compile("[0-9a-f]{64}")
UNCLEAR = text("What was decided could not be read. Open the case again; nothing was changed.")
ITSELF = text("A case cannot be a duplicate of itself; nothing was changed.")
NO_TICKET = text(
    "A ticket number has 1 to 100 characters, all of which can be seen; nothing was changed."
)
USED = text(
    "The number of this decision stands for another one already: another account’s, of another case, or with other "
    "words. Nothing was changed. Open the case again and decide once more."
)
TOO_LATE = text("It is too late to take that back: the device was told. Decide again instead.")
NO_REASON = text(
    "Say what the picture is needed for; the device records it. Nothing was asked for."
)


@page(role=Role.REVIEWER)
def verdict(desk: Desk, request: Request) -> Response:
    """Valid, false alarm or duplicate."""
    of, form = case_of(request), desk.form(request)
    decision_id, seen = _id(form.get("decision_id")), form.get("seen") or "0"
    finding = next((each for each in decisions.FINDINGS if each == form.get("verdict")), None)
    if (
        decision_id is None
        or finding is None
        or not (seen.isascii() and seen.isdigit() and len(seen) < 18)
    ):
        return _refused(desk, request, 400, UNCLEAR)
    of_case = (form.get("of_case") or None) if finding == "duplicate" else None
    told = decisions.Verdict(decision_id, finding, of_case, int(seen))
    desk.note(request, detail=finding if of_case is None else f"{finding} {of_case}")
    if of_case == of.case_id:
        return _refused(desk, request, 400, ITSELF)
    key, account = signing.key(desk.settings.signing_key_file), desk.account(request).name
    try:
        with desk.connection() as connection:
            decided = decisions.judge(connection, key, of, told, account=account)
    except LookupError:
        return _refused(desk, request, 404, NO_CASE)
    except decisions.UsedError:
        return _refused(desk, request, 409, USED)
    except ValueError:
        return _refused(desk, request, 400, UNCLEAR)
    label = Names(desk.language(request))("verdict", decided.said)
    return _done(desk, request, of, decided, label, decision_id)


@page(role=Role.REVIEWER)
def ticket(desk: Desk, request: Request) -> Response:
    """The number under which the case was filed."""
    of, form = case_of(request), desk.form(request)
    decision_id = _id(form.get("decision_id"))
    if decision_id is None:
        return _refused(desk, request, 400, UNCLEAR)
    told = decisions.Ticket(decision_id, form.get("ticket", ""), form.get("seen") or None)
    desk.note(request, detail="ticket")
    try:
        with desk.connection() as connection:
            decided = decisions.file_under(connection, of, told, account=desk.account(request).name)
    except LookupError:
        return _refused(desk, request, 404, NO_CASE)
    except decisions.UsedError:
        return _refused(desk, request, 409, USED)
    except ValueError:
        return _refused(desk, request, 400, NO_TICKET)
    return _done(desk, request, of, decided, decided.said, decision_id)


@page(role=Role.REVIEWER)
def undo(desk: Desk, request: Request) -> Response:
    """Take back one's own decision, as long as no device was told."""
    of, decision_id = case_of(request), _id(desk.form(request).get("decision_id"))
    if decision_id is None:
        return _refused(desk, request, 400, UNCLEAR)
    desk.note(request, detail="undo")
    with desk.connection() as connection:
        if not decisions.undo(connection, of, decision_id, account=desk.account(request).name):
            return _refused(desk, request, 409, TOO_LATE)
        number = decisions.newest(connection, of)
    if not _wants_json(request):
        return desk.go(f"/cases/{of.path}")
    return JSONResponse({"says": desk.say(request, "Taken back."), "number": number})


@page(role=Role.REVIEWER)
def ask_for_picture(desk: Desk, request: Request) -> Response:
    """Ask the device for a redacted picture that does not come by itself."""
    of, form = case_of(request), desk.form(request)
    reason = form.get("reason", "").strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise RefusedError(400, NO_REASON)
    sha256 = form.get("sha256", "")
    if not _SHA256.fullmatch(sha256):
        raise RefusedError(400, UNCLEAR)
    desk.note(request, detail="picture")
    own = Own(of.tenant, of.device, sha256)
    with desk.connection() as connection:
        by = desk.account(request).name
        asking.ask(connection, desk.settings, own, of.case_id, reason=reason, by=by)
    return desk.go(f"/cases/{of.path}#pictures")


@page(role=Role.VIEWER)
def alike(desk: Desk, request: Request) -> Response:
    """Cases that this one may be a duplicate of."""
    of, names = case_of(request), Names(desk.language(request))
    with desk.connection() as connection:
        row = cases.case(connection, of, now_s=0.0)
        found = [] if row is None else cases.alike(connection, row, most=9)
    told = [
        {
            "case_id": each.case_id,
            "place": names.place(each.place_zh, each.place_en, each.address, each.place_id),
            "opened": desk.at(moment(each.opened_s)),
            "state": names("state", each.state),
        }
        for each in found
    ]
    return JSONResponse({"cases": told})


def _done(
    desk: Desk,
    request: Request,
    of: cases.CaseId,
    decided: decisions.Decided,
    label: str,
    decision_id: UUID,
) -> Response:
    if not _wants_json(request):
        return desk.go(f"/cases/{of.path}")
    other = decided.other
    return JSONResponse(
        {
            "number": decided.number,
            "said": decided.said,
            "label": label,
            "decision_id": str(decision_id),
            "undo_s": decisions.UNDO_S,
            "other": other
            and desk.say(
                request,
                "{account} had decided otherwise or the same at {at}: {said}. Yours counts now; both are kept.",
                account=other.account,
                at=desk.at(other.at, "%H:%M:%S"),
                said=Names(desk.language(request))("verdict", other.said),
            ),
        }
    )


def _refused(desk: Desk, request: Request, status: int, english: str) -> Response:
    if not _wants_json(request):
        raise RefusedError(status, english)
    return JSONResponse({"says": desk.say(request, english)}, status)


def _wants_json(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("application/json")


def _id(told: str | None) -> UUID | None:
    try:
        return UUID(told or "")
    except ValueError:
        return None


_CASE: Final = "/cases/{tenant}/{device}/{case_id}"
ROUTES = [
    Route(f"{_CASE}/verdict", verdict, methods=["POST"]),
    Route(f"{_CASE}/ticket", ticket, methods=["POST"]),
    Route(f"{_CASE}/undo", undo, methods=["POST"]),
    Route(f"{_CASE}/picture", ask_for_picture, methods=["POST"]),
    Route(f"{_CASE}/alike", alike),
]
