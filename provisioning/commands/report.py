"""``kerbwatch report``: the daily summary (日报) of one device, for people."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from agent.config.in_force import of_device
from agent.config.site_files import site_folder
from agent.storage import day_counters
from agent.storage.database_file import read_only
from agent.storage.paths import DATABASE
from agent.telemetry.daily_summary import summary_of
from drivers.clock import SystemClock
from drivers.files.privileges import become_keeper_of
from provisioning.commands import suppressed
from provisioning.wording import say
from provisioning.wording.case_sentences import duration
from provisioning.wording.vocabulary import CAUSES, VERDICTS, kind_in_words, known_in_words
from provisioning.wording.width import padded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.protocol.summary import DeviceDay, KindDay, SummaryBody, ZoneDay


class NoReportError(LookupError):
    """Nothing was counted on the day."""


def report(site: Path, day: str | None, *, as_json: bool) -> None:
    """Print a day's summary.

    Args:
        site: The site.
        day: As ``2026-03-01``, or ``today``; None: yesterday.
        as_json: Print what the platform is told, as JSON.

    Raises:
        ConfigError: The site cannot be read.
        NoReportError: Nothing was counted on the day.
    """
    configuration = of_device(site)
    base = site_folder(site)
    database = base / configuration.storage.state_dir / DATABASE
    become_keeper_of(database)
    clock, timezone = SystemClock(), ZoneInfo(configuration.site.timezone)
    today = day_counters.day_of(clock.now(), timezone)
    wanted = _wanted(day, today)
    if not database.is_file():
        raise NoReportError(
            say("There is no database {path}. Has the agent run yet?", path=database)
        )
    with closing(read_only(database)) as connection:
        known = _known(connection)
        if wanted not in known:
            raise NoReportError(
                say(
                    "Nothing was counted on {day}. Days with data: {known}",
                    day=wanted,
                    known=sorted({day_counters.day_on(page) for page in known})[-10:]
                    or say("none"),
                )
            )
        summaries = [
            summary_of(connection, configuration, page, complete=wanted < today)
            for page in known
            if day_counters.day_on(page) == wanted
        ]
    if as_json:
        click.echo(summaries[-1].model_dump_json(indent=2))
        return
    site_facts = configuration.site
    click.echo(f"{site_facts.device_id}  {site_facts.address}")
    for summary in summaries:  # more than one where the clock has named the day again
        click.echo("\n".join(lines(summary, is_over=wanted < today)))


def _wanted(day: str | None, today: str) -> str:
    if day == "today":
        return today
    if day is None:
        return (date.fromisoformat(today) - timedelta(days=1)).isoformat()
    return day


def _known(connection: sqlite3.Connection) -> list[str]:
    try:
        return day_counters.known(connection)
    except sqlite3.OperationalError:  # of an agent that counted nothing
        return []


def lines(summary: SummaryBody, *, is_over: bool) -> Iterator[str]:
    """The summary, line by line."""
    if summary.complete:
        yield say("Daily summary, {day} ({timezone})", day=summary.day, timezone=summary.timezone)
    elif is_over:
        yield say(
            "Daily summary, {day} ({timezone}), incomplete: the clock was set, or could not be trusted",
            day=summary.day,
            timezone=summary.timezone,
        )
    else:
        yield say(
            "Daily summary, {day} ({timezone}), not over yet",
            day=summary.day,
            timezone=summary.timezone,
        )
    for zone in summary.zones:
        yield ""
        yield from _zone(zone)
    yield ""
    yield from _device(summary.device)


def _zone(zone: ZoneDay) -> Iterator[str]:
    if zone.responsible_unit is None:
        yield say("zone {zone}", zone=zone.zone_id)
    else:
        yield say("zone {zone}, {unit}", zone=zone.zone_id, unit=zone.responsible_unit)
    yield "  " + say(
        "watched for {sensing}, view bad for {abstained}, no picture for {blind}",
        sensing=duration(zone.sensing_s),
        abstained=duration(zone.abstained_s),
        blind=duration(zone.blind_s),
    )
    if not zone.cases:
        yield "  " + say("no case")
    for kind in zone.cases:
        name = f"{padded(kind_in_words(kind.kind, kind.opened), 18)} {kind.code.code or '–':<6}"
        told = say(
            "{opened} opened, {cleared} cleared, {abstained} could not be seen",
            opened=kind.opened,
            cleared=kind.cleared,
            abstained=kind.abstained,
        )
        yield f"  {name} {told}"
        if kind.withdrawn:
            yield "    " + say(
                "withdrawn, without being seen to end: {count}", count=kind.withdrawn
            )
        if kind.suppressed:
            told = suppressed.of_a_day(kind.suppressed)
            yield "    " + say("no such case by the verifier's word: {told}", told=told)
        if kind.warned:
            yield "    " + say(
                "warned first: {warned}, of these gone before a case opened: {left}",
                warned=kind.warned,
                left=kind.warned_left,
            )
        yield from _judged(kind)
        if kind.held_back:
            yield "    " + say(
                "held back, for it looked like a false alarm at the same place: {count}",
                count=kind.held_back,
            )
        if kind.cleared:
            yield "    " + say(
                "stood for {mean} on average", mean=duration(kind.stood_s / kind.cleared)
            )


def _judged(kind: KindDay) -> Iterator[str]:
    """What reviewers found: on that day, and of all that stands."""
    if kind.judged:
        told = ", ".join(
            f"{count} × {known_in_words(VERDICTS, verdict)}"
            for verdict, count in sorted(kind.judged.items())
        )
        yield "    " + say("judged by reviewers on that day: {told}", told=told)
    found = kind.reviewed
    if found is not None and found.precision is not None:
        yield "    " + say(
            "by the last verdicts {valid} of {decided} were valid ({share:.0%}); duplicates apart: {duplicate}",
            valid=found.valid,
            decided=found.valid + found.false,
            share=found.precision,
            duplicate=found.duplicate,
        )


def _device(device: DeviceDay) -> Iterator[str]:
    yield say("the device")
    yield "  " + say("ran for {uptime}", uptime=duration(device.uptime_s))
    if device.unsynchronised_s:
        yield "  " + say(
            "! the clock was not trustworthy for {time}: part of it may belong to another day",
            time=duration(device.unsynchronised_s),
        )
    for cause, times in sorted(device.began_after.items()):
        known = known_in_words(CAUSES, cause)
        yield "  " + say("started {times} × {cause}", times=times, cause=known)
    if device.temperature_c_max is not None:
        yield "  " + say("processor at most {heat:.0f} °C", heat=device.temperature_c_max)
    if device.throttled_s:
        slow = duration(device.throttled_s)
        yield "  " + say("! throttled by heat or low voltage for {time}", time=slow)
    if device.under_voltage_s:
        low = duration(device.under_voltage_s)
        yield "  " + say("! under-voltage for {time}", time=low)
    if device.waiting_rows_max is not None and device.waiting_s_max is not None:
        yield "  " + say(
            "at most {rows} event(s) waited, the oldest for {time}",
            rows=device.waiting_rows_max,
            time=duration(device.waiting_s_max),
        )
    if device.written_bytes is not None:
        yield "  " + say("{size_mb:.0f} MB written to the disk", size_mb=device.written_bytes / 1e6)
    if device.lost:
        yield "  " + say("! {lost} event(s) lost, and reported as lost", lost=device.lost)
    else:
        yield "  " + say("no event lost")
