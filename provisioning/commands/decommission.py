"""``kerbwatch decommission``: wipes keys, pictures, database, logs and secrets of a device."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.audit import AuditError
from agent.config.loading import load
from agent.config.site_files import site_folder
from agent.identity.signing_key import FILE as SIGNING_KEY
from agent.identity.signing_key import Signer
from agent.retention import LegalHolds
from agent.runtime.instance_lock import NotAloneError, alone
from agent.storage import evidence_chain
from agent.storage.database_file import read_only
from agent.storage.outbox_queries import waiting_count
from agent.storage.paths import AUDIT, DATABASE, KEYS
from agent.telemetry.status_file import FILE as STATUS
from drivers.clock import SystemClock
from drivers.disk import sync_folder
from drivers.files.privileges import acting_for
from drivers.files.wiping import trim, wipe
from provisioning.card.planting import HOME_OF_SITES
from provisioning.commands.audit import audit_of
from provisioning.commands.last_word import Reason, tell_platform
from provisioning.commands.watch import NotRunningError, read
from provisioning.commands.what_goes import PAGE_ON, PAGE_STATE, Group, groups_of
from provisioning.console.exit_codes import FAULT
from provisioning.wording import error_in_words, say
from provisioning.wording.vocabulary import STATE, known_in_words
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration


class StillNeededError(RuntimeError):
    """The device must not be wiped as things are."""


def decommission(
    site: Path, confirmed: str | None, reason: Reason | None, root: Path = Path("/")
) -> int:
    """Wipe a device, after it was confirmed.

    Args:
        site: The site.
        confirmed: The device's id, typed by who wants it wiped; None: it is asked for.
        reason: Why, for the platform, which is told before anything is wiped; None: it is not told.
        root: Of the device: where the site is the device's own, what it has beside the agent's goes too.

    Returns:
        0 if nothing of it is left, else 1.

    Raises:
        ConfigError: The site cannot be read.
        StillNeededError: The agent or the page runs, this is not root, a case is held, or it was not confirmed.
    """
    configuration = load(site)
    base = site_folder(site)
    state_dir = base / configuration.storage.state_dir
    own = base.resolve() == (root / HOME_OF_SITES).resolve()
    if own:
        _refuse_if_page_is_on(root)
    with _nobody_else_on(state_dir):
        return _decommission(configuration, base, confirmed, reason, root if own else None)


def _decommission(
    configuration: Configuration,
    base: Path,
    confirmed: str | None,
    reason: Reason | None,
    root: Path | None,
) -> int:
    state_dir = base / configuration.storage.state_dir
    with acting_for(state_dir):
        _refuse_if_needed(configuration, base, state_dir)
        waiting = _waiting(state_dir)
    groups = groups_of(configuration, base, state_dir, root)
    _tell_plan(groups, waiting)
    device_id = configuration.site.device_id
    if confirmed is None:
        confirmed = click.prompt(
            say("Type the device's id ({device_id}) to wipe it", device_id=device_id),
            default="",
            show_default=False,
            err=True,
        )
    if confirmed != device_id:
        raise StillNeededError(say("Nothing was wiped: that is not the device's id."))
    told = _tell_platform(configuration, base, reason)
    with acting_for(state_dir):
        waiting, chain = _waiting(state_dir), _evidence(state_dir)
    # Looking into the database made files of its own.
    groups = groups_of(configuration, base, state_dir, root)
    record = _record(configuration, state_dir, groups, waiting)
    record |= {"reason": reason, "platform_told": told, "evidence": chain}
    record["jws"] = _signed(state_dir, record)
    left = _wipe_all(groups)
    for folder in (state_dir, *(() if root is None else (root / PAGE_STATE,))):
        left += _remove_folders(folder)
    record["left"] = [str(path) for path in left]
    record["discarded"] = trim(state_dir) if state_dir.exists() else False
    click.echo(json.dumps(record, ensure_ascii=False, indent=2))
    _tell_end(left, discarded=bool(record["discarded"]))
    return FAULT if left else 0


@contextmanager
def _nobody_else_on(state_dir: Path) -> Iterator[None]:
    """Keep every agent from beginning while it is wiped; one that runs keeps it from being wiped."""
    try:
        with alone(*([state_dir] if state_dir.is_dir() else ())):
            yield
    except NotAloneError as error:
        raise StillNeededError(
            said(
                "{folder} is in use by {by}. Stop it for good: `systemctl disable --now kerbwatch`.",
                folder=state_dir,
                by=error.by,
            )
        ) from error


def _refuse_if_page_is_on(root: Path) -> None:
    if os.geteuid():
        raise StillNeededError(said("Only root can do this: put `sudo` in front of it."))
    if (root / PAGE_ON).exists():
        raise StillNeededError(
            said("The page at the pole is on. Switch it off: `sudo kerbwatch page off`.")
        )


def _refuse_if_needed(configuration: Configuration, base: Path, state_dir: Path) -> None:
    try:
        read(base / configuration.storage.run_dir / STATUS)
        runs = True
    except NotRunningError:
        runs = _is_open(state_dir / DATABASE)
    if runs:
        raise StillNeededError(
            say("The agent runs. Stop it for good: `systemctl disable --now kerbwatch`.")
        )
    if held := sorted(LegalHolds(state_dir).names()):
        raise StillNeededError(
            say(
                "These cases are held: {cases}. Hand their pictures over, then lift the holds: "
                "`kerbwatch hold lift`.",
                cases=held,
            )
        )


def _is_open(database: Path) -> bool:
    """Whether another process has the database open: an agent that says nothing may still run."""
    if not database.is_file():  # never a pipe: it would hold us for ever
        return False
    try:
        with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    except sqlite3.DatabaseError:  # damaged: nobody runs on it
        return False
    return False


def _waiting(state_dir: Path) -> int | None:
    """How many events the platform has not confirmed; None if nobody can say."""
    path = state_dir / DATABASE
    if not path.is_file():
        return None
    try:
        with closing(read_only(path)) as connection:
            return waiting_count(connection)
    except sqlite3.DatabaseError:
        return None


def _evidence(state_dir: Path) -> dict[str, Any] | None:
    """Where the chain of manifests and tombstones ends; None: there is none, or nobody can say."""
    path = state_dir / DATABASE
    if not path.is_file():
        return None
    try:
        with closing(read_only(path)) as connection:
            head = evidence_chain.head(connection)
    except sqlite3.DatabaseError:
        return None
    return None if head is None else {"number": head.number, "link": head.link}


def _tell_plan(groups: list[Group], waiting: int | None) -> None:
    click.echo(say("To be wiped:"), err=True)
    for group in groups:
        facts = say(
            "{name}: {files} file(s), {size_mb:.1f} MB",
            name=known_in_words(STATE, group.name),
            files=len(group.files),
            size_mb=group.size_bytes / 1e6,
        )
        click.echo(f"  {facts}", err=True)
    if waiting:
        click.echo(
            say(
                "! {waiting} event(s) are not confirmed by the platform: they will be lost.",
                waiting=waiting,
            ),
            err=True,
        )


def _record(
    configuration: Configuration, state_dir: Path, groups: list[Group], waiting: int | None
) -> dict[str, Any]:
    """What is done, as the last record of the device; also in its log, while there is one."""
    clock = SystemClock()
    facts = {
        "device_id": configuration.site.device_id,
        "wiped": {
            each.name: {"files": len(each.files), "bytes": each.size_bytes} for each in groups
        },
        "waiting": waiting,
    }
    log = audit_of(state_dir, "decommission")
    try:
        with acting_for(state_dir):
            kept = (state_dir / AUDIT).exists()
            head = log.append("device.decommissioned", **facts) if kept else None
    except AuditError as error:
        click.echo(error_in_words(error), err=True)
        head = None
    return {
        "what": "device.decommissioned",
        "tenant": configuration.site.tenant,
        **facts,
        "at": clock.now().astimezone(UTC).isoformat(timespec="seconds"),
        "clock": "synchronised" if clock.synchronised else "unsynchronised",
        "by": log.by,
        "audit": None if head is None else {"number": head.number, "hash": head.hash},
    }


def _signed(state_dir: Path, record: dict[str, Any]) -> str | None:
    """The record signed with the device's key, before that goes; None if there is no key any more."""
    folder = state_dir / KEYS
    try:
        with acting_for(folder):
            return Signer(folder).sign(record) if (folder / SIGNING_KEY).exists() else None
    except OSError:  # no key, or root's: an agent was run as root
        return None


