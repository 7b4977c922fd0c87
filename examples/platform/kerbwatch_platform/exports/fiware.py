"""Places as entities of FIWARE's smart data models (NGSI-LD): bins as WasteContainer, bays as OnStreetParking.

Both models demand a location: a zone without surveyed coordinates is left out, and counted. What a camera does not know
is not said: no level between empty and overflowing, no number of places in a bay. CGCS2000 is taken for WGS84, from
which it differs by less than a metre.

Sources: smart-data-models, dataModel.WasteManagement and dataModel.Parking, as of 2026; ETSI GS CIM 009 for NGSI-LD.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import psycopg

CORE_CONTEXT = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"
_MODELS = "https://raw.githubusercontent.com/smart-data-models"
_CRS = {"WGS84", "CGCS2000"}
OVERFLOWING = "overflowing_bin"

# Every zone of every device's newest inventory, with what is known of a kind of case in it now.
_ZONES = """
SELECT i.tenant, i.device, i.occurred_s, z.value, o.case_id, o.occurred_s, o.not_seen_because,
  u.case_id IS NOT NULL, v.view, v.occurred_s
FROM inventory_now i
JOIN event e ON e.type = 'device.inventory' AND (e.tenant, e.device) = (i.tenant, i.device)
  AND e.raw->'body'->>'inventory_id' = i.inventory_id
CROSS JOIN members(e.raw->'body'->'zones') AS z
LEFT JOIN LATERAL (SELECT c.case_id, c.occurred_s, c.not_seen_because FROM case_now c
  WHERE (c.tenant, c.device, c.zone_id, c.kind, c.state)
    = (i.tenant, i.device, z.value->>'zone_id', %(kind)s, 'open') LIMIT 1) AS o ON true
LEFT JOIN unknown_case u ON (u.tenant, u.device, u.case_id) = (i.tenant, i.device, o.case_id)
LEFT JOIN view_now v ON (v.tenant, v.device, v.camera_id) = (i.tenant, i.device, z.value->>'camera_id')
WHERE z.type = 'object' AND z.value->>'kind' = %(zone)s
ORDER BY i.tenant, i.device, z.value->>'zone_id'
"""


class Zone(NamedTuple):
    """A row of :data:`_ZONES`."""

    tenant: str
    device: str
    told_s: float | None
    facts: dict[str, Any]
    case_id: str | None
    case_s: float | None
    not_seen_because: str | None
    unknown: bool
    view: str | None
    view_s: float | None


class Exported(NamedTuple):
    """What there is.

    Attributes:
        entities: NGSI-LD, normalized.
        without_place: How many zones have no surveyed coordinates, and so no entity.
    """

    entities: list[dict[str, Any]]
    without_place: int


def waste_containers(connection: psycopg.Connection) -> Exported:
    """Each bin that is watched; ``fillingLevel`` 1 while it overflows.

    ``overflowing`` is ours, beside the model: false says that its camera sees, and no case is open.
    """
    return _exported(connection, "bin", "WasteContainer", "dataModel.WasteManagement", _bin)


def on_street_parking(connection: psycopg.Connection) -> Exported:
    """Each bay in which bikes may stand. How many places it has, and how many are free, nobody counts."""
    return _exported(connection, "bay", "OnStreetParking", "dataModel.Parking", _bay)


def _exported(
    connection: psycopg.Connection,
    zone: str,
    type_: str,
    model: str,
    special: Callable[[Zone], dict[str, Any]],
) -> Exported:
    rows = connection.execute(_ZONES, {"zone": zone, "kind": OVERFLOWING}).fetchall()
    entities = []
    for row in (Zone(*each) for each in rows):
        point = _point(row.facts.get("coordinates"))
        if point is None:
            continue
        name = ":".join((row.tenant, row.device, str(row.facts.get("zone_id"))))
        entities.append(
            {
                "id": f"urn:ngsi-ld:{type_}:{name}",
                "type": type_,
                "location": {
                    "type": "GeoProperty",
                    "value": {"type": "Point", "coordinates": point},
                },
                **_common(row),
                **special(row),
                "@context": [f"{_MODELS}/{model}/master/context.jsonld", CORE_CONTEXT],
            }
        )
    return Exported(entities, len(rows) - len(entities))


def _common(row: Zone) -> dict[str, Any]:
    facts, found = row.facts, {}
    names = facts.get("name")
    name = names.get("zh") if isinstance(names, dict) else None
    for key, value in (
        ("name", name),
        ("areaServed", facts.get("grid_code")),
        ("address", {"streetAddress": facts["address"]} if facts.get("address") else None),
    ):
        if value:
            found[key] = _property(value)
    return found


def _bin(row: Zone) -> dict[str, Any]:
    unit = row.facts.get("responsible_unit")
    found = {"responsible": _property(unit)} if unit else {}
    if row.case_id is not None:
        if row.unknown or row.not_seen_because is not None:
            return found  # neither standing nor gone: nobody can see
        seen = _moment(row.case_s)
        return found | {"fillingLevel": _property(1, seen), "overflowing": _property(True, seen)}
    if row.view == "good":
        found["overflowing"] = _property(False, _moment(row.view_s))
    return found


def _bay(_: Zone) -> dict[str, Any]:
    return {"allowedVehicleType": _property("bicycle")}


def _property(value: Any, observed_at: str | None = None) -> dict[str, Any]:
    told = {"type": "Property", "value": value}
    return told if observed_at is None else told | {"observedAt": observed_at}


def _moment(seconds: float | None) -> str | None:
    """NGSI-LD takes UTC with a Z (ETSI GS CIM 009, 4.6.3)."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _point(told: Any) -> list[float] | None:
    """Longitude and latitude, in that order (RFC 7946, 3.1.1)."""
    if not isinstance(told, dict) or told.get("crs") not in _CRS:
        return None
    point = [told.get("longitude"), told.get("latitude")]
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in point)
    return [float(each) for each in point] if numbers else None  # type: ignore[arg-type]


ENTITIES: dict[str, Callable[[psycopg.Connection], Exported]] = {
    "waste-containers": waste_containers,
    "on-street-parking": on_street_parking,
}
