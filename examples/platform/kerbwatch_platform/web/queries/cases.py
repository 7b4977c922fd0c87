"""The queue: cases as they stand now, filtered, sorted and in pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from kerbwatch_platform.web.queries.rows import ask, ask_for
from kerbwatch_platform.web.queries.signs import SILENT_S

if TYPE_CHECKING:
    import psycopg

PAGE_SIZE: Final = 25
State = Literal["open", "ended", "all"]
Decided = Literal["undecided", "mine", "decided", "not_taken", "all"]
Sort = Literal["oldest", "newest", "late", "kind", "unit", "grid"]
STATES: Final[tuple[State, ...]] = get_args(State)
DECIDED: Final[tuple[Decided, ...]] = get_args(Decided)
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)


class CaseId(NamedTuple):
    """Which case: an id alone is only as good as the device that made it."""

    tenant: str
    device: str
    case_id: str

    @property
    def path(self) -> str:
        """As it stands in an address."""
        return "/".join(self)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the queue is asked for; None is any. ``kind``, ``unit`` and ``grid`` may be ``""``: not known."""

    state: State = "open"
    decided: Decided = "undecided"
    kind: str | None = None
    unit: str | None = None
    grid: str | None = None
    sort: Sort = "oldest"
    page: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One case of the queue. ``kind`` and ``state`` are ``""`` where a device told none that can be read.

    ``*_s`` are seconds since 1970, by the device's clock as it was set later (``shift_s`` is by how much);
    ``not_seen_because`` is why nobody can say whether it still stands. ``unlisted``: its device does not name it
    among its open cases any more. ``silent_since_s``: since when nothing has come of its device, where that is longer
    than a device is ever silent: nobody knows then either. ``late_s``: for how long it has been open beyond what the unit was given; None
    where nothing was given. ``not_taken``: the device has refused the verdict that counts, for good or for now
    (``later``: it is sent again), or let its time go by;
    ``not_taken_code`` is the device's reason.
    """

    tenant: str
    device: str
    case_id: str
    kind: str
    state: str
    place_id: str | None
    zone_id: str | None
    camera_id: str | None
    address: str | None
    place_zh: str | None
    place_en: str | None
    grid: str | None
    unit: str | None
    unit_name: str | None
    count: int | None
    opened_s: float | None
    ended_s: float | None
    heard_s: float | None
    shift_s: float
    late_s: float | None
    not_seen_because: str | None
    unlisted: bool
    silent_since_s: float | None
    verdict: str | None
    verdict_number: int
    verdict_by: str | None
    not_taken: Literal["refused", "later", "expired"] | None
    not_taken_code: str | None
    ticket: str | None

    @property
    def id(self) -> CaseId:
        return CaseId(self.tenant, self.device, self.case_id)


class Page(NamedTuple):
    """A page of the queue, and how many cases there are in all."""

    rows: list[Row]
    total: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))


class Group(NamedTuple):
    """So many open cases of one kind, unit and grid."""

    kind: str
    unit: str | None
    unit_name: str | None
    grid: str | None
    cases: int


_NOT_TAKEN: Final = """(
  CASE WHEN o.answer->>'status' IS NULL THEN o.not_after <= now() ELSE o.answer->>'status' <> 'done' END
  AND NOT EXISTS (SELECT FROM case_event e
    WHERE (e.tenant, e.device, e.case_id, e.type) = (v.tenant, v.device, v.case_id, 'case.judged')
      AND e.raw->'body'->'verdict'->>'reference' = v.reference))"""
"""The device has not taken the verdict that counts, not yet or for good: what it says itself goes before what it answered."""
_COLUMNS: Final = f"""
  c.tenant, c.device, c.case_id, coalesce(c.kind, '') AS kind, coalesce(c.state, '') AS state, c.place_id, c.zone_id, c.camera_id, c.address,
  c.raw->'body'->'place'->'name'->>'zh' AS place_zh, c.raw->'body'->'place'->'name'->>'en' AS place_en,
  c.raw->'body'->'place'->>'grid_code' AS grid, c.unit,
  coalesce(c.raw->'body'->'place'->>'responsible_unit', c.unit) AS unit_name,
  whole(c.raw->'body'->>'count') AS count, c.opened_s,
  CASE WHEN c.state <> 'open' THEN coalesce(c.cleared_s, c.occurred_s) END AS ended_s,
  c.occurred_s AS heard_s, c.shift_s,
  CASE WHEN c.state = 'open' THEN %(now_s)s ELSE coalesce(c.cleared_s, c.occurred_s) END
    - c.opened_s - c.sla_s AS late_s,
  c.not_seen_because, u.case_id IS NOT NULL AS unlisted,
  CASE WHEN greatest(h.occurred_s, max(c.occurred_s) OVER (PARTITION BY c.tenant, c.device))
      < %(now_s)s - %(silent_s)s
    THEN greatest(h.occurred_s, max(c.occurred_s) OVER (PARTITION BY c.tenant, c.device)) END AS silent_since_s,
  v.verdict, coalesce(v.number, 0) AS verdict_number, v.account AS verdict_by,
  CASE WHEN {_NOT_TAKEN} THEN CASE WHEN coalesce(o.answer->>'status', 'expired') = 'expired' THEN 'expired'
    WHEN o.answered_at IS NOT NULL THEN 'refused' WHEN o.not_after <= now() THEN 'expired' ELSE 'later' END END AS not_taken, o.answer->>'code' AS not_taken_code,
  coalesce(t.ticket, c.raw->'body'->>'ticket') AS ticket"""
_WITH: Final = """
WITH unlisted AS MATERIALIZED (
  SELECT tenant, device, case_id FROM unknown_case
  WHERE %(one)s::text IS NULL OR (tenant || '/' || device || '/' || case_id) = %(one)s
)"""
"""Asked once: a planner that expects one row of a filter would ask the whole view again for every case."""
_FROM: Final = """
FROM case_now c
LEFT JOIN unlisted u ON (u.tenant, u.device, u.case_id) = (c.tenant, c.device, c.case_id)
LEFT JOIN heartbeat_now h ON (h.tenant, h.device) = (c.tenant, c.device)
LEFT JOIN verdict_now v ON (v.tenant, v.device, v.case_id) = (c.tenant, c.device, c.case_id)
LEFT JOIN outgoing o ON o.order_id = v.order_id
LEFT JOIN ticket_now t ON (t.tenant, t.device, t.case_id) = (c.tenant, c.device, c.case_id)"""
_WHERE: Final = f"""
WHERE CASE %(state)s WHEN 'open' THEN c.state = 'open' WHEN 'ended' THEN c.state <> 'open' ELSE true END
  AND CASE %(decided)s WHEN 'undecided' THEN v.number IS NULL WHEN 'mine' THEN v.account = %(account)s
    WHEN 'decided' THEN v.number IS NOT NULL WHEN 'not_taken' THEN {_NOT_TAKEN} ELSE true END
  AND (%(kind)s::text IS NULL OR coalesce(c.kind, '') = %(kind)s)
  AND (%(unit)s::text IS NULL OR coalesce(c.unit, '') = %(unit)s)
  AND (%(grid)s::text IS NULL OR coalesce(c.raw->'body'->'place'->>'grid_code', '') = %(grid)s)"""
_ORDERS: Final[dict[Sort, str]] = {
    "oldest": "opened_s, case_id",
    "newest": "opened_s DESC, case_id",
    "late": "late_s DESC NULLS LAST, opened_s, case_id",
    "kind": "kind, opened_s, case_id",
    "unit": "unit_name NULLS LAST, opened_s, case_id",
    "grid": "grid NULLS LAST, opened_s, case_id",
}
"""The words are ours alone: a reader chooses one by its name."""


def queue(
    connection: psycopg.Connection[Any], wanted: Wanted, *, account: str, now_s: float
) -> Page:
    """One page of the queue; the last one where there are fewer."""
    given = asdict(wanted) | _times(now_s) | {"account": account, "most": PAGE_SIZE}
    [[total]] = ask(connection, f"{_WITH} SELECT count(*) {_FROM} {_WHERE}", given)
    page = max(1, min(wanted.page, -(-total // PAGE_SIZE)))
    given["skipped"] = (page - 1) * PAGE_SIZE
    text = f"{_WITH} SELECT {_COLUMNS} {_FROM} {_WHERE} ORDER BY {_ORDERS[wanted.sort]}"
    rows = ask_for(connection, Row, f"{text} LIMIT %(most)s OFFSET %(skipped)s", given)
    return Page(rows, total, page)


def _times(now_s: float) -> dict[str, Any]:
    return {"now_s": now_s, "silent_s": SILENT_S, "one": None}


def case(connection: psycopg.Connection[Any], of: CaseId, *, now_s: float) -> Row | None:
    """One case as it stands; None: no such case came, or it was a test."""
    text = (
        f"{_WITH} SELECT {_COLUMNS} {_FROM} WHERE c.tenant = %(tenant)s AND c.device = %(device)s"
    )
    given = of._asdict() | _times(now_s) | {"one": of.path}
    return next(iter(ask_for(connection, Row, f"{text} AND c.case_id = %(case_id)s", given)), None)


class Counts(NamedTuple):
    """How many cases wait for a decision: open ones, and those that ended before anybody looked; and all there are.

    ``not_taken``: how many verdicts that count their devices have not taken.
    """

    open: int
    ended: int
    all: int
    not_taken: int


def counts(connection: psycopg.Connection[Any]) -> Counts:
    """What waits for a decision now. One that has ended counts for precision like any other."""
    text = f"""
