"""Zones and their places: what is drawn now, and what was drawn at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kerbwatch_platform.web.queries.rows import ask, ask_for, ask_one

if TYPE_CHECKING:
    import psycopg

PAGE_SIZE: Final = 200
"""Of places: a grid and a unit each."""
MOST_ZONES: Final = 50
"""So many are offered at once; who seeks another one types more of its name."""


class ZoneId(NamedTuple):
    """Which zone."""

    tenant: str
    device: str
    zone_id: str


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone of a device's newest inventory, and what is open there."""

    tenant: str
    device: str
    zone_id: str
    camera_id: str
    kind: str
    place_id: str | None
    name_zh: str | None
    name_en: str | None
    address: str | None
    grid: str | None
    unit: str | None
    unit_name: str | None

    @property
    def id(self) -> ZoneId:
        return ZoneId(self.tenant, self.device, self.zone_id)


_DRAWN: Final = """
SELECT i.tenant, i.device, z.value->>'zone_id' AS zone_id, z.value->>'camera_id' AS camera_id,
  z.value->>'kind' AS kind, z.value->>'place_id' AS place_id, z.value->'name'->>'zh' AS name_zh,
  z.value->'name'->>'en' AS name_en, z.value->>'address' AS address, z.value->>'grid_code' AS grid,
  coalesce(z.value->>'responsible_unit_id', z.value->>'responsible_unit') AS unit,
  coalesce(z.value->>'responsible_unit', z.value->>'responsible_unit_id') AS unit_name
FROM inventory_now i JOIN told t ON t.type = 'device.inventory' AND (t.tenant, t.device) = (i.tenant, i.device)
  AND t.raw->'body'->>'inventory_id' = i.inventory_id
CROSS JOIN members(t.raw->'body'->'zones') AS z WHERE z.type = 'object'"""
"""As the view ``zone_now``, and the unit's name beside its id."""
_ZONES: Final = f"SELECT z.* FROM ({_DRAWN}) AS z"


def zones(
    connection: psycopg.Connection[Any], wanted: str = "", *, most: int = MOST_ZONES
) -> list[Zone]:
    """Zones whose name, address, grid, place or device has these words; any where there are none."""
    like = "%" + wanted.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    text = (
        _ZONES
        + """
WHERE concat_ws(' ', z.name_zh, z.name_en, z.address, z.grid, z.place_id, z.device, z.zone_id) ILIKE %s
ORDER BY z.grid NULLS LAST, z.tenant, z.device, z.zone_id LIMIT %s"""
    )
    return ask_for(connection, Zone, text, (like, most))


def zone(connection: psycopg.Connection[Any], of: ZoneId) -> Zone | None:
    """One zone as it is drawn now."""
    text = _ZONES + " WHERE (z.tenant, z.device, z.zone_id) = (%s, %s, %s)"
    return next(iter(ask_for(connection, Zone, text, of)), None)


class Place(NamedTuple):
    """A grid and a unit: how many zones are watched there, and what is open."""

    grid: str | None
    unit: str | None
    unit_name: str | None
    zones: int
    open: int
    undecided: int
    not_seen: int
    late: int
    oldest_s: float | None


_PLACES: Final = f"""
WITH drawn AS (
  SELECT grid, unit, min(unit_name) AS unit_name, count(*) AS zones FROM ({_DRAWN}) AS z GROUP BY 1, 2
), standing AS (
  SELECT c.raw->'body'->'place'->>'grid_code' AS grid, c.unit,
    min(coalesce(c.raw->'body'->'place'->>'responsible_unit', c.unit)) AS unit_name, count(*) AS open,
    count(*) FILTER (WHERE v.number IS NULL) AS undecided,
    count(*) FILTER (WHERE c.not_seen_because IS NOT NULL) AS not_seen,
    count(*) FILTER (WHERE c.opened_s + c.sla_s < %s) AS late, min(c.opened_s) AS oldest_s
  FROM case_now c LEFT JOIN verdict_now v ON (v.tenant, v.device, v.case_id) = (c.tenant, c.device, c.case_id)
  WHERE c.state = 'open' GROUP BY 1, 2
), place AS (
  SELECT grid, unit FROM drawn UNION SELECT grid, unit FROM standing
)
SELECT p.grid, p.unit, coalesce(s.unit_name, d.unit_name, p.unit) AS unit_name, coalesce(d.zones, 0) AS zones,
  coalesce(s.open, 0) AS open, coalesce(s.undecided, 0) AS undecided, coalesce(s.not_seen, 0) AS not_seen,
  coalesce(s.late, 0) AS late, s.oldest_s, count(*) OVER () AS total
FROM place p
LEFT JOIN drawn d ON d.grid IS NOT DISTINCT FROM p.grid AND d.unit IS NOT DISTINCT FROM p.unit
LEFT JOIN standing s ON s.grid IS NOT DISTINCT FROM p.grid AND s.unit IS NOT DISTINCT FROM p.unit
ORDER BY p.grid NULLS LAST, 3 NULLS LAST, p.unit NULLS LAST LIMIT %s OFFSET %s"""


