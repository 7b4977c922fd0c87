"""What the plan asks for, counted: a page a figure, with its plot, its table and a file for a spreadsheet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from starlette.responses import Response
from starlette.routing import Route

from kerbwatch_platform import figures
from kerbwatch_platform.figures.period import quarter_of
from kerbwatch_platform.figures.plot import drawable, plot
from kerbwatch_platform.figures.reach import reach_of
from kerbwatch_platform.figures.writing import cells, headings, table_of
from kerbwatch_platform.web.frame import Desk, Nav, RefusedError, Role, csv_answer, page
from kerbwatch_platform.web.kept_figures import KEPT_S
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
    """One figure of one period, as it is now; its plot and its file are of the same moment."""
    question, of = _asked(desk, request, datetime.now(UTC))
    rows = _rows(desk, question, of)
    language = desk.language(request)
    shown = [cells(language, question, row, of.zone) for row in rows[:MOST_ROWS]]
    days = of.again_within_days
    reach = reach_of(question, of)
    query = f"period={of.name}&days={days}"
    return desk.show(
        request,
        "figures.html",
        figures=list(figures.QUESTIONS.values()),
        question=question,
        of=of,
        query=query,
        same=f"{query}&as_of={of.now_ms}",
        days=days,
        note=reach.note(language),
        until=reach.title(language),
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
    question, of = _asked(desk, request, _as_of(request))
    drawn = plot(desk.language(request), question, _rows(desk, question, of), of)
    return Response(drawn, media_type="image/svg+xml")


@page(role=Role.VIEWER)
def table(desk: Desk, request: Request) -> Response:
    """All of its rows, for a spreadsheet."""
    question, of = _asked(desk, request, _as_of(request))
    desk.log(request, "exported", 200, detail=f"{question.name} {of.name}")
    headed = table_of(desk.language(request), question, _rows(desk, question, of), of)
    return csv_answer(desk, f"{question.name}-{of.name}.csv", *headed)


def _as_of(request: Request) -> datetime:
    """The moment of the page that leads here; now, where that was long ago or nothing says it."""
    now, told = datetime.now(UTC), request.query_params.get("as_of", "")
    if told.isascii() and told.isdigit() and len(told) < 15:
        ago_ms = int(now.timestamp() * 1000) - int(told)
        if 0 <= ago_ms <= KEPT_S * 1000:
            return datetime.fromtimestamp(int(told) / 1000, UTC)
    return now


def _asked(desk: Desk, request: Request, now: datetime) -> tuple[Question, figures.Period]:
    """The figure of the address, and the period of the query as of a moment.

    Raises:
        RefusedError: There is no such figure, or it is no period.
    """
    question = figures.QUESTIONS.get(request.path_params["name"])
    if question is None:
        raise RefusedError(404, NO_FIGURE)
    given, zone = request.query_params, desk.settings.time_zone
    name = given.get("period", "").strip() or quarter_of(now.astimezone(ZoneInfo(zone)).date())
    told = given.get("days", "")
    days = int(told) if told.isascii() and told.isdigit() and len(told) < 4 else _AGAIN_DAYS
    try:
        return question, figures.period(name, zone, now=now, again_within_days=days)
    except figures.PeriodError as error:
        raise RefusedError(400, NOT_PERIOD, name=name[:40]) from error


def _rows(desk: Desk, question: Question, of: figures.Period) -> list[Row]:
    """The figure's rows: those of the same moment where they are kept, else out of the database."""
    rows = desk.figures.get(question.name, of)
    if rows is None:
        with desk.connection() as connection:
            rows = figures.ask(connection, question.name, of)
        desk.figures.keep(question.name, of, rows)
    return rows


NAV = Nav(text("Figures"), "/figures", 50, key="f")
ROUTES = [
    Route("/figures", overview),
    Route("/figures/{name}.csv", table),
    Route("/figures/{name}.svg", picture),
    Route("/figures/{name}", figure),
]
