"""What the evidence asks for every hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerbwatch_platform import store
from kerbwatch_platform.evidence import places, records, stamps
from kerbwatch_platform.evidence.sweep import sweep

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


def hold_against_each_other(settings: Settings) -> str | None:
    """Find files without a row again, and say what is lost."""
    with store.connect(settings.database) as connection:
        places.forget(connection)
        found = sweep(connection, settings)
    if not (found.lost or found.found or found.deleted):
        return None
    return f"evidence: {found.lost} lost, {found.found} found again, {found.deleted} deleted"


JOBS: dict[str, Callable[[Settings], str | None]] = {
    "evidence-verify": verify,
    "evidence-timestamp": timestamp,
    "evidence-sweep": hold_against_each_other,
}
