"""Why nothing was reported of a place at a time: what is known of it, finding by finding, and what nobody knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from kerbwatch_platform.web.queries.places import Drawn, ZoneId, drawn_at, rule_at, zone_of
from kerbwatch_platform.web.queries.rows import ask
from kerbwatch_platform.web.queries.signs import SILENT_S, Heartbeat, Silence, heartbeat, silence

if TYPE_CHECKING:
    import psycopg

Weighs = Literal["explains", "may_explain", "excludes", "unknown"]
"""Whether a finding explains that nothing was reported, may do so, rules that reason out, or leaves it open."""
_DEFAULT_ALLOWED_S: Final = 300.0
_TOLD_WITHIN_S: Final = 120.0
"""What a case needs from the end of its time to the store, generously."""
HOLD_BACK_S: Final = 86_400.0
"""For so long what looks like a false alarm opens no other case at its place, unless the site says otherwise."""


class Event(NamedTuple):
    """What a finding rests on."""

    type: str
    event_id: str | None
    at_s: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One question that was asked of what is stored.

    ``code`` says which answer it got; the page has its words. ``facts`` are its figures, ``rests_on`` the events.
    """

    code: str
    weighs: Weighs
    facts: dict[str, Any] = field(default_factory=dict)
    rests_on: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """All findings of a zone at a time; ``cases`` are those that were reported there around it."""

    of: ZoneId
    at_s: float
    findings: list[Finding]
    timezone: str

    @property
    def because(self) -> list[Finding]:
        """What explains it; then what may."""
        for weighs in ("explains", "may_explain"):
            found = [each for each in self.findings if each.weighs == weighs]
            if found:
                return found
        return []

    @property
    def reported(self) -> bool:
        return any(each.code == "reported" for each in self.findings)

    @property
    def open_questions(self) -> bool:
        """Whether something that could explain it is not known."""
        return any(each.weighs == "unknown" for each in self.findings)


def why(connection: psycopg.Connection[Any], of: ZoneId, at_s: float, *, city_zone: str) -> Answer:
    """Ask everything that is stored of a zone at a time, in seconds since 1970.

    Args:
        connection: To the store.
        of: The zone.
        at_s: The time by the city's clock; clock corrections of the device are applied.
        city_zone: Time zone where the device's own is not known.
    """
    drawn = drawn_at(connection, of.tenant, of.device, at_s)
    zone = None if drawn is None else drawn.zones.get(of.zone_id)
    timezone = zone_of(None if drawn is None else drawn.timezone, city_zone)
    allowed_s = _allowed_s(zone)
    quiet = silence(connection, of.tenant, of.device, at_s)
    last = heartbeat(connection, of.tenant, of.device, at_s)
    findings = [
        *_cases(connection, of, zone, at_s),
        _drawn(drawn, zone),
        *_ruled(zone, datetime.fromtimestamp(at_s, UTC).astimezone(timezone)),
        _alive(quiet, last),
        *_seen(of, zone, last, at_s),
        *_numbers(connection, of, at_s, allowed_s + _TOLD_WITHIN_S),
        _clock(last),
        *_day(connection, of, datetime.fromtimestamp(at_s, UTC).astimezone(timezone)),
    ]
    return Answer(of, at_s, findings, str(timezone))


def _allowed_s(zone: dict[str, Any] | None) -> float:
    judged = [each for each in (zone or {}).get("judged") or [] if isinstance(each, dict)]
    told = [each.get("allowed_s") for each in judged]
    return max((float(s) for s in told if isinstance(s, int | float)), default=_DEFAULT_ALLOWED_S)


_NEAR: Final = """
SELECT c.device, c.case_id, c.kind, c.state, c.type, c.event_id, unix_s(c.raw->'body'->>'began_at') + c.shift_s AS began_s,
  c.opened_s, coalesce(c.cleared_s, CASE WHEN c.state <> 'open' THEN c.occurred_s END) AS ended_s,
  number(c.raw->'body'->>'allowed_s') AS allowed_s, c.raw->'body'->'withdrawn'->>'reason' AS withdrawn
FROM case_now c
WHERE c.tenant = %(tenant)s AND (c.place_id = %(place_id)s OR (c.device, c.zone_id) = (%(device)s, %(zone_id)s))
  AND c.opened_s BETWEEN %(at_s)s - 2592000 AND %(at_s)s + 86400
  AND coalesce(c.cleared_s, CASE WHEN c.state <> 'open' THEN c.occurred_s END, 'infinity') >= %(at_s)s - %(hold_back_s)s
ORDER BY abs(c.opened_s - %(at_s)s) LIMIT %(most)s"""
_MOST_CASES: Final = 100
"""Around a time, the nearest: a device that reports without an end makes no page without one."""


