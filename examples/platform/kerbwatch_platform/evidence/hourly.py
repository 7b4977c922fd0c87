"""What the evidence asks for every hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerbwatch_platform import store
from kerbwatch_platform.evidence import places, records, retention, stamps
from kerbwatch_platform.evidence.folder import NotOursError
from kerbwatch_platform.evidence.notices import words_of
from kerbwatch_platform.evidence.sweep import sweep
from kerbwatch_platform.words.spoken import spoken

if TYPE_CHECKING:
    from collections.abc import Callable

    from kerbwatch_platform.settings import Settings


def verify(settings: Settings) -> str | None:
    """Verify records that nobody verified on arrival."""
    with store.connect(settings.database) as connection:
        count = records.verify_rest(connection)
    return f"{count} records verified late" if count else None


def timestamp(settings: Settings) -> str | None:
    """Close the hour and have it signed."""
    with store.connect(settings.database) as connection:
        stamps.settle_hour(connection)
        done = stamps.stamp(connection, settings)
    if done.failed:
        return f"timestamps: {done.waiting} hours wait for the authority: {done.failed}"
    return f"timestamps: {done.signed} hours signed" if done.signed else None


def delete_what_is_over(settings: Settings) -> str | None:
    """Delete pictures whose time is over."""
    with store.connect(settings.database) as connection:
        try:
            told = retention.run(connection, settings)
        except NotOursError as error:
            return error.words(spoken())
    if told.stopped:
        return words_of(spoken(), retention.TOO_MANY, due=told.due, living=told.living)
    return f"evidence: {told.deleted} deleted, their time was over" if told.deleted else None


def hold_against_each_other(settings: Settings) -> str | None:
    """Find files without a row again, and say what is lost."""
    with store.connect(settings.database) as connection:
        places.forget(connection)
        try:
            found = sweep(connection, settings)
        except NotOursError as error:
            return error.words(spoken())
    if not (found.lost or found.found or found.deleted):
        return None
    return f"evidence: {found.lost} lost, {found.found} found again, {found.deleted} deleted"


JOBS: dict[str, Callable[[Settings], str | None]] = {
    "evidence-verify": verify,
    "evidence-timestamp": timestamp,
    "evidence-retention": delete_what_is_over,
    "evidence-sweep": hold_against_each_other,
}