SELECT count(*) FILTER (WHERE c.state = 'open' AND v.number IS NULL),
  count(*) FILTER (WHERE c.state <> 'open' AND v.number IS NULL), count(*),
  count(*) FILTER (WHERE {_NOT_TAKEN})
FROM case_now c LEFT JOIN verdict_now v ON (v.tenant, v.device, v.case_id) = (c.tenant, c.device, c.case_id)
LEFT JOIN outgoing o ON o.order_id = v.order_id"""
    [counted] = connection.execute(text).fetchall()
    return Counts(*counted)


def groups(connection: psycopg.Connection[Any]) -> list[Group]:
    """Open cases by kind, unit and grid: what a filter may choose."""
    text = """
SELECT coalesce(kind, '') AS kind, unit, min(coalesce(raw->'body'->'place'->>'responsible_unit', unit)) AS unit_name,
  raw->'body'->'place'->>'grid_code' AS grid, count(*) AS cases
FROM case_now WHERE state = 'open' GROUP BY 1, 2, 4 ORDER BY 4 NULLS LAST, 3 NULLS LAST, 1"""
    return [Group(*row) for row in ask(connection, text)]


def alike(connection: psycopg.Connection[Any], of: Row, *, most: int = 12) -> list[Row]:
    """Cases that this one may be a duplicate of: other cases of its kind, those at its place first, then the nearest in time."""
    text = f"""
{_WITH}
SELECT {_COLUMNS} {_FROM}
WHERE c.tenant = %(tenant)s AND coalesce(c.kind, '') = %(kind)s AND (c.device, c.case_id) <> (%(device)s, %(case_id)s)
  AND c.opened_s BETWEEN %(opened_s)s - 86400 AND %(opened_s)s + 86400
ORDER BY c.place_id = %(place_id)s DESC NULLS LAST, abs(c.opened_s - %(opened_s)s) LIMIT %(most)s"""
    given = {name: getattr(of, name) for name in ("tenant", "device", "case_id", "kind")}
    given |= _times(0.0) | {"opened_s": of.opened_s, "place_id": of.place_id, "most": most}
    return ask_for(connection, Row, text, given)
