"""Devices: who is silent, which cameras are blind, whose numbers have gaps, whose clock cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kerbwatch_platform.web.queries.rows import ask, ask_for
from kerbwatch_platform.web.queries.signs import SILENT_S, Heartbeat, Seen, heartbeat

if TYPE_CHECKING:
    import psycopg

PAGE_SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class Health:
    """What the store has of one device.

    Attributes:
        heard_s: Its newest sign of life; None: none has come.
        online: As its ``state`` says; None: it said nothing.
        down_because: Why it was taken down, if it was; it is not missed then.
        awaited: Numbers that are neither there nor named, and may still come; ``gone`` those that will not.
        lost: Numbers that it has named lost, with its signature.
        refused: Events that broke the envelope.
        clones: Epochs that two cards have gone on from, or in: one memory that there are two of.
        conflicts: Numbers under which another event came.
        other_keys: Births with another key than the first one.
        resets: Epochs that began because a database was missing, damaged or set back.
        set_aside: Messages with no number that could be told.
        not_moved: Epochs of which more went than came.
    """

    tenant: str
    device: str
    heard_s: float | None
    online: bool | None
    down_because: str | None
    awaited: int
    gone: int
    lost: int
    refused: int
    clones: int
    conflicts: int
    other_keys: int
    resets: int
    set_aside: int
    not_moved: int

    def silent(self, now_s: float) -> bool:
        """Whether it should have said something by now, and has not."""
        if self.down_because is not None:
            return False
        return self.heard_s is None or self.heard_s < now_s - SILENT_S


class Row(NamedTuple):
    """A device of the list: what the store has of it, and what it said of itself last."""

    health: Health
    said: Heartbeat | None
    cameras: dict[str, Seen]

    @property
    def blind(self) -> dict[str, Seen]:
        """Cameras that cannot see, or of which a zone cannot be seen."""
        return {
            name: seen
            for name, seen in self.cameras.items()
            if seen.view not in (None, "good") or seen.camera not in (None, "running") or seen.zones
        }


_KNOWN: Final = """
WITH known AS (
  SELECT tenant, device FROM receipted UNION SELECT tenant, device FROM device_key
  UNION SELECT tenant, device FROM heartbeat_now UNION SELECT tenant, device FROM inventory_now
)
SELECT k.tenant, k.device, h.occurred_s, count(*) OVER () AS total
FROM known k LEFT JOIN heartbeat_now h ON (h.tenant, h.device) = (k.tenant, k.device)
ORDER BY h.occurred_s NULLS FIRST, k.tenant, k.device LIMIT %(most)s OFFSET %(skipped)s"""
_HEALTH: Final = """
SELECT d.tenant, d.device, d.heard_s, s.online, (
    SELECT t.raw->'body'->>'reason' FROM told t
    WHERE t.tenant = d.tenant AND t.device = d.device AND t.type = 'device.decommissioned'
      AND t.occurred_s + t.shift_s >= coalesce(d.heard_s - 60, 0) ORDER BY t.occurred_s DESC LIMIT 1
  ) AS down_because,
  m.awaited, m.gone,
  (SELECT coalesce(sum(l.last - l.first + 1), 0)::bigint FROM lost l
    WHERE (l.tenant, l.device) = (d.tenant, d.device)) AS lost,
  (SELECT count(*) FROM refused r WHERE (r.tenant, r.device) = (d.tenant, d.device)) AS refused,
  (SELECT count(*) FROM cloned c WHERE c.tenant = d.tenant AND c.device = d.device) AS clones,
  (SELECT count(*) FROM conflicting c WHERE c.tenant = d.tenant AND c.device = d.device) AS conflicts,
  (SELECT count(*) FROM event e JOIN device_key k ON (k.tenant, k.device) = (e.tenant, e.device)
    WHERE e.tenant = d.tenant AND e.device = d.device AND e.type = 'device.birth'
      AND e.raw->'body'->'signing_key'->>'x' IS NOT NULL
      AND position(e.raw->'body'->'signing_key'->>'x' in k.key) = 0) AS other_keys,
  (SELECT count(*) FROM birth b WHERE b.tenant = d.tenant AND b.device = d.device AND b.sequence = 1
    AND b.because IN ('missing', 'quarantined', 'rolled_back', 'copied')) AS resets,
  (SELECT count(*) FROM set_aside a WHERE (a.tenant, a.device) = (d.tenant, d.device)) AS set_aside,
  (SELECT count(*) FROM moved v WHERE v.tenant = d.tenant AND v.device = d.device AND v.gone <> v.came) AS not_moved
