"""Formats times as local time of the site, with the offset from UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import datetime


def local(at: datetime, timezone: str | None, timespec: str = "minutes") -> str:
    """A moment on the site's wall clock, such as ``2026-03-01 10:00+08:00``.

    Args:
        at: With its time zone.
        timezone: The site's; None: nobody knows the site, then the system's.
        timespec: How exactly, as ``datetime.isoformat`` takes it.
    """
    there = at.astimezone(None if timezone is None else ZoneInfo(timezone))
    return there.isoformat(sep=" ", timespec=timespec)
