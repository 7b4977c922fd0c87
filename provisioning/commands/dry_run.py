"""``kerbwatch dry-run``: what zones would have given over stored tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.config.in_force import look
from agent.config.loading import from_tables, load
from agent.config.site_files import read_json, site_folder
from agent.control.stored_dry_run import StoredTracks, dry_run
from agent.storage.paths import TRACKS
from drivers.files.privileges import acting_for
from provisioning.console.local_time import local
from provisioning.console.rounding import compared
from provisioning.wording import in_words, say, say_many
from provisioning.wording.case_sentences import duration
from provisioning.wording.vocabulary import kind_in_words, measure_in_words

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import Configuration
    from agent.control.messages.dry_run import DryCase, DryRunResult, NearMiss


def show(
    site: Path, proposed: Path | None, *, hours: float, results: Path | None, as_json: bool
) -> int:
    """Judge the tracks, and say what came of it.

    Args:
        site: The site; its zones are today's.
        proposed: A file with other zones; None: today's alone.
        hours: How far to go back.
        results: A replay's results; None: the device's own tracks.
        as_json: Print the result as JSON.

    Returns:
        0; 1 if there are no tracks.

    Raises:
        ConfigError: The site, or it with the other zones, cannot be used.
        FileError: The other zones cannot be read.
    """
    now = look(site).configuration if results is None else load(site)
    then = now if proposed is None else _with_zones(now, proposed)
    state = site_folder(site) / now.storage.state_dir if results is None else results / "state"
    with acting_for(state):
        found = dry_run(now, then, StoredTracks(state / TRACKS, hours, {}))
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        _tell(found, now.site.timezone, is_proposal=proposed is not None)
    return 0 if any(each.frames for each in found.source) else 1


def _with_zones(site: Configuration, proposed: Path) -> Configuration:
    told = site.model_dump(mode="json", by_alias=True)
    return from_tables(told | {"zones": read_json(proposed).get("zones", [])}, proposed)


def _tell(found: DryRunResult, timezone: str, *, is_proposal: bool) -> None:
    for each in found.source:
        click.echo(
            say(
                "{camera_id}: {frames} frames in {hours:.1f} h",
                camera_id=each.camera_id,
                frames=each.frames,
                hours=each.hours,
            )
        )
    click.echo(_count(len(found.then.cases)))
    for case in found.then.cases:
        click.echo("  " + _case(case, timezone))
    if is_proposal:
        click.echo(say("Against today's zones:"))
        for difference in found.differences:
            click.echo("  " + in_words(difference.text.said()))
        if not found.differences:
            click.echo("  " + say("no difference"))
    if found.near:
        click.echo(say("Near to a case:"))
    for near in found.near:
        click.echo("  " + _near(near, timezone))
    if found.limits:
        click.echo(say("What the tracks do not tell:"))
    for limit in found.limits:
        where = "" if limit.zone_id is None else f"{limit.zone_id}: "
        click.echo(f"  {where}{in_words(limit.text.said())}")


def _count(cases: int) -> str:
    return say_many("{count} case would have opened", "{count} cases would have opened", cases)


def _case(case: DryCase, timezone: str) -> str:
    opened = local(case.opened_at, timezone, "seconds")
    kind = kind_in_words(case.kind)
    if case.ended_at is None:
        return say(
            "{opened} {kind} in {zone_id}, open to the end",
            opened=opened,
            kind=kind,
            zone_id=case.zone_id,
        )
    return say(
        "{opened} {kind} in {zone_id}, {lasted}",
        opened=opened,
        kind=kind,
        zone_id=case.zone_id,
        lasted=duration(case.lasted_s),
    )


def _near(near: NearMiss, timezone: str) -> str:
    measures = "; ".join(
        f"{measure_in_words(each.name)} {compared(each.value, each.needs, each.threshold).strip()}"
        for each in near.measures
    )
    return say(
        "{at} {kind} in {zone_id}: {measures}",
        at=local(near.at, timezone, "seconds"),
        kind=kind_in_words(near.kind),
        zone_id=near.zone_id,
        measures=measures,
    )
