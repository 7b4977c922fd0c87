"""What is known of one case, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kerbwatch_platform.web.queries.rows import ask, ask_one

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.web.queries.cases import CaseId

_ONE_SECOND_S = 1.0
"""Less than this much of a correction is not shown: the clock ran well."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened.

    Attributes:
        what: ``began``, ``warned``, ``opened``, ``joined``, ``left``, ``persisting``, ``abstained``, ``seen_again``,
            ``cleared``, ``withdrawn``, ``ticketed``, ``judged``, ``packed``, ``deleted``, ``stored`` or ``not_sent``.
        at_s: When, in seconds since 1970, by the clock as it was set later; None: what came cannot be read.
        shift_s: By how much the device's own time of it was corrected; 0.0 where it was not.
        trusted: Whether a time source vouched for the clock, then or later.
        event_id: The event that says so.
        facts: What more is known of it.
    """

    what: str
    at_s: float | None
    shift_s: float
    trusted: bool
    event_id: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def corrected(self) -> bool:
        return abs(self.shift_s) >= _ONE_SECOND_S


class Told(NamedTuple):
    """An event of the case, as it came."""

    event_id: str
    type: str
    body: dict[str, Any]
    occurred_s: float | None
    shift_s: float
    clock: str | None


@dataclass(slots=True)
class _Sofar:
    """What earlier events of the case have said."""

    abstained: bool = False
    members: set[str] = field(default_factory=set)
    opened: bool = False


PART: Final = 100
"""Events of a case that are shown at once."""
MOST_PICTURES: Final = 200

_OF_CASE: Final = """
FROM event e JOIN told t ON (t.tenant, t.device, t.event_id) = (e.tenant, e.device, e.event_id)
WHERE e.tenant = %(tenant)s AND e.device = %(device)s AND e.case_id = %(case_id)s
  AND (t.type LIKE 'case.%%' OR t.type LIKE 'evidence.%%')"""
# What is read of an event is read of those alone that are wanted: the others are put in order by their times.
_WANTED: Final = f"""
WITH wanted AS MATERIALIZED (
  SELECT e.event_id, t.occurred_s + t.shift_s AS at_s {_OF_CASE} ORDER BY 2, 1 LIMIT %(most)s OFFSET %(skipped)s
), before AS MATERIALIZED (
  SELECT event_id, at_s FROM (
    SELECT e.event_id, t.type, t.occurred_s + t.shift_s AS at_s {_OF_CASE} ORDER BY 3, 1 LIMIT %(skipped)s
  ) AS earlier WHERE type LIKE 'case.%%'
), chosen AS (
  SELECT event_id, at_s, 'shown' AS as_what FROM wanted
  UNION ALL (SELECT event_id, at_s, 'first' FROM before ORDER BY at_s, event_id LIMIT 1)
  UNION ALL (SELECT event_id, at_s, 'before' FROM before ORDER BY at_s DESC, event_id DESC LIMIT 1)
)
SELECT c.as_what, t.event_id, t.type, t.raw->'body' AS body, c.at_s AS occurred_s, t.shift_s,
  t.raw->'clock'->>'state' AS clock
FROM chosen c JOIN told t ON (t.tenant, t.device, t.event_id) = (%(tenant)s, %(device)s, c.event_id)
ORDER BY c.at_s, t.event_id"""
_PICTURES: Final = """
SELECT DISTINCT ON (m.value->>'file') m.value FROM event e CROSS JOIN members(e.raw->'body'->'pictures') AS m
WHERE e.tenant = %(tenant)s AND e.device = %(device)s AND e.case_id = %(case_id)s
  AND (e.type LIKE 'case.%%' OR e.type LIKE 'evidence.%%') AND m.type = 'object'
