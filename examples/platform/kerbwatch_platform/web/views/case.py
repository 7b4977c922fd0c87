"""One case: its story, its pictures side by side, what proves them, and what was decided."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.routing import Route

from kerbwatch_platform.evidence import (
    Picture,
    holds,
    notices,
    picture_of,
    records_of,
    retention,
    signing,
)
from kerbwatch_platform.web.frame import Desk, RefusedError, Role, page
from kerbwatch_platform.web.naming import Names, moment
from kerbwatch_platform.web.queries import cases, decisions, story
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    import psycopg
    from starlette.requests import Request
    from starlette.responses import Response

NO_CASE = text(
    "No such case is here. It may have been a test, or its events are still on their way."
)
MOST_RECORDS = 100
MOST_STEPS = 400
"""Of one part of the story: an event may say of many things that they came or went."""
SIDE_BY_SIDE = ("begin", "threshold", "after")


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of a case, and what it cannot show."""

    picture: Picture
    faults: tuple[str, ...]


@page(role=Role.VIEWER)
def case(desk: Desk, request: Request) -> Response:
    """The page of one case."""
    of = case_of(request)
    with desk.connection() as connection:
        row = cases.case(connection, of, now_s=time.time())
        if row is None:
            raise RefusedError(404, NO_CASE)
        part = story.part(connection, of, _until(request))
        body = story.newest(connection, of)
        named = picture_of(connection, *of, most=story.MOST_PICTURES)
        pictures = _pictures(named, story.pictures(connection, of))
        records = records_of(connection, *of, most=MOST_RECORDS)
        verdicts = decisions.verdicts(connection, of)
        tickets = decisions.tickets(connection, of)
        alike = cases.alike(connection, row)
        handovers = decisions.handovers(connection, of)
        kept = _kept(desk, request, connection, of)
    account, key = desk.account(request), signing.key(desk.settings.signing_key_file)
    return desk.show(
        request,
        "case.html",
        names=Names(desk.language(request)),
        moment=moment,
        now=datetime.now(UTC),
        now_s=time.time(),
        row=row,
        body=body,
        part=part,
        part_size=story.PART,
        beginning=[] if part.first is None else story.beginning(part.first),
        steps=story.story(part.told, part.before),
        most_steps=MOST_STEPS,
        side=[(role, _of_role(pictures, role)) for role in SIDE_BY_SIDE],
        others=[each for each in pictures if each.picture.role not in SIDE_BY_SIDE],
        pictures=pictures,
        some={
            "pictures": len(named) >= story.MOST_PICTURES,
            "records": len(records) >= MOST_RECORDS,
            "decisions": max(len(verdicts), len(tickets)) >= decisions.MOST_LINES,
            "handovers": len(handovers) >= decisions.MOST_LINES,
        },
        role_of={each.picture.sha256: each.picture.role for each in pictures},
        records=records,
        history=sorted(
            [(line, decisions.signature_holds(line, key, of)) for line in verdicts]
            + [(line, None) for line in tickets],
            key=lambda each: each[0].at,
            reverse=True,
        ),
        newest=next((line.number for line in verdicts if line.undone_at is None), None),
        own_key=signing.public_jwk(key)["kid"],
        alike=alike,
        handovers=handovers,
        decides=account.role >= Role.REVIEWER,
        administers=account.role >= Role.ADMINISTRATOR,
        **kept,
        new_id=lambda: str(uuid4()),
        undo_s=decisions.UNDO_S,
        exports=any(getattr(each, "path", "") == "/exports" for each in request.app.routes),
    )


def _until(request: Request) -> int | None:
    """Up to the how-maniest event an address asks for; None: up to the newest."""
    told = request.query_params.get("until", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else None


def case_of(request: Request) -> cases.CaseId:
    """Which case a path is about."""
    told = request.path_params
    return cases.CaseId(told["tenant"], told["device"], told["case_id"])


def _kept(
    desk: Desk, request: Request, connection: psycopg.Connection[Any], of: cases.CaseId
) -> dict[str, Any]:
    """How long its pictures are kept, and what keeps evidence from being looked after."""
    return {
        "matters": [each.words(desk.language(request)) for each in notices.standing(connection)],
        "hold": holds.held(connection, of),
        "kept_history": holds.history(connection, of),
        "age": retention.age_of(connection, desk.settings.retention, of),
        "deleted": retention.deletions(connection, of),
    }


def _pictures(named: list[Picture], told: list[dict[str, Any]]) -> list[Shown]:
    """Every picture that a manifest or an event of the case names; one that no manifest names yet is awaited."""
    by_file = {str(each.get("file")): each for each in told}
    known = {each.file for each in named}
    awaited = [
        Picture(
            None,
            str(each.get("role")),
            "",
            file,
            story.read_moment(each.get("captured_at")),
            "awaited",
            None,
            None,
        )
        for file, each in by_file.items()
        if file not in known
    ]
    return [Shown(each, _faults(by_file.get(each.file, {}))) for each in [*named, *awaited]]


def _faults(picture: dict[str, Any]) -> tuple[str, ...]:
    found = picture.get("faults")
    return tuple(str(each) for each in found) if isinstance(found, list) else ()


def _of_role(pictures: list[Shown], role: str) -> Shown | None:
    """The best that is here of one role: the last one, of those that can be shown if there are any."""
    found = [each for each in pictures if each.picture.role == role]
    here = [each for each in found if each.picture.content_path is not None]
    return next(reversed(here or found), None)


ROUTES = [Route("/cases/{tenant}/{device}/{case_id}", case)]
