"""Periods of a city: calendar days, months, quarters and years of local time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

NIGHT_FROM_H, NIGHT_UNTIL_H = 22, 5
"""A night inspection's hours, as the acceptance of a corner counts its first night."""
LONGEST_DAYS = 370
_FORMS = re.compile(
    r"(?P<year>20[0-9]{2})(?:Q(?P<quarter>[1-4])|-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>[0-3][0-9]))?)?"
)


class PeriodError(ValueError):
    """What was asked for is no period."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of local time; ends are milliseconds since 1970, the later one not included.

    Attributes:
        day: The local day it belongs to, as ``2026-10-01``; of a night that of its evening.
        weekday: 1 Monday to 7 Sunday.
        hour: Of the day by the clock on the wall; 0 for a whole day.
    """

    day: str
    weekday: int
    hour: int
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Period:
    """Local days from ``first`` to ``last``, both included, as of a moment.

    Attributes:
        name: As it was asked for.
        zone: Time zone of the city.
        now_ms: What is not over then is not asked for: a day is held against its summary once it is over.
        again_within_days: How soon a matter is the same one again.
    """

    name: str
    first: date
    last: date
    zone: ZoneInfo
    now_ms: int
    again_within_days: int = 7

    @property
    def from_ms(self) -> int:
        return self._at_ms(self.first)

    @property
    def until_ms(self) -> int:
        return self._at_ms(self.last + timedelta(days=1))

    def days(self) -> list[Stretch]:
        """Every day; one on which clocks are changed is shorter or longer."""
        return [
            Stretch(
                day.isoformat(),
                day.isoweekday(),
                0,
                self._at_ms(day),
                self._at_ms(day + timedelta(days=1)),
            )
            for day in self._dates()
        ]

    def hours(self) -> list[Stretch]:
        """Every hour, by the clock on the wall: one that comes twice is there twice, one that is left out is not."""
        found = []
        for day in self.days():
            at_ms = day.from_ms
            while at_ms < day.until_ms:
                local = datetime.fromtimestamp(at_ms / 1000, self.zone)
                # Clocks are set at a quarter of an hour at the finest, so that a piece ends there at the latest.
                end_ms = at_ms
                while end_ms < day.until_ms:
                    end_ms += _QUARTER_MS
                    then = datetime.fromtimestamp(end_ms / 1000, self.zone)
                    if then.hour != local.hour or then.utcoffset() != local.utcoffset():
                        break
                found.append(Stretch(day.day, day.weekday, local.hour, at_ms, end_ms))
                at_ms = end_ms
        return found

    def nights(self) -> list[Stretch]:
        """Every night that is over, by the day of its evening."""
        found = []
        for day in self._dates():
            from_ms = self._at_ms(day, NIGHT_FROM_H)
            until_ms = self._at_ms(day + timedelta(days=1), NIGHT_UNTIL_H)
            if until_ms <= self.now_ms:
                found.append(
                    Stretch(day.isoformat(), day.isoweekday(), NIGHT_FROM_H, from_ms, until_ms)
                )
        return found

    def before(self) -> str:
        """Name of the period of the same length that ends where this one begins."""
        return _named(self.first - timedelta(days=1), self.name)

    def after(self) -> str:
        """Name of the period of the same length that begins where this one ends."""
        return _named(self.last + timedelta(days=1), self.name)

    def _dates(self) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            yield day
            day += timedelta(days=1)

    def _at_ms(self, day: date, hour: int = 0) -> int:
        return (
            int(datetime(day.year, day.month, day.day, hour, tzinfo=self.zone).timestamp()) * 1000
        )


_QUARTER_MS = 900_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def period(
    name: str, time_zone: str, *, now: datetime | None = None, again_within_days: int = 7
) -> Period:
    """The period of a name: ``2026``, ``2026Q4``, ``2026-10``, ``2026-10-01`` or ``2026-10-01..2026-10-09``.

    Raises:
        PeriodError: It is none, or longer than a year.
    """
    first_name, _, last_name = name.partition("..")
    first, last = _span(first_name), _span(last_name or first_name)
    if first is None or last is None or last[1] < first[0]:
        raise PeriodError(name)
    if (last[1] - first[0]).days >= LONGEST_DAYS or not 1 <= again_within_days <= 366:
        raise PeriodError(name)
    moment = datetime.now(UTC) if now is None else now
    return Period(
        name,
        first[0],
        last[1],
        ZoneInfo(time_zone),
        (moment - _EPOCH) // timedelta(milliseconds=1),
        again_within_days,
    )


def quarter_of(day: date) -> str:
    """Name of the quarter that a day lies in."""
    return f"{day.year}Q{(day.month - 1) // 3 + 1}"


def _span(name: str) -> tuple[date, date] | None:
    found = _FORMS.fullmatch(name)
    if found is None:
        return None
    year, day = int(found["year"]), found["day"]
    try:
        if day is not None:
            one = date.fromisoformat(name)
            return one, one
        if found["month"] is not None:
            return _months(year, int(found["month"]), 1)
    except ValueError:
        return None
    if found["quarter"] is not None:
        return _months(year, 3 * int(found["quarter"]) - 2, 3)
    return _months(year, 1, 12)


def _months(year: int, month: int, count: int) -> tuple[date, date]:
    after = date(year + (month + count - 1) // 12, (month + count - 1) % 12 + 1, 1)
    return date(year, month, 1), after - timedelta(days=1)


def _named(day: date, like: str) -> str:
    if "Q" in like:
        return quarter_of(day)
    return day.isoformat()[: min(len(like), 10)]
