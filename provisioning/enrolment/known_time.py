"""What is known of the time where the clock may be wrong: dates of certificates are held against it.

A clock that a time source vouches for is believed. Otherwise a certificate is good if it had not ended at the
latest moment that has surely been: when this version was made, or when the clock was last known to be right.
That loosens dates and nothing else: chain, name and authority hold whatever the clock says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.disk import replace_file
from wording.messages import said

if TYPE_CHECKING:
    from drivers.clock import Clock
    from wording.messages import Said

MADE_AT = datetime(2026, 11, 30, tzinfo=UTC)
"""When this version was made: moved on with each release."""
FILE = "last-good-time"
NOTED_EVERY_S = 86_400.0
"""A card wears by what is written."""


@dataclass(frozen=True, slots=True)
class KnownTime:
    """What is known of the time now.

    Attributes:
        now: By the clock.
        trusted: Whether a time source vouches for it.
        floor: Earlier than this it cannot be.
    """

    now: datetime
    trusted: bool
    floor: datetime

    @property
    def guess(self) -> datetime:
        """For what is due: an early renewal costs little, a late one the link."""
        return max(self.now, self.floor)

    def judged_at(self, begins: datetime) -> datetime:
        """The moment at which a certificate's dates are looked at.

        Args:
            begins: When the certificate begins: an untrusted clock does not say that this is yet to come.
        """
        return self.now if self.trusted else max(self.floor, begins)

    def fault_of(self, begins: datetime, ends: datetime) -> Said | None:
        """What is wrong with a certificate's dates; None: nothing that can be known."""
        if self.judged_at(begins) > ends:
            return said("it ended on {day:%Y-%m-%d}", day=ends)
        if self.judged_at(begins) < begins:
            return said(
                "it begins on {day:%Y-%m-%d %H:%M} UTC, and the clock says {now:%Y-%m-%d %H:%M} UTC",
                day=begins,
                now=self.now,
            )
        return None


def known_time(clock: Clock, folder: Path) -> KnownTime:
    """What is known now.

    Args:
        clock: The system's.
        folder: Where :func:`note` has kept the last good time.
    """
    now, trusted = clock.now(), clock.synchronised
    noted = _noted(folder / FILE)
    floor = max(MADE_AT, noted) if noted is not None else MADE_AT
    # A time source that says less than what has been is none.
    return KnownTime(now, trusted and now >= MADE_AT, floor)


def note(known: KnownTime, folder: Path) -> None:
    """Keep the time, if it is good and the one that is kept is a day old, or lies in the future.

    Raises:
        OSError: It cannot be written.
    """
    if not known.trusted:
        return
    noted = _noted(folder / FILE)
    if noted is None or abs((known.now - noted).total_seconds()) >= NOTED_EVERY_S:
        replace_file(folder / FILE, known.now.isoformat(timespec="seconds") + "\n")


def _noted(path: Path) -> datetime | None:
    try:
        noted = datetime.fromisoformat(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
    return noted if noted.tzinfo else None
