"""Implausible coordinates: zeros, swapped axes, another country.

The site's country is inferred from its time zone, and from codes that only Chinese cities use. The bounds are
coarse: they find typing errors, not survey errors.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.config.plausibility.remark import Remark, at_zone
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration, SiteSection
    from agent.protocol.base import Coordinates

CHINESE_TIME = frozenset(
    {
        "Asia/Shanghai",
        "Asia/Urumqi",
        "Asia/Chongqing",
        "Asia/Chungking",
        "Asia/Harbin",
        "Asia/Kashgar",
        "PRC",
    }
)
CHINA_LATITUDES, CHINA_LONGITUDES = (3.0, 54.0), (73.0, 136.0)
OFF_MERIDIAN_DEG = 50.0
"""No place keeps the time of a meridian further away than this."""
PLACELESS_TIME = ("Etc/", "UTC", "GMT", "Zulu", "Universal", "UCT", "Greenwich")
NULL_ISLAND_DEG = 0.1
CORNER_KM = 1.0
"""No camera sees further; what lies in its zones lies nearer."""
KM_PER_DEG = 111.2


def remarks(configuration: Configuration) -> Iterator[Remark]:
    """Remarks on implausible coordinates of the site and of its zones."""
    site = configuration.site
    if site.coordinates is not None:
        for what in _oddities(site.coordinates, site):
            yield _remark(said("{where}: {message}", where="site.coordinates", message=what))
    for index, zone in enumerate(configuration.zones):
        if zone.coordinates is None:
            continue
        odd = [*_oddities(zone.coordinates, site), *_far_away(zone.coordinates, site)]
        for what in odd[:1]:  # what lies in another country is far away as well
            yield _remark(at_zone(index, "coordinates", zone.zone_id, what))


def _remark(what: Said) -> Remark:
    return Remark(
        what,
        said("Events carry this point, and the platform shows them there."),
        said(
            "Take longitude and latitude from the survey, in CGCS2000 or WGS84; leave coordinates out"
            " until they are surveyed."
        ),
    )


def _oddities(point: Coordinates, site: SiteSection) -> Iterator[Said]:
    here = said(
        "longitude {longitude:g}, latitude {latitude:g}",
        longitude=point.longitude,
        latitude=point.latitude,
    )
    if max(abs(point.longitude), abs(point.latitude)) < NULL_ISLAND_DEG:
        yield said("{here} is a point in the Gulf of Guinea: it was never filled in", here=here)
    elif not _is_plausible(point.longitude, point.latitude, site):
        if _is_plausible(point.latitude, point.longitude, site):
            yield said("{here}: the two are swapped", here=here)
        elif _is_chinese(site):
            yield said("{here} lies outside China, where the site is by its own account", here=here)
        else:
            yield said(
                "{here} lies too far east or west for the time zone {timezone}",
                here=here,
                timezone=site.timezone,
            )


def _is_chinese(site: SiteSection) -> bool:
    """Whether the site is in China, by its time zone or a code that only Chinese cities use."""
    return site.timezone in CHINESE_TIME or bool(site.grid_code or site.gbt_28181_id)


def _is_plausible(longitude: float, latitude: float, site: SiteSection) -> bool:
    if _is_chinese(site):
        (south, north), (west, east) = CHINA_LATITUDES, CHINA_LONGITUDES
        return south <= latitude <= north and west <= longitude <= east
    if abs(latitude) > 90 or site.timezone.startswith(PLACELESS_TIME):
        return abs(latitude) <= 90
    return _off_meridian_deg(longitude, site.timezone) <= OFF_MERIDIAN_DEG


def _off_meridian_deg(longitude: float, timezone: str) -> float:
    """Distance in degrees from the meridian of its standard time."""
    at = datetime(2026, 1, 1, tzinfo=UTC).astimezone(ZoneInfo(timezone))
    offset, summer = at.utcoffset(), at.dst()
    assert offset is not None
    standard_s = offset.total_seconds() - (0.0 if summer is None else summer.total_seconds())
    away = (longitude - standard_s / 240.0) % 360.0  # a degree is four minutes
    return min(away, 360.0 - away)


def _far_away(point: Coordinates, site: SiteSection) -> Iterator[Said]:
    """Remark on a zone that is further from its site than any camera sees."""
    if site.coordinates is None:
        return
    north_km = KM_PER_DEG * (point.latitude - site.coordinates.latitude)
    shrunk = KM_PER_DEG * math.cos(math.radians(site.coordinates.latitude))
    east_km = shrunk * (point.longitude - site.coordinates.longitude)
    away_km = math.hypot(north_km, east_km)
    if away_km > CORNER_KM:
        yield said("{km:.1f} km away from the site's own coordinates", km=away_km)
