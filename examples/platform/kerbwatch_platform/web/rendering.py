"""The desk's HTML: Jinja templates; every text is escaped, and what is foreign is made harmless."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kerbwatch_platform.words import harmless

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).with_name("templates")


class Rendering:
    """Fills in templates.

    Args:
        time_zone: IANA name; times are shown as this zone's.
    """

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"at": self.at, "day": self.day}

    def template(self, name: str) -> Template:
        """One of the templates."""
        return self._environment.get_template(name)

    def at(self, moment: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
        """A moment on the clock of the city; nothing for None."""
        return moment.astimezone(self._zone).strftime(form) if moment else ""

    def day(self, moment: datetime | None) -> str:
        """Its day."""
        return self.at(moment, "%Y-%m-%d")


def _shown(value: Any) -> Any:
    return "" if value is None else harmless(value)
