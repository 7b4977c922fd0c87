"""Up to when a figure of a period tells: a quarter that runs is no whole quarter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kerbwatch_platform.words import Language, say, text

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from kerbwatch_platform.figures.period import Period
    from kerbwatch_platform.figures.question import Question

HEADINGS = (
    text("counted up to"),
    text("hours able to see, up to"),
    text("hours asked for, up to"),
)
"""Of the columns that a file has beside the figure's own."""
UP_TO = text("up to {until}")
NOT_BEGUN = text("This period has not begun.")
NO_NIGHT = text("No night of this period is over yet; each is counted once it is.")
RUNNING = text("This period is not over: counted is what came up to {until}.")
NO_HOURS = text(
    "Hours are counted once a day is over; of this period none is yet, so there are no rates."
)
HOURS = text(
    "Hours able to see are counted up to {seen}, hours asked for up to {asked}; rates are preliminary."
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Ends are milliseconds since 1970; each is the period's own once it is over.

    Attributes:
        zone: Time zone of the city.
        from_ms: Begin of the period.
        until_ms: What opened, stood and ended is counted up to it.
        seen_ms: Hours able to see are counted up to it; None: the figure has no hours.
        asked_ms: Hours asked for are counted up to it.
        running: Whether more of the period is to come.
        nightly: Whether only nights are counted.
    """

    zone: ZoneInfo
    from_ms: int
    until_ms: int
    seen_ms: int | None
    asked_ms: int | None
    running: bool
    nightly: bool

    def cells(self) -> list[str | None]:
        """What stands under :data:`HEADINGS`."""
        return [self._written(each) for each in (self.until_ms, self.seen_ms, self.asked_ms)]

    def title(self, language: Language) -> str:
        """For the end of a title; empty once the period is over."""
        return (
            f" · {say(language, UP_TO, until=self._written(self.until_ms))}" if self.running else ""
        )

    def note(self, language: Language) -> str:
        """What somebody must know of a figure whose period is not over; empty once it is."""
        if not self.running:
            return ""
        if self.until_ms <= self.from_ms:
            return say(language, NO_NIGHT if self.nightly else NOT_BEGUN)
        told = say(language, RUNNING, until=self._written(self.until_ms))
        if self.seen_ms is None or self.asked_ms is None:
            return told
        told += " " if language == "en" else ""
        if max(self.seen_ms, self.asked_ms) <= self.from_ms:
            return f"{told}{say(language, NO_HOURS)}"
        seen, asked = self._written(self.seen_ms), self._written(self.asked_ms)
        return f"{told}{say(language, HOURS, seen=seen, asked=asked)}"

    def _written(self, at_ms: int | None) -> str | None:
        """By the clock of the city, to the minute: nobody reads more out of it."""
        if at_ms is None:
            return None
        return datetime.fromtimestamp(at_ms / 1000, self.zone).strftime("%Y-%m-%d %H:%M")


def reach_of(question: Question, of: Period) -> Reach:
    """Up to when a figure tells of a period, as of the period's moment."""
    now_ms = min(max(of.now_ms, of.from_ms), of.until_ms)
    days_ms = max(
        (day.until_ms for day in of.days() if day.until_ms <= of.now_ms), default=of.from_ms
    )
    nights = of.nights()
    night_ms = max((night.until_ms for night in nights), default=of.from_ms)
    until_ms, seen_ms, asked_ms, running = now_ms, days_ms, days_ms, of.now_ms < of.until_ms
    if question.hours == "signs":
        seen_ms = now_ms
    elif question.hours == "nights":
        until_ms = seen_ms = asked_ms = night_ms
        running = len(nights) < len(of.days())
    return Reach(
        of.zone,
        of.from_ms,
        until_ms,
        seen_ms if question.hours else None,
        asked_ms if question.hours else None,
        running,
        question.hours == "nights",
    )