def _cases(
    connection: psycopg.Connection[Any], of: ZoneId, zone: dict[str, Any] | None, at_s: float
) -> list[Finding]:
    """Was something reported all the same; did it stand for too short a time then; was it taken back?"""
    given = of._asdict() | {"place_id": (zone or {}).get("place_id"), "at_s": at_s}
    given |= {"hold_back_s": HOLD_BACK_S, "most": _MOST_CASES}
    found = []
    # A time is asked for by the minute, as lists show it: what happened within that minute is meant too.
    until_s = at_s + 60.0 if at_s % 60.0 == 0.0 else at_s
    for row in sorted(ask(connection, _NEAR, given), key=lambda each: each.opened_s):
        facts = row._asdict() | {"tenant": of.tenant}
        rests_on = (Event(row.type, row.event_id, row.ended_s or row.opened_s),)
        ended_s = row.ended_s if row.ended_s is not None else float("inf")
        began_s = row.opened_s if row.began_s is None else row.began_s
        if row.opened_s <= at_s <= ended_s or at_s <= row.opened_s < until_s:
            found.append(Finding("reported", "explains", facts, rests_on))
        elif began_s <= at_s < row.opened_s or at_s <= began_s < until_s:
            found.append(Finding("not_yet", "explains", facts, rests_on))
        elif row.withdrawn == "judged_false" and ended_s <= at_s <= ended_s + HOLD_BACK_S:
            found.append(Finding("held_back_here", "may_explain", facts, rests_on))
        elif row.state == "withdrawn" and ended_s <= at_s <= ended_s + SILENT_S:
            found.append(Finding("withdrawn_before", "may_explain", facts, rests_on))
    return found or [Finding("no_case", "excludes", {"cases": 0})]


def _drawn(drawn: Drawn | None, zone: dict[str, Any] | None) -> Finding:
    if drawn is None:
        return Finding("no_inventory", "unknown")
    rests_on = (Event("device.inventory", None, drawn.at_s),)
    if zone is None:
        return Finding("not_drawn", "unknown" if drawn.later else "explains", {}, rests_on)
    return Finding(
        "drawn_later" if drawn.later else "drawn",
        "unknown" if drawn.later else "excludes",
        {},
        rests_on,
    )


def _ruled(zone: dict[str, Any] | None, local: datetime) -> list[Finding]:
    if zone is None:
        return []
    rule = rule_at(zone, local)
    weighs: dict[str, Weighs] = {"in_force": "excludes", "unknown": "unknown"}
    facts = {"in_force": zone.get("in_force") or [], "permitted": zone.get("permitted") or []}
    facts["judged"] = [
        (each.get("kind"), each.get("allowed_s"))
        for each in zone.get("judged") or []
        if isinstance(each, dict)
    ]
    return [Finding(f"rule_{rule}", weighs.get(rule, "explains"), facts)]


def _alive(quiet: Silence, last: Heartbeat | None) -> Finding:
    facts = quiet._asdict() | {"length_s": quiet.length_s}
    rests_on = (Event(last.type, last.event_id, last.at_s),) if last else ()
    if quiet.before_s is None:
        return Finding(
            "never_heard_before", "explains" if quiet.after_s else "unknown", facts, rests_on
        )
    if quiet.after_s is None:
        return Finding("silent_since", "unknown", facts, rests_on)
    if (quiet.length_s or 0.0) <= SILENT_S:
        return Finding("alive", "excludes", facts, rests_on)
    if quiet.ran:
        return Finding("without_network", "excludes", facts, rests_on)
    return Finding("silent", "explains" if quiet.ran is False else "unknown", facts, rests_on)


def _seen(
    of: ZoneId, zone: dict[str, Any] | None, last: Heartbeat | None, at_s: float
) -> list[Finding]:
    """Could the zone be seen?"""
    if last is None or last.at_s < at_s - SILENT_S:
        return [Finding("view_unknown", "unknown")]
    rests_on = (Event(last.type, last.event_id, last.at_s),)
    camera_id = (zone or {}).get("camera_id")
    cameras = last.cameras()
    camera = cameras.get(camera_id) if isinstance(camera_id, str) else None
    for seen in cameras.values():
        if of.zone_id in seen.zones:
            facts = {
                "because": seen.zones[of.zone_id],
                "since_s": seen.since_s,
                "camera_id": camera_id,
            }
            return [Finding("zone_abstained", "explains", facts, rests_on)]
    if camera is None:
        return [Finding("view_unknown", "unknown", {"camera_id": camera_id}, rests_on)]
    facts = {"camera_id": camera_id, "since_s": camera.since_s}
    if camera.camera not in (None, "running"):
        return [Finding("camera_off", "explains", facts | {"because": camera.camera}, rests_on)]
    if camera.view not in (None, "good"):
        return [Finding("view_bad", "explains", facts | {"because": camera.view}, rests_on)]
    return [Finding("could_be_seen", "excludes", facts, rests_on)]


