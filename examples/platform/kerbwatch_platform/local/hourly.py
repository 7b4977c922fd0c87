"""What is to be done every hour, of every room: one after the other, and one that fails keeps nobody else."""

from __future__ import annotations

import logging
import signal
import threading
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kerbwatch_platform.settings import Settings

    Job = Callable[[Settings], str | None]

ROOMS = ("store", "evidence", "exports", "figures", "intake", "web")
"""A room's ``hourly.py`` has ``JOBS``: name → what does all that is due, and gives a line for the log."""
_AFTER_THE_HOUR = timedelta(minutes=2)
"""What came at the end of an hour is stored by then."""
_log = logging.getLogger(__name__)


def jobs() -> Iterator[tuple[str, Job]]:
    """Every job of every room, in order."""
    for room in ROOMS:
        name = f"kerbwatch_platform.{room}.hourly"
        if find_spec(name) is not None:
            yield from import_module(name).JOBS.items()


def run_once(settings: Settings, these: list[tuple[str, Job]] | None = None) -> list[str]:
    """Do each once; the names of those that failed."""
    failed = []
    for name, job in jobs() if these is None else these:
        try:
            told = job(settings)
        except Exception:  # noqa: BLE001 - the outermost line of a job: the others are to run
            _log.exception("%s failed", name)
            failed.append(name)
        else:
            _log.info("%s: %s", name, told or "nothing to do")
    return failed


def run(settings: Settings) -> None:
    """Do them now and after every full hour, until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while True:
        run_once(settings)
        if stop.wait(seconds_to_next(datetime.now(UTC))):
            return


def seconds_to_next(now: datetime) -> float:
    """How long it is until they are due again."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    due = hour + _AFTER_THE_HOUR
    return ((due if due > now else due + timedelta(hours=1)) - now).total_seconds()
