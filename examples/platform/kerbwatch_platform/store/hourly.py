"""What the store asks for every hour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kerbwatch_platform.store.connecting import connect
from kerbwatch_platform.store.ends import end
from kerbwatch_platform.store.upkeep import keep_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from kerbwatch_platform.settings import Settings


def months(settings: Settings) -> str | None:
    """Make the months ahead, and take old ones out of the way."""
    with connect(settings.database) as connection:
        return keep_up(connection, datetime.now(UTC)) or None


def rows(settings: Settings) -> str | None:
    """Delete rows whose time is over."""
    with connect(settings.database) as connection:
        ended = end(connection, settings.retention)
    return ", ".join(f"{table}: {count} deleted" for table, count in ended.items()) or None


JOBS: dict[str, Callable[[Settings], str | None]] = {"months": months, "rows": rows}