ORDER BY m.value->>'file', e.event_id LIMIT %(most)s"""
_NEWEST: Final = """
SELECT raw->'body' AS body FROM case_now WHERE (tenant, device, case_id) = (%(tenant)s, %(device)s, %(case_id)s)"""


class Part(NamedTuple):
    """A stretch of a case's events, the oldest first.

    Attributes:
        told: The events of the stretch.
        skipped: How many are before it.
        total: How many there are.
        first: The case's first event, where it is not in the stretch.
        before: The last one of the case itself before the stretch: what it says is no news.
    """

    told: list[Told]
    skipped: int
    total: int
    first: Told | None = None
    before: Told | None = None

    @property
    def until(self) -> int:
        """How many are before what follows it."""
        return self.skipped + len(self.told)


def part(connection: psycopg.Connection[Any], of: CaseId, until: int | None = None) -> Part:
    """The newest events of a case; or those just before the one of a number, counted from the oldest."""
    [[total]] = ask(connection, f"SELECT count(*) {_OF_CASE}", of._asdict())
    end = total if until is None else max(1, min(until, total))
    skipped = max(0, end - PART)
    given = of._asdict() | {"most": end - skipped, "skipped": skipped}
    rows = [(row[0], Told(*row[1:])) for row in ask(connection, _WANTED, given)]
    found = {what: event for what, event in rows if what != "shown"}
    shown = [event for what, event in rows if what == "shown"]
    return Part(shown, skipped, total, found.get("first"), found.get("before"))


def pictures(connection: psycopg.Connection[Any], of: CaseId) -> list[dict[str, Any]]:
    """What the events of a case say of its pictures, each file once."""
    return [row.value for row in ask(connection, _PICTURES, of._asdict() | {"most": MOST_PICTURES})]


def newest(connection: psycopg.Connection[Any], of: CaseId) -> dict[str, Any]:
    """What the event says that says how the case stands."""
    row = ask_one(connection, _NEWEST, of._asdict())
    return row.body if row is not None and isinstance(row.body, dict) else {}


def story(told: list[Told], before: Told | None = None) -> list[Step]:
    """What these events say, step by step; what a device sent that cannot be read leaves out its step alone.

    Args:
        told: Events of a case, the oldest first.
        before: The last one of the case itself before them; None: there is none.
    """
    sofar = _Sofar()
    if before is not None:
        sofar.opened = True
        sofar.abstained = before.type == "case.abstained" or bool(before.body.get("abstention"))
        sofar.members = {str(each.get("member_id")) for each in dicts(before.body, "members")}
    return _in_order(step for each in told for step in _steps(each, sofar))


def beginning(first: Told) -> list[Step]:
    """How a case began, as its first event says."""
    return _in_order(_beginning(first))


def _in_order(steps: Iterable[Step]) -> list[Step]:
    return sorted(steps, key=lambda step: (step.at_s is None, step.at_s or 0.0))


def _steps(told: Told, sofar: _Sofar) -> Iterator[Step]:
    if told.type.startswith("evidence."):
        yield _evidence(told)
        return
    body = told.body
    if (
        not sofar.opened
    ):  # of a case whose opening is still on its way the next event says all the same
        sofar.opened = True
        yield from _beginning(told)
    else:
        yield from _members(told, sofar)
    sofar.members |= {str(each.get("member_id")) for each in dicts(body, "members")}
    yield from _ending(told, sofar)


def _beginning(told: Told) -> Iterator[Step]:
    body = told.body
    yield _step(told, "began", _moment(told, "began_at"))
    if body.get("warned_at"):
        yield _step(told, "warned", _moment(told, "warned_at"))
    members = [_member(each) for each in dicts(body, "members")]
    yield _step(
        told,
        "opened",
        _moment(told, "opened_at"),
        allowed_s=_number(body, "allowed_s"),
        count=body.get("count"),
        members=members,
        confidence=_number(body, "confidence"),
    )


def _members(told: Told, sofar: _Sofar) -> Iterator[Step]:
    for each in dicts(told.body, "members"):
        if str(each.get("member_id")) not in sofar.members:
            yield _step(
                told, "joined", _when(each.get("since"), told.shift_s), member=_member(each)
            )
    for each in dicts(told.body, "left"):
        yield _step(told, "left", _when(each.get("until"), told.shift_s), member=_member(each))


def _ending(told: Told, sofar: _Sofar) -> Iterator[Step]:
    """What the event itself is about, apart from members."""
    body, what = told.body, told.type.removeprefix("case.")
    if what == "abstained":
        sofar.abstained = True
        told_of = _dict(body, "abstention")
        yield _step(
            told,
            "abstained",
            _when(told_of.get("since"), told.shift_s),
            because=told_of.get("because"),
        )
        return
    if sofar.abstained and not body.get("abstention"):
        sofar.abstained = False
        yield _step(told, "seen_again", told.occurred_s)
    if what == "persisting":
        yield _step(told, "persisting", told.occurred_s, count=body.get("count"))
    elif what == "cleared":
        yield _step(
            told,
            "cleared",
            _moment(told, "cleared_at"),
            last_present_s=_moment(told, "last_present_at"),
            by_verifier=_dict(body, "reason").get("ended_by") == "verifier",
        )
    elif what == "withdrawn":
        told_of = _dict(body, "withdrawn")
        yield _step(
            told, "withdrawn", _when(told_of.get("at"), told.shift_s), because=told_of.get("reason")
        )
    elif what == "ticketed":
        yield _step(told, "ticketed", told.occurred_s, ticket=body.get("ticket"))
    elif what == "judged":
        verdict = _dict(body, "verdict")
        facts = {name: verdict.get(name) for name in ("verdict", "reference", "key")}
        yield _step(
            told, "judged", told.occurred_s, **facts, lacks=body.get("evidence_lacks") or []
        )


def _evidence(told: Told) -> Step:
    facts = {name: told.body.get(name) for name in ("stage", "sha256", "because", "over")}
    return _step(told, told.type.removeprefix("evidence."), told.occurred_s, **facts)


def _step(told: Told, what: str, at_s: float | None, **facts: Any) -> Step:
    trusted = told.clock in ("synchronised", "replay") or abs(told.shift_s) >= _ONE_SECOND_S
    return Step(what, at_s, told.shift_s, trusted, told.event_id, facts)


def _member(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told.get(name) for name in ("member_id", "label", "operator", "plate")}


def dicts(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list in a body; what is none is left out."""
    found = body.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _dict(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def read_moment(told: Any) -> datetime | None:
    """A time as a device writes it; None for what is none."""
    try:
        found = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def _moment(told: Told, name: str) -> float | None:
    return _when(told.body.get(name), told.shift_s)


def _when(told: Any, shift_s: float) -> float | None:
    found = read_moment(told)
    return None if found is None else found.timestamp() + shift_s


def _number(body: Mapping[str, Any], name: str) -> float | None:
    found = body.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
