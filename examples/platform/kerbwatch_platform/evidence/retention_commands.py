"""``retention``, ``hold`` and ``delete-pictures``: how long pictures are kept, from a shell."""

from __future__ import annotations

import getpass
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from kerbwatch_platform import settings, store
from kerbwatch_platform.evidence import holds, notices, retention
from kerbwatch_platform.evidence.folder import NotOursError
from kerbwatch_platform.settings import Settings
from kerbwatch_platform.words import text
from kerbwatch_platform.words.spoken import spoken, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STOPPED, AWAY = 1, 5
NO_CASE = text("no such case is here: {case}")
NO_REASON = text("say why, in 1 to 500 characters: it is kept")
HELD = text(
    "nothing was deleted: the case is held, or it was handed over and the period of that is not over"
)


def _case(command: Callable[..., None]) -> Callable[..., None]:
    """Three arguments that name a case, as its address at the desk does."""
    for name in ("case_id", "device", "tenant"):
        command = click.argument(name)(command)
    return command


_reason = click.option("--reason", required=True, help=tell("Why; it is kept."))


@click.command(
    "retention",
    help=tell(
        "Delete pictures whose time is over, as every hour. 1: too many at once, none was deleted; 5: the folder is away, or is another one."
    ),
)
@click.option("--dry-run", is_flag=True, help=tell("Only say how many it would be."))
@click.option("--confirm", is_flag=True, help=tell("Also where it is more than a quarter of all."))
@settings.passed
def once(chosen: Settings, dry_run: bool, confirm: bool) -> None:
    """One pass."""
    with in_words(), store.connect(chosen.database) as connection:
        told = retention.run(connection, chosen, confirmed=confirm, dry=dry_run)
    if told.stopped:
        click.echo(
            notices.words_of(spoken(), retention.TOO_MANY, due=told.due, living=told.living),
            err=True,
        )
        sys.exit(STOPPED)
    click.echo(
        tell(
            "{living} files of evidence, {due} due, {deleted} deleted",
            living=told.living,
            due=told.due,
            deleted=told.deleted,
        )
    )


@click.group("hold", help=tell("Hold a case: nothing of it is deleted until the hold is lifted."))
def hold() -> None:
    """Hold together what is about holds."""


@hold.command("set", help=tell("Hold a case."))
@_case
@_reason
@settings.passed
def hold_set(chosen: Settings, tenant: str, device: str, case_id: str, reason: str) -> None:
    """Set it."""
    of = holds.Of(tenant, device, case_id)
    with in_words(), store.connect(chosen.database) as connection:
        new = holds.change(connection, of, hold=True, by=_by(), reason=reason)
    click.echo(tell("held") if new else tell("it was held before; nothing was changed"))


@hold.command("lift", help=tell("Lift the hold on a case."))
@_case
@_reason
@settings.passed
def hold_lift(chosen: Settings, tenant: str, device: str, case_id: str, reason: str) -> None:
    """Lift it."""
    of = holds.Of(tenant, device, case_id)
    with in_words(), store.connect(chosen.database) as connection:
        new = holds.change(connection, of, hold=False, by=_by(), reason=reason)
    click.echo(tell("lifted") if new else tell("it was not held; nothing was changed"))


@hold.command("list", help=tell("List what is held, with reasons."))
@settings.passed
def hold_list(chosen: Settings) -> None:
    """List them."""
    with store.connect(chosen.database) as connection:
        for each in holds.standing(connection):
            of = "/".join(each[:3])
            click.echo(
                tell(
                    "{case}: since {at}, {account}: {reason}",
                    case=of,
                    at=each.at.astimezone().isoformat(timespec="minutes"),
                    account=each.account,
                    reason=each.reason,
                )
            )


@click.command(
    "delete-pictures",
    help=tell("Delete the pictures of one case before their time, with a reason."),
)
@_case
@_reason
@settings.passed
def delete_pictures(chosen: Settings, tenant: str, device: str, case_id: str, reason: str) -> None:
    """Delete them."""
    of = holds.Of(tenant, device, case_id)
    with in_words(), store.connect(chosen.database) as connection:
        gone, stay = retention.delete_now(connection, chosen, of, by=_by(), reason=reason)
    click.echo(tell("{gone} deleted; {stay} stay, for other cases need them", gone=gone, stay=stay))


def _by() -> str:
    """Who runs the command, told from an account of the desk."""
    return f"shell {getpass.getuser()}"


@contextmanager
def in_words() -> Iterator[None]:
    """Say in words what keeps a command from its work, and end it."""
    try:
        yield
    except NotOursError as error:
        click.echo(error.words(spoken()), err=True)
        sys.exit(AWAY)
    except OSError as error:
        click.echo(tell("cannot be read: {reason}", reason=str(error)), err=True)
        sys.exit(AWAY)
    except holds.NoCaseError as error:
        raise click.ClickException(tell(NO_CASE, case=str(error))) from error
    except holds.NoReasonError as error:
        raise click.ClickException(tell(NO_REASON)) from error
    except retention.HeldError as error:
        raise click.ClickException(tell(HELD)) from error


COMMANDS: list[click.Command] = [once, hold, delete_pictures]
