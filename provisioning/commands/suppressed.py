"""What the verifier's word kept from being a case, in words: for ``kerbwatch explain`` and ``report``."""

from __future__ import annotations

import sqlite3
from itertools import groupby
from typing import TYPE_CHECKING, Any

from agent.storage import day_counters
from provisioning.console.local_time import local
from provisioning.wording import say
from provisioning.wording.vocabulary import candidate_in_words, kind_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agent.storage.day_counters import HeldBackCount, SuppressedCount


def kept(connection: sqlite3.Connection) -> list[SuppressedCount]:
    """All that is counted; nothing where an older agent counted nothing."""
    try:
        return day_counters.suppressed(connection)
    except sqlite3.OperationalError:
        return []


def in_words(found: Sequence[SuppressedCount], timezone: str | None) -> Iterator[str]:
    """One line for each kind that candidates were seen as.

    Args:
        found: Of one zone and one kind of case.
        timezone: The site's; None: nobody knows, the system's is taken.
    """
    for each in found:
        yield "  " + say(
            "{count} × {what}, the last on {at}",
            count=each.count,
            what=candidate_in_words(each.seen_as),
            at=local(each.last_at, timezone, "seconds"),
        )


def by_zone(found: Iterable[SuppressedCount], timezone: str | None) -> Iterator[str]:
    """All zones of a device, line by line."""

    def place(each: SuppressedCount) -> tuple[str, str]:
        return each.zone_id, each.kind

    for (zone_id, kind), there in groupby(sorted(found, key=place), key=place):
        yield say(
            "zone {zone}, no {kind} by the verifier's word:", zone=zone_id, kind=kind_in_words(kind)
        )
        yield from in_words(sorted(there, key=lambda each: -each.count), timezone)


def held_back(connection: sqlite3.Connection) -> list[HeldBackCount]:
    """What was held back after false alarms; nothing where an older agent counted nothing."""
    try:
        return day_counters.held_back(connection)
    except sqlite3.OperationalError:
        return []


def held_back_in_words(found: Iterable[HeldBackCount], timezone: str | None) -> Iterator[str]:
    """One line for each zone and kind in which something looked like a false alarm."""
    for each in found:
        yield say(
            "zone {zone}, {kind} held back, for it looked like a false alarm at the same place: "
            "{count} ×, the last on {at}",
            zone=each.zone_id,
            kind=kind_in_words(each.kind),
            count=each.count,
            at=local(each.last_at, timezone, "seconds"),
        )


def of_a_day(counts: Mapping[str, int]) -> str:
    """What candidates were seen as on one day, in a row: ``3 × people, 1 × vehicle``."""
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return ", ".join(f"{count} × {candidate_in_words(seen_as)}" for seen_as, count in rows)


def held_back_documents(found: Iterable[HeldBackCount]) -> list[dict[str, Any]]:
    """The same, for programs."""
    return [
        {
            "zone_id": each.zone_id,
            "kind": each.kind,
            "seen_as": "false_alarm",
            "count": each.count,
            "last_at": each.last_at.isoformat(),
        }
        for each in found
    ]


def documents(found: Iterable[SuppressedCount]) -> list[dict[str, Any]]:
    """The same, for programs."""
    return [
        {
            "zone_id": each.zone_id,
            "kind": each.kind,
            "seen_as": each.seen_as,
            "count": each.count,
            "last_at": each.last_at.isoformat(),
        }
        for each in found
    ]