_GAPS: Final = """
WITH gap AS (
  SELECT epoch, first, last, why FROM missing WHERE tenant = %(tenant)s AND device = %(device)s AND why <> 'moved'
  UNION ALL SELECT epoch, first, last, 'lost' FROM lost WHERE tenant = %(tenant)s AND device = %(device)s
  UNION ALL SELECT epoch, sequence, sequence, 'refused' FROM refused
    WHERE tenant = %(tenant)s AND device = %(device)s
), dated AS (
  SELECT gap.*, before.at_s AS before_s, after.at_s AS after_s FROM gap
  LEFT JOIN LATERAL (
    SELECT t.occurred_s + t.shift_s AS at_s FROM numbered n
    JOIN told t ON (t.tenant, t.device, t.event_id) = (n.tenant, n.device, n.event_id)
    WHERE n.tenant = %(tenant)s AND n.device = %(device)s AND n.epoch = gap.epoch AND n.sequence < gap.first
    ORDER BY n.sequence DESC LIMIT 1
  ) AS before ON true
  LEFT JOIN LATERAL (
    SELECT t.occurred_s + t.shift_s AS at_s FROM numbered n
    JOIN told t ON (t.tenant, t.device, t.event_id) = (n.tenant, n.device, n.event_id)
    WHERE n.tenant = %(tenant)s AND n.device = %(device)s AND n.epoch = gap.epoch AND n.sequence > gap.last
    ORDER BY n.sequence LIMIT 1
  ) AS after ON true
)
SELECT why, sum(last - first + 1)::bigint AS numbers, min(before_s) AS before_s, max(after_s) AS after_s FROM dated
WHERE coalesce(before_s, '-infinity') <= %(until_s)s AND coalesce(after_s, 'infinity') >= %(at_s)s
GROUP BY why ORDER BY why"""


def _numbers(
    connection: psycopg.Connection[Any], of: ZoneId, at_s: float, within_s: float
) -> list[Finding]:
    """Is a number missing, or named lost, that an event of then may have had?"""
    given = of._asdict() | {"at_s": at_s, "until_s": at_s + within_s}
    gaps = ask(connection, _GAPS, given)
    if not gaps:
        return [Finding("numbers_whole", "excludes")]
    return [Finding(f"numbers_{row.why}", "may_explain", row._asdict()) for row in gaps]


def _clock(last: Heartbeat | None) -> Finding:
    if last is None:
        return Finding("clock_unknown", "unknown")
    rests_on = (Event(last.type, last.event_id, last.at_s),)
    if last.clock == "unsynchronised":
        return Finding("clock_unsure", "may_explain", {}, rests_on)
    return Finding("clock_good", "excludes", {"error_s": last.error_s}, rests_on)


_SUMMARY: Final = """
SELECT t.event_id, t.occurred_s + t.shift_s AS at_s, t.raw->'body'->>'complete' AS complete, z.value AS zone
FROM told t LEFT JOIN LATERAL (
  SELECT value FROM members(t.raw->'body'->'zones') WHERE type = 'object' AND value->>'zone_id' = %(zone_id)s
) AS z ON true
WHERE t.tenant = %(tenant)s AND t.device = %(device)s AND t.type = 'device.summary'
  AND t.raw->'body'->>'day' = %(day)s AND NOT t.test ORDER BY t.occurred_s"""


def _day(connection: psycopg.Connection[Any], of: ZoneId, local: datetime) -> list[Finding]:
    """What the day's summary counts of the zone: hours, warnings, what was kept from being a case."""
    day = local.date().isoformat()
    told = ask(connection, _SUMMARY, of._asdict() | {"day": day})
    told = [row for row in told if isinstance(row.zone, dict)]
    if not told:
        return [Finding("no_summary", "unknown", {"day": day})]
    rests_on = tuple(Event("device.summary", row.event_id, row.at_s) for row in told)
    hours = {
        name: sum(_figure(row.zone, name) for row in told)
        for name in ("sensing_s", "abstained_s", "blind_s")
    }
    complete = all(row.complete == "true" for row in told)
    found = [Finding("day_hours", "excludes", hours | {"day": day, "complete": complete}, rests_on)]
    counted = _counted([each for row in told for each in row.zone.get("cases") or []])
    kept = {name: {"day": day, "count": counted[name]} for name in counted if counted[name]}
    return found + [Finding(f"day_{name}", "may_explain", kept[name], rests_on) for name in kept]


def _counted(kinds: list[Any]) -> dict[str, int]:
    told = [each for each in kinds if isinstance(each, dict)]
    counts = {
        name: int(sum(_figure(each, name) for each in told))
        for name in ("warned_left", "held_back")
    }
    seen = [value for each in told for value in (each.get("suppressed") or {}).values()]
    return counts | {"suppressed": sum(value for value in seen if isinstance(value, int))}


def _figure(told: dict[str, Any], name: str) -> float:
    found = told.get(name)
    return float(found) if isinstance(found, int | float) else 0.0
