"""What the figures ask for every hour: once in a night, the archive."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from kerbwatch_platform import store
from kerbwatch_platform.figures import archive
from kerbwatch_platform.figures.duck import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from kerbwatch_platform.settings import Settings

AT_H = 2
"""Local hour: the day's summaries have come."""


def nightly_archive(settings: Settings) -> str | None:
    """Write the archive, by night, or at once where there is none."""
    folder = settings.archive_folder
    if folder is None:
        return None
    local = datetime.now(ZoneInfo(settings.time_zone))
    if local.hour != AT_H and (folder / VERDICTS).exists():
        return None
    with store.connect(settings.database) as connection:
        months = archive.write_all(connection, folder)
    return f"archive: {len(months)} months written" if months else None


JOBS: dict[str, Callable[[Settings], str | None]] = {"archive": nightly_archive}
