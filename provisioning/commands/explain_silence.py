"""``kerbwatch explain --zone``: why no case opened in a zone at a time, from the figures of its minutes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from agent.storage.database_file import read_only
from agent.storage.minute_table import ZoneMinute, minutes_of, span_of, timezone_of
from drivers.clock import SystemClock
from drivers.files.privileges import acting_for
from provisioning.commands.stored_case import UnknownCaseError, places
from provisioning.console.local_time import local
from provisioning.console.rounding import compared, holds
from provisioning.wording import MAX_SHOWN, say
from provisioning.wording.vocabulary import (
    candidate_in_words,
    kind_in_words,
    measure_in_words,
    reason_in_words,
)
from wording.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

AROUND = timedelta(minutes=5)
"""Before and after the minute that is asked for."""


def moment_of(text: str, timezone: str | None) -> datetime:
    """A moment as people give it: with its day, or of today; by the site's clock where no offset stands.

    Args:
        text: Such as ``2026-03-01 10:05`` or ``10:05``.
        timezone: The site's; None: the system's.

    Raises:
        click.BadParameter: It is no time.
    """
    there = None if timezone is None else ZoneInfo(timezone)
    try:
        if len(text) <= len("00:00:00"):
            today = SystemClock().now().astimezone(there).date()
            at = datetime.combine(today, time.fromisoformat(text))
        else:
            at = datetime.fromisoformat(text)
    except ValueError as error:
        told = say(
            "{text!r} is no time; give one as 2026-03-01 10:05, or 10:05 of today", text=text
        )
        raise click.BadParameter(told, param_hint="--at") from error
    if at.tzinfo is not None:
        return at
    return at.astimezone() if there is None else at.replace(tzinfo=there)


def explain_silence(where: Path, zone_id: str, at: str | None, *, as_json: bool) -> None:
    """Print why no case opened in a zone around a time.

    Args:
        where: A site, or a replay's results.
        zone_id: The zone.
        at: The time; None: the last minute that is kept.
        as_json: Print the figures as JSON.

    Raises:
        click.BadParameter: The time is none.
        UnknownCaseError: Nothing is kept of the zone.
    """
    database, _, timezone = places(where)
    with acting_for(database.parent), closing(read_only(database)) as connection:
        kept = _span(connection)
        if zone_id not in kept:
            known = sorted(kept) or say("none")
            raise UnknownCaseError(
                say("Nothing is kept of zone {zone}. Zones: {known}", zone=zone_id, known=known)
            )
        first, last = kept[zone_id]
        timezone = timezone or timezone_of(connection)  # a replay's results have no site
        moment = last if at is None else moment_of(at, timezone)
        minute = moment.replace(second=0, microsecond=0)
        ends = minute + AROUND + timedelta(minutes=1)
        found = minutes_of(connection, zone_id, minute - AROUND, ends)
    if as_json:
        documents = [{"zone_id": zone_id, "at": one.at.isoformat(), **one.told} for one in found]
        click.echo(json.dumps(documents, ensure_ascii=False, indent=2))
        return
    if not found:
        click.echo(
            say(
                "Nothing is kept of zone {zone} at that time, only from {first} to {last}: the agent did "
                "not run, its camera gave no picture, or it is too long ago.",
                zone=zone_id,
                first=local(first, timezone),
                last=local(last, timezone),
            )
        )
    for one in found:
        for line in in_words(one, timezone):
            click.echo(harmless(line, MAX_SHOWN))


def _span(connection: sqlite3.Connection) -> dict[str, tuple[datetime, datetime]]:
    try:
        return span_of(connection)
    except sqlite3.OperationalError:  # of an agent that noted none
        return {}


def in_words(minute: ZoneMinute, timezone: str | None) -> Iterator[str]:
    """One minute of a zone, line by line."""
    told = minute.told
    yield say(
        "{at}, zone {zone}: {frames} frames, the model was run on it in {looks}",
        at=local(minute.at, timezone),
        zone=minute.zone_id,
        frames=told["frames"],
        looks=told["looks"],
    )
    for reason, frames in sorted(told["unseen"].items()):
        why = reason_in_words(reason)
        yield "  " + say("could not be seen in {frames}: {reason}", frames=frames, reason=why)
    if told["ruled"] < told["frames"]:
        frames = told["frames"] - told["ruled"]
        yield "  " + say("its rule did not hold in {frames}, by its times", frames=frames)
    if told["rate"] < 1.0:
        yield "  " + say("heat left {share:.0%} of the analysis rate", share=told["rate"])
    if not told["kinds"]:
        yield "  " + say("nothing stood there that might have become a case")
    for kind, one in told["kinds"].items():
        yield from _kind(kind, one)


def _kind(kind: str, told: Mapping[str, Any]) -> Iterator[str]:
    name = kind_in_words(kind)
    if told["open"]:
        yield "  " + say("{kind}: a case is open", kind=name)
    elif told["held_back"]:
        yield "  " + say(
            "{kind}: held back, for it looks like a false alarm at the same place: {count}",
            kind=name,
            count=told["held_back"],
        )
    elif told["measures"]:
        yield "  " + say("{kind}: what came furthest, and what it lacked:", kind=name)
    for measure, value, needs, threshold in told["measures"]:
        lacks = "" if holds(value, needs, threshold) else "  ←"
        yield f"    {measure_in_words(measure)}  {compared(value, needs, threshold).strip()}{lacks}"
    for seen_as, count in sorted(told["suppressed"].items()):
        yield "    " + say(
            "no such case by the verifier's word: {told}",
            told=f"{count} × {candidate_in_words(seen_as)}",
        )