def places(
    connection: psycopg.Connection[Any], *, page: int = 1, now_s: float
) -> tuple[list[Place], int]:
    """A page of the grids and units that have a zone or an open case, and how many there are in all.

    A grid that nobody told stays unknown. Beyond the last page there is nothing, and nothing in all.
    """
    given = (now_s, PAGE_SIZE, (max(1, page) - 1) * PAGE_SIZE)
    rows = ask(connection, _PLACES, given)
    return [Place(*row[:-1]) for row in rows], rows[0].total if rows else 0


class Drawn(NamedTuple):
    """A device's inventory as it was at a time.

    ``later``: it is from after that time, because there is none from before.
    """

    inventory_id: str
    at_s: float
    later: bool
    timezone: str | None
    zones: dict[str, dict[str, Any]]


_INVENTORY: Final = """
SELECT t.raw->'body'->>'inventory_id' AS inventory_id, max(t.occurred_s + t.shift_s) AS at_s
FROM told t WHERE t.type = 'device.inventory' AND t.tenant = %(tenant)s AND t.device = %(device)s
GROUP BY 1 HAVING count(DISTINCT t.raw->'body'->>'part') = max(whole(t.raw->'body'->>'parts'))
ORDER BY max(t.occurred_s + t.shift_s) > %(at_s)s, abs(max(t.occurred_s + t.shift_s) - %(at_s)s) LIMIT 1"""
_PARTS: Final = """
SELECT t.raw->'body' AS body FROM told t WHERE t.type = 'device.inventory' AND t.tenant = %(tenant)s
  AND t.device = %(device)s AND t.raw->'body'->>'inventory_id' = %(inventory_id)s"""


def drawn_at(
    connection: psycopg.Connection[Any], tenant: str, device: str, at_s: float
) -> Drawn | None:
    """The whole inventory that held at a time; None: no whole one has come."""
    given: dict[str, Any] = {"tenant": tenant, "device": device, "at_s": at_s}
    found = ask_one(connection, _INVENTORY, given)
    if found is None:
        return None
    parts = ask(connection, _PARTS, given | {"inventory_id": found.inventory_id})
    bodies = [row.body for row in parts if isinstance(row.body, dict)]
    timezone = next(
        (b["device"].get("timezone") for b in bodies if isinstance(b.get("device"), dict)), None
    )
    told = (z for b in bodies for z in b.get("zones") or [] if isinstance(z, dict))
    by_id = {str(each.get("zone_id")): each for each in told}
    return Drawn(found.inventory_id, found.at_s, found.at_s > at_s, timezone, by_id)


Rule = Literal["in_force", "out_of_hours", "permitted", "judges_nothing", "unknown"]


def rule_at(zone: dict[str, Any], local: datetime) -> Rule:
    """Whether a zone's rule held at a local time, as its inventory says."""
    if not zone.get("judged"):
        return "judges_nothing"
    in_force, permitted = zone.get("in_force"), zone.get("permitted")
    if not isinstance(in_force, list) or not isinstance(permitted, list):
        return "unknown"  # more than 32 stretches are not told
    try:
        excused = any(_holds(each, local) for each in permitted)
        ruled = not in_force or any(_holds(each, local) for each in in_force)
    except (KeyError, TypeError, ValueError):
        return "unknown"
    if excused:
        return "permitted"
    return "in_force" if ruled else "out_of_hours"


def _holds(hours: dict[str, Any], local: datetime) -> bool:
    begin, end = time.fromisoformat(hours["begin"]), time.fromisoformat(hours["end"])
    at, today, days = local.time(), local.isoweekday(), hours["days"]
    if begin < end:
        return today in days and begin <= at < end
    yesterday = (local - timedelta(days=1)).isoweekday()
    return (today in days and at >= begin) or (yesterday in days and at < end)


def zone_of(name: str | None, otherwise: str) -> ZoneInfo:
    """A time zone by its name; the city's where this machine knows none of that name."""
    try:
        return ZoneInfo(name or otherwise)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(otherwise)
