"""What the plan asks for, counted: a page a figure, with its plot, its table and a file for a spreadsheet."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from kerbwatch_platform import figures
from kerbwatch_platform.figures.period import quarter_of
from kerbwatch_platform.figures.plot import drawable, plot
from kerbwatch_platform.figures.writing import as_csv, cells, headings
from kerbwatch_platform.web.frame import Desk, Nav, RefusedError, Role, page
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from starlette.requests import Request

    from kerbwatch_platform.figures.question import Question, Row

MOST_ROWS = 500
"""On a page; the file has all of them."""
NOT_PERIOD = text(
    "{name} is no period: write 2026, 2026Q4, 2026-10, 2026-10-01 or 2026-10-01..2026-10-09, a year at most."
)
NO_FIGURE = text("There is no such figure.")
_NUMBERS = frozenset({"count", "hours", "minutes", "share", "rate"})
_AGAIN_DAYS = 7


@page(role=Role.VIEWER)
def overview(desk: Desk, request: Request) -> Response:
    """Lead to the first figure."""
    query = request.url.query
    return desk.go(f"/figures/{next(iter(figures.QUESTIONS))}" + (f"?{query}" if query else ""))


@page(role=Role.VIEWER)
def figure(desk: Desk, request: Request) -> Response:
    """One figure of one period."""
    question, of, rows = _asked(desk, request)
    language = desk.language(request)
    shown = [cells(language, question, row, of.zone) for row in rows[:MOST_ROWS]]
    days = of.again_within_days
    return desk.show(
        request,
        "figures.html",
        figures=list(figures.QUESTIONS.values()),
        question=question,
        of=of,
        query=f"period={of.name}&days={days}",
        days=days,
        headings=headings(language, question),
        numbers=[column.unit in _NUMBERS for column in question.columns],
        rows=shown,
        count=len(rows),
        drawable=drawable(question, rows),
        unseen=bool(rows) and not any(row.get("seen_hours", 1) for row in rows),
    )


@page(role=Role.VIEWER)
def picture(desk: Desk, request: Request) -> Response:
    """Its plot."""
    question, of, rows = _asked(desk, request)
    drawn = plot(desk.language(request), question, rows, of)
    return Response(drawn, media_type="image/svg+xml")


@page(role=Role.VIEWER)
def table(desk: Desk, request: Request) -> Response:
    """All of its rows, for a spreadsheet."""
    question, of, rows = _asked(desk, request)
    desk.log(request, "exported", 200, detail=f"{question.name} {of.name}")
    return Response(
        as_csv(desk.language(request), question, rows, of.zone).encode(),
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="{question.name}-{of.name}.csv"',
        },
    )


def _asked(desk: Desk, request: Request) -> tuple[Question, figures.Period, list[Row]]:
    """The figure of the address, the period of the query, and the rows.

    Raises:
        RefusedError: There is no such figure, or it is no period.
    """
    question = figures.QUESTIONS.get(request.path_params["name"])
    if question is None:
        raise RefusedError(404, NO_FIGURE)
    given, zone = request.query_params, desk.settings.time_zone
    today = datetime.now(figures.period("2026", zone).zone).date()
    name = given.get("period", "").strip() or quarter_of(today)
    told = given.get("days", "")
    days = int(told) if told.isascii() and told.isdigit() and len(told) < 4 else _AGAIN_DAYS
    try:
        of = figures.period(name, zone, again_within_days=days)
    except figures.PeriodError as error:
        raise RefusedError(400, NOT_PERIOD, name=name[:40]) from error
    with desk.connection() as connection:
        return question, of, figures.ask(connection, question.name, of)


NAV = Nav(text("Figures"), "/figures", 50, key="f")
ROUTES = [
    Route("/figures", overview),
    Route("/figures/{name}.csv", table),
    Route("/figures/{name}.svg", picture),
    Route("/figures/{name}", figure),
]