FROM unnest(%(tenants)s::text[], %(devices)s::text[], %(heard)s::double precision[]) AS d(tenant, device, heard_s)
LEFT JOIN device_state s ON (s.tenant, s.device) = (d.tenant, d.device)
CROSS JOIN LATERAL (
  SELECT coalesce(sum(last - first + 1) FILTER (WHERE why = 'awaited'), 0)::bigint AS awaited,
    coalesce(sum(last - first + 1) FILTER (WHERE why IN ('set_back', 'unknown')), 0)::bigint AS gone
  FROM missing m WHERE m.tenant = d.tenant AND m.device = d.device
) AS m"""


def devices(
    connection: psycopg.Connection[Any], *, page: int, now_s: float
) -> tuple[list[Row], int]:
    """A page of the devices, the longest silent first; and how many there are in all."""
    skipped = max(0, page - 1) * PAGE_SIZE
    known = ask(connection, _KNOWN, {"most": PAGE_SIZE, "skipped": skipped})
    found = _healths(connection, [(row.tenant, row.device, row.occurred_s) for row in known])
    return [_row(connection, each, now_s) for each in found], known[0].total if known else 0


def device(
    connection: psycopg.Connection[Any], tenant: str, name: str, *, now_s: float
) -> Row | None:
    """One device; None: nothing of it has come."""
    text = "SELECT max(occurred_s) FROM heartbeat_now WHERE tenant = %s AND device = %s"
    [[heard_s]] = ask(connection, text, (tenant, name))
    there = "SELECT 1 AS there FROM numbered WHERE tenant = %s AND device = %s LIMIT 1"
    if not ask(connection, there, (tenant, name)):
        return None
    [found] = _healths(connection, [(tenant, name, heard_s)])
    return _row(connection, found, now_s)


def _healths(
    connection: psycopg.Connection[Any], of: list[tuple[str, str, float | None]]
) -> list[Health]:
    given = {
        "tenants": [t for t, _, _ in of],
        "devices": [d for _, d, _ in of],
        "heard": [s for *_, s in of],
    }
    healths = ask_for(connection, Health, _HEALTH, given)
    by_name = {(each.tenant, each.device): each for each in healths}
    return [by_name[tenant, name] for tenant, name, _ in of]


def _row(connection: psycopg.Connection[Any], health: Health, now_s: float) -> Row:
    said = heartbeat(connection, health.tenant, health.device, now_s)
    return Row(health, said, {} if said is None else said.cameras())


class Gap(NamedTuple):
    """Numbers that are missing, and why; ``lost``: named lost by the device, with its reason."""

    epoch: str
    first: int
    last: int
    why: str
    reason: str | None


def gaps(
    connection: psycopg.Connection[Any], tenant: str, name: str, *, most: int = 100
) -> list[Gap]:
    """What of a device's numbers is not there."""
    text = """
SELECT epoch, first, last, why, NULL AS reason FROM missing WHERE tenant = %(tenant)s AND device = %(device)s
UNION ALL SELECT epoch, first, last, 'lost', reason FROM lost WHERE tenant = %(tenant)s AND device = %(device)s
UNION ALL SELECT epoch, sequence, sequence, 'refused', code FROM refused
  WHERE tenant = %(tenant)s AND device = %(device)s
ORDER BY 1, 2 LIMIT %(most)s"""
    given = {"tenant": tenant, "device": name, "most": most}
    return ask_for(connection, Gap, text, given)


class Boot(NamedTuple):
    """A clock that was set: by how much, when, and how good it was before and after."""

    at_s: float | None
    offset_s: float | None
    from_state: str | None
    to_state: str | None


def clocks(
    connection: psycopg.Connection[Any], tenant: str, name: str, *, most: int = 20
) -> list[Boot]:
    """The newest corrections of a device's clock."""
    text = """
SELECT occurred_s + shift_s AS at_s, number(raw->'body'->>'offset_s') AS offset_s,
  raw->'body'->>'from_state' AS from_state, raw->'body'->>'to_state' AS to_state
FROM told WHERE tenant = %s AND device = %s AND type = 'device.clock' ORDER BY 1 DESC NULLS LAST LIMIT %s"""
    return ask_for(connection, Boot, text, (tenant, name, most))


class Start(NamedTuple):
    """An epoch of a device: when it began, of what, and after which one."""

    epoch: str
    at_s: float | None
    because: str | None
    predecessor: str | None
    carried: int | None


def starts(
    connection: psycopg.Connection[Any], tenant: str, name: str, *, most: int = 20
) -> list[Start]:
    """The newest epochs of a device."""
    text = """
SELECT epoch, occurred_s AS at_s, because, predecessor, carried FROM birth
WHERE tenant = %s AND device = %s AND sequence = 1 ORDER BY at_s DESC NULLS LAST LIMIT %s"""
    return ask_for(connection, Start, text, (tenant, name, most))
