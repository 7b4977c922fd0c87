"""The queue: what stands in the streets now, and what nobody has decided yet."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import JSONResponse
from starlette.routing import Route

from kerbwatch_platform.evidence import picture_of
from kerbwatch_platform.web.frame import Desk, Nav, Role, page
from kerbwatch_platform.web.naming import Names, moment
from kerbwatch_platform.web.queries import cases, decisions
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response

    from kerbwatch_platform.evidence import Picture

T = TypeVar("T", bound=str)
NOT_KNOWN = "-"
"""In an address: those of which it is not known. Nothing: any."""
_BEST = ("begin", "threshold", "close_up", "plate_view", "after")
"""Which picture stands for a case, as far as it is here: how it began, else what there is."""
_MOST_PICTURES = 64
MOST_CHOICES = 200
"""In a filter; the page of places leads to every grid and unit."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of the queue and the picture that stands for it."""

    row: cases.Row
    picture: Picture | None


@page(role=Role.VIEWER)
def queue(desk: Desk, request: Request) -> Response:
    """A page of the queue."""
    wanted, now_s = wanted_of(request.query_params), time.time()
    account = desk.account(request)
    with desk.connection() as connection:
        found = cases.queue(connection, wanted, account=account.name, now_s=now_s)
        groups = cases.groups(connection)
        counts = cases.counts(connection)
        shown = [Shown(row, _picture(connection, row)) for row in found.rows]
    return desk.show(
        request,
        "queue.html",
        names=Names(desk.language(request)),
        moment=moment,
        now_s=now_s,
        wanted=wanted,
        found=found,
        shown=shown,
        counts=counts,
        choices=_choices(groups, wanted),
        most_choices=MOST_CHOICES,
        states=cases.STATES,
        decided=cases.DECIDED,
        sorts=cases.SORTS,
        not_known=NOT_KNOWN,
        link=lambda **changes: link(replace(wanted, **changes)),
        decides=account.role >= Role.REVIEWER,
        undo_s=decisions.UNDO_S,
    )


@page(role=Role.VIEWER, renews=False)
def news(desk: Desk, _request: Request) -> Response:
    """How many cases there are now, for a queue that stands open: it asks by itself, so it renews no session."""
    with desk.connection() as connection:
        return JSONResponse(cases.counts(connection)._asdict())


def wanted_of(asked: QueryParams) -> cases.Wanted:
    """What of the queue an address asks for; what it cannot mean is left out."""
    number = asked.get("page", "")
    return cases.Wanted(
        state=_one_of(cases.STATES, asked.get("state")),
        decided=_one_of(cases.DECIDED, asked.get("decided")),
        kind=_known(asked.get("kind")),
        unit=_known(asked.get("unit")),
        grid=_known(asked.get("grid")),
        sort=_one_of(cases.SORTS, asked.get("sort")),
        page=int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1,
    )


def link(wanted: cases.Wanted) -> str:
    """The address of a queue."""
    plain = cases.Wanted()
    told: dict[str, Any] = {}
    for name in ("state", "decided", "kind", "unit", "grid", "sort", "page"):
        value = getattr(wanted, name)
        if value != getattr(plain, name):
            told[name] = NOT_KNOWN if value == "" else value
    return f"/?{urlencode(told)}" if told else "/"


def _known(told: str | None) -> str | None:
    return "" if told == NOT_KNOWN else told or None


def _one_of(those: Sequence[T], told: str | None) -> T:
    return next((each for each in those if each == told), those[0])


def _picture(connection: psycopg.Connection[Any], row: cases.Row) -> Picture | None:
    found = picture_of(connection, *row.id, most=_MOST_PICTURES)
    here = [each for each in found if each.content_path is not None]
    return min(here, key=lambda each: _rank(each.role), default=None)


def _rank(role: str) -> int:
    return _BEST.index(role) if role in _BEST else len(_BEST)


def _choices(
    groups: list[cases.Group], wanted: cases.Wanted
) -> dict[str, list[tuple[str, str | None]]]:
    """What a filter may choose: each value with its words. What is chosen is among them, however many there are."""
    units = {group.unit or "": group.unit_name for group in groups}
    found: dict[str, list[tuple[str, str | None]]] = {
        "kind": [(kind, None) for kind in sorted({group.kind for group in groups})],
        "unit": sorted(units.items(), key=lambda each: (not each[0], each[1] or "")),
        "grid": [(grid, grid) for grid in sorted({group.grid or "" for group in groups})],
    }
    for name, offered in found.items():
        chosen = getattr(wanted, name)
        beyond = [each for each in offered[MOST_CHOICES:] if each[0] == chosen]
        found[name] = offered[:MOST_CHOICES] + beyond
    return found


NAV = Nav(text("Cases"), "/", 10, key="q")
ROUTES = [Route("/", queue), Route("/news", news)]
