"""Signs of life of a device, and what it said of itself at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kerbwatch_platform.web.queries.rows import ask, ask_one

if TYPE_CHECKING:
    import psycopg

SILENT_S: Final = 900.0
"""A device that is connected says something at least this often (docs/platform/events.md)."""


class Seen(NamedTuple):
    """What a device said of one of its cameras: ``view`` and since when; ``zones`` that abstain, with the reason.

    ``camera`` is the state of the camera itself: ``running``, or what is the matter. None: it did not say.
    """

    view: str | None
    since_s: float | None
    zones: dict[str, str]
    camera: str | None
    told_s: float


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The newest sign of life before a time; changes are held against the full one that they name.

    ``type`` is of the event itself: ``device.heartbeat`` or ``device.changes``. ``fields`` has, by name, what was said
    and when.
    """

    type: str
    event_id: str
    at_s: float
    clock: str | None
    error_s: float | None
    fields: dict[str, tuple[Any, float]]

    def get(self, name: str) -> Any:
        """A field's value; None where it was not said."""
        return self.fields.get(name, (None, 0.0))[0]

    def cameras(self) -> dict[str, Seen]:
        """What it says of each camera."""
        views, told_s = self.fields.get("views", ({}, self.at_s))
        health, _ = self.fields.get("camera_health", ({}, self.at_s))
        return {
            name: _seen(_dict(_dict(views).get(name)), _dict(_dict(health).get(name)), told_s)
            for name in sorted({*_dict(views), *_dict(health)})
        }


def _seen(view: dict[str, Any], health: dict[str, Any], told_s: float) -> Seen:
    for_s = view.get("for_s")
    return Seen(
        view.get("view") if isinstance(view.get("view"), str) else None,
        told_s - for_s if isinstance(for_s, int | float) else None,
        {str(zone): str(why) for zone, why in _dict(view.get("abstaining")).items()},
        health.get("state") if isinstance(health.get("state"), str) else None,
        told_s,
    )


_UP_TO: Final = """
  SELECT t.* FROM told t
  WHERE t.tenant = %(tenant)s AND t.device = %(device)s AND t.type IN ('device.heartbeat', 'device.changes')
    AND t.occurred_s + t.shift_s <= %(at_s)s
  ORDER BY t.occurred_s + t.shift_s DESC LIMIT 1"""
_NEWEST_OF_ALL: Final = """
  SELECT t.* FROM newest_sign n JOIN told t ON (t.tenant, t.device, t.event_id) = (n.tenant, n.device, n.event_id)
  WHERE n.tenant = %(tenant)s AND n.device = %(device)s AND n.at_s > '-Infinity' AND n.at_s <= %(at_s)s"""
_SAID: Final = """
SELECT h.event_id, h.occurred_s + h.shift_s AS at_s, h.raw->'clock'->>'state' AS clock,
  number(h.raw->'clock'->>'error_s') AS error_s, h.type, h.raw->'body' AS body,
  f.raw->'body' AS whole, f.occurred_s + f.shift_s AS whole_at_s
FROM ({sign}) AS h LEFT JOIN told f ON (f.tenant, f.device, f.event_id) = (%(tenant)s, %(device)s, h.raw->'body'->>'of')"""


def heartbeat(
    connection: psycopg.Connection[Any], tenant: str, device: str, at_s: float
) -> Heartbeat | None:
    """What a device said of itself last, up to a time in seconds since 1970."""
    given = {"tenant": tenant, "device": device, "at_s": at_s}
    # Mostly it is asked about now: then the newest of all is known, and nobody looks through the others.
    row = ask_one(connection, _SAID.format(sign=_NEWEST_OF_ALL), given)
    row = row or ask_one(connection, _SAID.format(sign=_UP_TO), given)
    if row is None:
        return None
    body = _dict(row.body)
    if row.type == "device.heartbeat":
        fields = {name: (value, row.at_s) for name, value in body.items()}
    else:
        fields = {name: (value, row.whole_at_s) for name, value in _dict(row.whole).items()}
        fields |= {name: (value, row.at_s) for name, value in _dict(body.get("changed")).items()}
    return Heartbeat(row.type, row.event_id, row.at_s, row.clock, row.error_s, fields)


class Silence(NamedTuple):
    """The signs of life around a time: the last before it, the first after it; None: there is none.

    ``ran`` says whether the device ran in between, by its own uptime: it may have been without a network. None:
    nobody knows. ``began_because``: of what it began again, where a new epoch begins after it.
    """

    before_s: float | None
    after_s: float | None
    ran: bool | None
    began_because: str | None

    @property
    def length_s(self) -> float | None:
        if self.before_s is None or self.after_s is None:
            return None
        return self.after_s - self.before_s


_AROUND: Final = """
SELECT max(s.at_s) FILTER (WHERE s.at_s <= %(at_s)s), min(s.at_s) FILTER (WHERE s.at_s > %(at_s)s)
FROM (
  SELECT t.occurred_s + t.shift_s AS at_s FROM told t WHERE t.tenant = %(tenant)s AND t.device = %(device)s
) AS s"""
_AFTER: Final = """
SELECT t.type, t.occurred_s + t.shift_s AS at_s, number(t.raw->'body'->>'uptime_s') AS uptime_s,
  t.raw->'body'->>'because' AS because
FROM told t
WHERE t.tenant = %(tenant)s AND t.device = %(device)s AND t.type IN ('device.birth', 'device.heartbeat')
  AND t.occurred_s + t.shift_s > %(at_s)s
ORDER BY t.occurred_s + t.shift_s LIMIT 4"""


def silence(connection: psycopg.Connection[Any], tenant: str, device: str, at_s: float) -> Silence:
    """The signs of life around a time, in seconds since 1970: every event is one."""
    given = {"tenant": tenant, "device": device, "at_s": at_s}
    [[before_s, after_s]] = ask(connection, _AROUND, given)
    later = ask(connection, _AFTER, given)
    up = next((row for row in later if row.uptime_s is not None), None)
    born = next((row for row in later if row.type == "device.birth"), None)
    ran = None
    if up is not None and before_s is not None:
        ran = up.at_s - up.uptime_s <= before_s + 1
    return Silence(
        before_s, after_s, ran, born.because if born is not None and ran is False else None
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
