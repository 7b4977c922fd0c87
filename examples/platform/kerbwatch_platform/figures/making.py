"""From the sums of SQL to the rows that people see: hours, minutes, shares and their intervals."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.figures import intervals

if TYPE_CHECKING:
    from kerbwatch_platform.figures.question import Row

ALL = "all"
"""Stands for every operator, or every place, in a line of sums."""
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
ENOUGH = 0.25
"""Of the hours asked for: what stood is known over longer than was seen, and no rate is made of a few minutes."""
_ZoneDay = tuple[str, str, str]


def operators(found: list[Row]) -> list[Row]:
    """Per operator, and all together: bikes, minutes, both per hour of being able to see, and its share of the bikes."""
    by_tenant: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        by_tenant[row["tenant"]].append(row)
    return [
        line for tenant in sorted(by_tenant) for line in _operators_of(tenant, by_tenant[tenant])
    ]


def _operators_of(tenant: str, found: list[Row]) -> list[Row]:
    seen: dict[_ZoneDay, int] = defaultdict(int)
    stood: dict[str, dict[_ZoneDay, tuple[int, int]]] = defaultdict(dict, {ALL: {}})
    asked_ms = 0
    for row in found:
        place = (row["device"], row["zone_id"], row["day"])
        if row["operator"] is None:
            seen[place] += row["seen_ms"]
            asked_ms += row["asked_ms"]
        else:
            stood[row["operator"]][place] = (row["bikes"], row["stood_ms"])
            of_all = stood[ALL].get(place, (0, 0))
            stood[ALL][place] = (of_all[0] + row["bikes"], of_all[1] + row["stood_ms"])
    # A day of which nothing is known says nothing of how much days differ.
    places = sorted({place for place, ms in seen.items() if ms > 0} | stood[ALL].keys())
    hours = [seen[place] for place in places]
    every = [stood[ALL].get(place, (0, 0))[0] for place in places]
    lines = []
    for name in sorted(stood, key=lambda each: (each == ALL, each)):
        bikes = [stood[name].get(place, (0, 0))[0] for place in places]
        ms = [stood[name].get(place, (0, 0))[1] for place in places]
        share = intervals.ratio(bikes, every) if name != ALL else None
        lines.append(
            {
                "tenant": tenant,
                "operator": name,
                "bikes": sum(bikes),
                **_with("share", _over(sum(bikes), sum(every)), share),
                "minutes": sum(ms) / MINUTE_MS,
                **_with(
                    "bikes_per_hour",
                    _over(sum(bikes) * HOUR_MS, sum(hours)),
                    _times(intervals.ratio(bikes, hours), HOUR_MS),
                ),
                **_with(
                    "minutes_per_hour",
                    _over(sum(ms) * 60, sum(hours)),
                    _times(intervals.ratio(ms, hours), 60),
                ),
                "seen_hours": sum(hours) / HOUR_MS,
                "asked_hours": asked_ms / HOUR_MS,
            }
        )
    return lines


def sanitation(found: list[Row]) -> list[Row]:
    """Per unit and kind."""
    return [
        _only(row, "tenant", "unit", "kind", "opened", "cleared", "standing", "otherwise")
        | {
            "minutes": row["stood_ms"] / MINUTE_MS,
            "median_minutes": _minutes(row["median_ms"]),
            "p90_minutes": _minutes(row["p90_ms"]),
            "longest_minutes": _minutes(row["longest_ms"]),
            "within_sla": row["within_sla"],
            "with_sla": row["with_sla"],
            **_with(
                "within_share",
                _over(row["within_sla"], row["with_sla"]),
                intervals.wilson(row["within_sla"], row["with_sla"]),
            ),
            **_per_hour(row["opened"], row["seen_ms"]),
            **_hours(row),
        }
        for row in _sorted(found, "tenant", "unit", "kind")
    ]


def overflows(found: list[Row]) -> list[Row]:
    """Each overflow, by when it opened."""
    names = ("tenant", "unit", "kind", "place_id", "address", "device", "case_id")
    times = ("began_ms", "opened_ms", "stood_until_ms", "ended_ms")
    return [
        _only(row, *names)
        | {name.removesuffix("_ms"): row[name] for name in times}
        | {
            "ended_how": row["ended"],
            "took_minutes": _minutes(row["took_ms"]),
            "sla_minutes": _minutes(row["sla_ms"]),
            **_only(row, "not_seen_because", "verdict"),
        }
        for row in _sorted(found, "tenant", "opened_ms", "device", "case_id")
    ]


def vending(found: list[Row]) -> list[Row]:
    """Per place, day of the week and hour."""
    return [
        _only(row, "tenant", "place_id", "weekday", "hour", "opened")
        | {
            "minutes": row["stood_ms"] / MINUTE_MS,
            **_per_hour(row["opened"], row["seen_ms"]),
            "minutes_per_hour": minutes_per_hour(
                row["stood_ms"] / MINUTE_MS, row["seen_ms"] / HOUR_MS, row["asked_ms"] / HOUR_MS
            ),
            **_hours(row),
        }
        for row in _sorted(found, "tenant", "place_id", "weekday", "hour")
    ]


def minutes_per_hour(minutes: float, seen: float, asked: float) -> float | None:
    """A rate, where enough of the hours asked for could be seen."""
    return minutes / seen if seen > 0 and seen >= ENOUGH * asked else None


def hot_spots(found: list[Row]) -> list[Row]:
    """Per place and kind, the most recurring first."""
    lines = [
        _only(row, "tenant", "place_id", "kind", "address", "cases", "again")
        | {
            **_with(
                "again_share",
                _over(row["again"], row["cases"]),
                intervals.wilson(row["again"], row["cases"]),
            ),
            "soonest_hours": None if row["soonest_ms"] is None else row["soonest_ms"] / HOUR_MS,
            "minutes": row["stood_ms"] / MINUTE_MS,
            **_per_hour(row["cases"], row["seen_ms"], name="cases_per_hour"),
            **_hours(row),
        }
        for row in _sorted(found, "tenant", "place_id", "kind")
    ]
    return sorted(lines, key=lambda row: (-row["again"], -row["cases"]))


def night(found: list[Row]) -> list[Row]:
    """Per night and kind: all places together, then each at which something stood."""
    counts = ("cases", "opened", "cleared", "left_standing")
    lines = _sorted(found, "night", "tenant", "kind", "place_id")
    return [
        _only(row, "night", "tenant", "kind")
        | {"place_id": ALL if row["place_id"] is None else row["place_id"]}
        | _only(row, *counts)
        | {"minutes": row["stood_ms"] / MINUTE_MS, **_hours(row)}
        for row in lines
    ]


def daily(found: list[Row]) -> list[Row]:
    """Per day and kind."""
    counts = ("opened", "cleared", "otherwise", "standing", "valid", "false_alarms", "duplicates")
    return [
        _only(row, "day", "tenant", "kind", *counts) | _hours(row)
        for row in _sorted(found, "day", "tenant", "kind")
    ]


def precision(found: list[Row]) -> list[Row]:
    """Per zone and kind, and per kind over all zones."""
    counts = ("reported", "valid", "false_alarms", "duplicates", "seen_ms", "asked_ms")
    sums: dict[tuple[str, str], Row] = {}
    for row in found:
        line = sums.setdefault(
            (row["tenant"], row["kind"]),
            _only(row, "tenant", "kind")
            | {"device": ALL, "zone_id": ALL, "place_id": ALL}
            | dict.fromkeys(counts, 0),
        )
        for name in counts:
            line[name] += row[name]
    return [
        _only(row, "tenant", "kind", "device", "zone_id", "place_id", *counts[:4])
        | {
            **_with(
                "precision",
                _over(row["valid"], row["valid"] + row["false_alarms"]),
                intervals.wilson(row["valid"], row["valid"] + row["false_alarms"]),
            ),
            "judged_share": _over(
                row["valid"] + row["false_alarms"] + row["duplicates"], row["reported"]
            ),
            **_hours(row),
        }
        for lines in (list(sums.values()), found)
        for row in _sorted(lines, "tenant", "kind", "device", "zone_id", "place_id")
    ]


def _hours(row: Row) -> Row:
    return {
        "seen_hours": row["seen_ms"] / HOUR_MS,
        "asked_hours": row["asked_ms"] / HOUR_MS,
    }


def _per_hour(count: int, seen_ms: int, *, name: str = "opened_per_hour") -> Row:
    rate = _over(count * HOUR_MS, seen_ms)
    return _with(name, rate, intervals.poisson(count, seen_ms / HOUR_MS))


def _with(name: str, value: float | None, interval: intervals.Interval | None) -> Row:
    low, high = interval or (None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _over(amount: int, size: int) -> float | None:
    return amount / size if size > 0 else None


def _times(interval: intervals.Interval | None, factor: float) -> intervals.Interval | None:
    return None if interval is None else (interval[0] * factor, interval[1] * factor)


def _minutes(ms: int | None) -> float | None:
    return None if ms is None else ms / MINUTE_MS


def _only(row: Row, *names: str) -> Row:
    return {name: row[name] for name in names}


def _sorted(found: list[Row], *names: str) -> list[Row]:
    """By these columns, what is null first."""

    def key(row: Row) -> list[tuple[bool, Any]]:
        return [(row[name] is not None, row[name]) for name in names]

    return sorted(found, key=key)