def _tell_platform(configuration: Configuration, base: Path, reason: Reason | None) -> bool:
    """Tell the platform before the outbox goes; what keeps it from that keeps nobody from wiping."""
    if reason is None:
        click.echo(
            say(
                "! The platform is not told, as no --reason was given: report there that the device"
                " was taken down."
            ),
            err=True,
        )
        return False
    why_not = tell_platform(configuration, base, reason)
    if why_not is not None:
        click.echo(
            say(
                "! The platform could not be told ({reason}): report there that the device was taken"
                " down.",
                reason=why_not,
            ),
            err=True,
        )
        return False
    click.echo(say("✓ The platform has confirmed that the device was taken down."), err=True)
    return True


def _wipe_all(groups: list[Group]) -> list[Path]:
    """Wipe file by file; what could not be wiped is left, and named."""
    left = []
    for group in groups:
        for path in group.files:
            try:
                wipe(path)
            except OSError as error:
                click.echo(f"{path}: {error_in_words(error)}", err=True)
                left.append(path)
    return left


def _remove_folders(state_dir: Path) -> list[Path]:
    """Remove the empty folders; what came meanwhile is left, and named."""
    with acting_for(state_dir):
        return _removed(state_dir) if state_dir.exists() else []


def _removed(state_dir: Path) -> list[Path]:
    found = sorted(state_dir.rglob("*"), reverse=True)
    for path in found:
        if path.is_dir() and not path.is_symlink():
            try:
                path.rmdir()
            except OSError:
                continue
    sync_folder(state_dir)
    return [path for path in found if path.is_symlink() or (path.exists() and not path.is_dir())]


def _tell_end(left: list[Path], *, discarded: bool) -> None:
    if left:
        click.echo(
            say("! {count} file(s) could not be wiped; run it again as root.", count=len(left)),
            err=True,
        )
        return
    click.echo(say("✓ Everything above is wiped. Keep the printed record."), err=True)
    if not discarded:
        click.echo(
            say(
                "! The card was not told which blocks are free (fstrim): it may keep old "
                "contents longer."
            ),
            err=True,
        )
    for text in (
        say(
            "A card moves blocks about to wear evenly: old copies are out of the system's reach, "
            "but not out of a laboratory's. If that matters, destroy the card."
        ),
        say("  site.toml, zones.json and the journal stay: they hold no keys and no pictures."),
        say("Have the platform revoke the device's certificate."),
    ):
        click.echo(text, err=True)
