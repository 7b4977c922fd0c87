"""``kerbwatch audit``: shows and verifies the audit log; and how commands append to it."""

from __future__ import annotations

import heapq
import json
import os
import re
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from agent.audit import (
    OF_PLATFORM,
    AuditError,
    AuditLog,
    AuditRecord,
    Head,
    records,
    verify,
    verify_orders,
)
from agent.config.loading import load
from agent.config.site_files import site_folder
from agent.storage.paths import AUDIT
from drivers.clock import SystemClock
from drivers.files.privileges import become_keeper_of
from drivers.files.small_files import user_name
from provisioning.console.exit_codes import FAULT
from provisioning.console.local_time import local
from provisioning.wording import MAX_SHOWN, error_in_words, in_words, say
from provisioning.wording.vocabulary import AUTHORS, RECORDS, known_in_words
from provisioning.wording.width import padded
from wording.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KNOWN = re.compile(r"(?P<number>[0-9]{1,15}):(?P<hash>[0-9a-f]{64})")


def audit_of(state_dir: Path, command: str) -> AuditLog:
    """The log of a device, for what a command does in the name of who called it."""
    return AuditLog(state_dir / AUDIT, SystemClock(), by=f"kerbwatch {command} ({_user()})")


def note(state_dir: Path, command: str, what: str, **facts: Any) -> None:
    """Record what a command did; if that cannot be written, print a warning and continue.

    A folder without a state is no device: nothing is recorded there.
    """
    if not state_dir.is_dir():
        return
    try:
        audit_of(state_dir, command).append(what, **facts)
    except AuditError as error:
        click.echo(
            say("This was not recorded in the audit log: {reason}", reason=error_in_words(error)),
            err=True,
        )


def _user() -> str:
    """The calling user: by sudo, or the owner of the process."""
    sudo = os.environ.get("SUDO_USER")
    if sudo:
        return sudo[:64]
    return user_name(os.getuid())


def show(site: Path, last: int, *, as_json: bool) -> None:
    """Print the newest records.

    Raises:
        ConfigError: The site cannot be read.
        AuditError: The log cannot be read.
    """
    configuration = load(site)
    folder = _folder(site)
    become_keeper_of(folder)
    # So many of each log, each in its own order: by a clock that was set back the newest would be the oldest.
    own, ordered = list(records(folder))[-last:], list(records(folder / OF_PLATFORM))[-last:]
    newest = list(heapq.merge(own, ordered, key=lambda record: record.at))
    if as_json:
        for record in newest:
            click.echo(record.line(), nl=False)
        return
    if not newest:
        click.echo(say("There is no record in {folder}.", folder=folder))
    for record in newest:
        click.echo("\n".join(_lines(record, configuration.site.timezone)))


def _lines(record: AuditRecord, timezone: str) -> Iterator[str]:
    doubt = "" if record.clock == "synchronised" else " ?"
    at = local(datetime.fromisoformat(record.at), timezone, "seconds") + doubt
    what, words = harmless(record.what), harmless(known_in_words(RECORDS, record.what))
    by = harmless(known_in_words(AUTHORS, record.by))
    yield f"{record.number:>6}  {padded(at, 27)}  {padded(words, 24)}  {padded(what, 26)}  {by}"
    for name, value in record.facts.items():
        told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield harmless(f"        {name}: {told}", MAX_SHOWN)


def verify_log(site: Path, known: str | None, *, as_json: bool) -> int:
    """Verify the chain, and that of the platform's log; 0 if both are intact, else 1.

    Raises:
        ConfigError: The site cannot be read.
        AuditError: The log cannot be read.
        UsageError: ``known`` is not a number with a hash.
    """
    folder = _folder(site)
    become_keeper_of(folder)
    verdict, ordered = verify(folder, _head(known)), verify_orders(folder)
    breaks = (*verdict.breaks, *ordered.breaks)
    if as_json:
        told = {"holds": not breaks, **asdict(verdict), "platform": asdict(ordered)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return FAULT if breaks else 0
    for each in breaks:
        click.echo(
            say(
                "✗ {file}, line {line}: {reason}",
                file=each.file,
                line=each.line,
                reason=in_words(each.reason),
            )
        )
    if breaks:
        click.echo(say("The chain breaks: the log was changed after it was written."))
        return FAULT
    click.echo(
        say(
            "✓ {count} record(s) from number {first} on, the chain is intact.",
            count=verdict.records,
            first=verdict.first,
        )
    )
    if ordered.records:
        click.echo(
            say(
                "✓ {count} record(s) of the platform's commands, their chain is intact.",
                count=ordered.records,
            )
        )
    click.echo(
        say(
            "The newest record is {number}:{hash}; compare it with what the platform received.",
            number=verdict.head.number,
            hash=verdict.head.hash,
        )
    )
    return 0


def _head(known: str | None) -> Head | None:
    if known is None:
        return None
    found = _KNOWN.fullmatch(known)
    if found is None:
        raise click.UsageError(say("--known: give a number, a colon and 64 hexadecimal digits"))
    return Head(int(found["number"]), found["hash"])


def _folder(site: Path) -> Path:
    return site_folder(site) / load(site).storage.state_dir / AUDIT
