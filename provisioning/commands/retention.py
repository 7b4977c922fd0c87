"""``kerbwatch retention`` and ``kerbwatch hold``: delete old data, and hold cases."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from agent.config.loading import load
from agent.config.site_files import site_folder
from agent.retention import HoldError, LegalHold, LegalHolds, Outcome, Retention, SampleCrops
from agent.retention.track_files import TrackFiles
from agent.storage.case_table import case_ids
from agent.storage.database import Database
from agent.storage.database_file import read_only
from agent.storage.paths import COLLECTION, DATABASE, EVIDENCE, TRACKS
from drivers.clock import SystemClock
from drivers.files.privileges import acting_for
from provisioning.commands.audit import audit_of, note
from provisioning.console.exit_codes import FAULT
from provisioning.console.local_time import local
from provisioning.wording import MAX_SHOWN, say, say_many
from provisioning.wording.case_sentences import several_cases
from provisioning.wording.vocabulary import AUTHORS, known_in_words
from wording.harmless import harmless

if TYPE_CHECKING:
    from pathlib import Path


def let_go(site: Path, *, as_json: bool) -> int:
    """Run one retention pass.

    Returns:
        0; 1 if what may not go leaves less room than is wanted.

    Raises:
        ConfigError: The site cannot be read.
        StorageError: The database cannot be used.
        OSError: The disk refused.
    """
    configuration = load(site)
    state_dir = _state_dir(site)
    if not (state_dir / DATABASE).exists():
        click.echo(
            say("There is no database in {folder} yet: nothing is stored.", folder=state_dir)
        )
        return 0
    with acting_for(state_dir), Database(state_dir / DATABASE) as database:
        outcome = Retention(
            database,
            state_dir=state_dir,
            evidence_dir=state_dir / EVIDENCE,
            settings=configuration.retention,
            clock=SystemClock(),
            audit=audit_of(state_dir, "retention"),
            crops=SampleCrops(state_dir / COLLECTION, configuration.collection.keep_days),
            tracks=TrackFiles(state_dir / TRACKS, configuration.retention.tracks_hours / 24),
        ).once(threading.Event())
    if as_json:
        click.echo(json.dumps(None if outcome is None else asdict(outcome), indent=2))
    elif outcome is None:
        click.echo(say("The agent is doing it right now."))
    else:
        _tell(outcome)
    return FAULT if outcome is not None and (outcome.short_bytes or outcome.short_inodes) else 0


def _tell(outcome: Outcome) -> None:
    deleted = sum(outcome.deleted.values())
    click.echo(
        say(
            "Pictures of {deleted} case(s) deleted, {size_mb:.1f} MB: {age} by age, {room} to "
            "free space.",
            deleted=deleted,
            size_mb=outcome.deleted_bytes / 1e6,
            age=outcome.deleted.get("age", 0),
            room=outcome.deleted.get("room", 0),
        )
    )
    click.echo(
        say(
            "{rows} row(s) of the database deleted, {size_mb:.1f} MB returned to the disk.",
            rows=sum(outcome.rows.values()),
            size_mb=outcome.given_back_bytes / 1e6,
        )
    )
    click.echo(
        say(
            "Kept: pictures of {cases} case(s), {size_mb:.1f} MB; {held} case(s) held.",
            cases=outcome.cases,
            size_mb=outcome.size_bytes / 1e6,
            held=outcome.held,
        )
    )
    if outcome.short_bytes:
        click.echo(
            say(
                "! [retention] needs {short_mb:.1f} MB more, but nothing more may be deleted: "
                "what is left is held, or its case is open. Lift holds, or use a larger card.",
                short_mb=outcome.short_bytes / 1e6,
            )
        )
    if outcome.short_inodes:
        click.echo(
            say(
                "! [retention] needs {count} more free inodes, but nothing more may be deleted: "
                "remove what does not belong on this disk, or format it with more inodes.",
                count=outcome.short_inodes,
            )
        )


def set_hold(site: Path, case: str, reason: str) -> None:
    """Hold a case.

    Args:
        site: The site.
        case: The id, or the beginning of it.
        reason: Why.

    Raises:
        ConfigError: The site cannot be read.
        HoldError: No case fits, or more than one does.
        OSError: It could not be written.
    """
    state_dir = _state_dir(site)
    with acting_for(state_dir):
        case_id = _one(case, _known(state_dir))
        log = audit_of(state_dir, "hold")
        hold = LegalHold(case_id=case_id, reason=reason, by=log.by, at=datetime.now(UTC))
        if not LegalHolds(state_dir).set(hold):
            click.echo(say("Case {case_id} is held already.", case_id=case_id))
            return
        note(state_dir, "hold", "hold.set", case_id=case_id, reason=reason)
    click.echo(say("Case {case_id} is held until the hold is lifted.", case_id=case_id))


def lift_hold(site: Path, case: str, reason: str) -> None:
    """Lift the hold on a case.

    Raises:
        ConfigError: The site cannot be read.
        HoldError: No held case fits, or more than one does.
        OSError: It could not be written.
    """
    state_dir = _state_dir(site)
    with acting_for(state_dir):
        holds = LegalHolds(state_dir)
        case_id = _one(case, holds.names())
        holds.lift(case_id)
        note(state_dir, "hold", "hold.lifted", case_id=case_id, reason=reason)
    click.echo(say("The hold on case {case_id} is lifted.", case_id=case_id))


def list_holds(site: Path, *, as_json: bool) -> None:
    """List what is held.

    Raises:
        ConfigError: The site cannot be read.
    """
    state_dir, timezone = _state_dir(site), load(site).site.timezone
    with acting_for(state_dir):
        holds = list(LegalHolds(state_dir).all())
    if as_json:
        click.echo(json.dumps([each.model_dump(mode="json") for each in holds], indent=2))
        return
    click.echo(say_many("{count} case is held.", "{count} cases are held.", len(holds)))
    for each in holds:
        click.echo(
            f"{harmless(each.case_id)}  {local(each.at, timezone)}  {harmless(known_in_words(AUTHORS, each.by))}"
        )
        click.echo(f"  {harmless(each.reason, MAX_SHOWN)}")


def _known(state_dir: Path) -> frozenset[str]:
    """Every case of which something is kept."""
    evidence = state_dir / EVIDENCE
    found = {path.name for path in evidence.glob("*-*/")}
    if (state_dir / DATABASE).is_file():  # never a pipe: it would hold us for ever
        with closing(read_only(state_dir / DATABASE)) as reader:
            found |= case_ids(reader)
    return frozenset(found)


def _one(case: str, known: frozenset[str]) -> str:
    if not case:  # "$CASE" where CASE is not set
        raise HoldError(say("There is no such case: {case_id}", case_id=case))
    fitting = sorted(each for each in known if each.startswith(case))
    if case in known:
        return case
    if not fitting:
        raise HoldError(say("There is no such case: {case_id}", case_id=case))
    if len(fitting) > 1:
        raise HoldError(several_cases(case, fitting))
    return fitting[0]


def _state_dir(site: Path) -> Path:
    return site_folder(site) / load(site).storage.state_dir
