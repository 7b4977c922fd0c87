"""``work``, ``replay`` and ``quarantine``: the commands of the workers."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerbwatch_platform import settings, store
from kerbwatch_platform.intake import quarantine
from kerbwatch_platform.intake.processes import keep_running, worker_command
from kerbwatch_platform.intake.replaying import take_again_from
from kerbwatch_platform.intake.worker import Worker
from kerbwatch_platform.transports import open_replay, open_transport
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Settings

_LOOK_S = 1.0


def _stopped_by_signals() -> threading.Event:
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _end_with(parent: int, stop: threading.Event) -> None:
    """A worker whose parent was killed ends, too: whoever starts it again would find its name taken."""
    while not stop.wait(_LOOK_S):
        if os.getppid() != parent:
            stop.set()


@click.command("work", help=tell("Take what devices send, store it, and tell them; until SIGTERM."))
@click.option(
    "--workers", type=click.IntRange(1, 64), help=tell("How many; those of the settings.")
)
@click.option("--name", help=tell("One worker, in this process, of this lasting name."))
@click.option("--parent", type=int, hidden=True)
@settings.passed
def work(chosen: Settings, workers: int | None, name: str | None, parent: int | None) -> None:
    """Take what devices send, store it, and tell them; until SIGTERM."""
    stop = _stopped_by_signals()
    if name is None:
        file = str(click.get_current_context().find_object(Path) or settings.PATH)
        names = [f"{chosen.share}-{nth}" for nth in range(1, (workers or chosen.workers) + 1)]
        keep_running([worker_command(file, each) for each in names], stop)
        return
    watch = threading.Thread(target=_end_with, args=(parent or os.getppid(), stop), daemon=True)
    watch.start()
    try:
        transport = open_transport(chosen.broker, chosen.share, chosen.prefix, name)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    try:
        Worker(chosen, transport).run(stop)
    finally:
        transport.close()


@click.command("replay", help=tell("Take once more what the broker's stream has kept (RabbitMQ)."))
@click.option(
    "--from", "begin", required=True, help=tell("first, 12h, 3D, or 2026-01-01T02:00:00+08:00")
)
@settings.passed
def replay(chosen: Settings, begin: str) -> None:
    """Take once more what the broker's stream has kept (RabbitMQ)."""
    stop = _stopped_by_signals()
    try:
        transport = open_replay(chosen.broker, chosen.share, chosen.prefix, begin)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    try:
        count = take_again_from(chosen, transport, stop)
    finally:
        transport.close()
    click.echo(f"{count}")
    sys.exit(0 if transport.is_finished else 1)


@click.group("quarantine", help=tell("What could not be taken, and waits for a person."))
def quarantined() -> None:
    """What could not be taken, and waits for a person."""


@quarantined.command("list", help=tell("One line each, the newest first."))
@settings.passed
def listed(chosen: Settings) -> None:
    """One line each, the newest first."""
    query = (
        "SELECT quarantine_id, kind, topic, size_bytes, times, why FROM quarantine"
        " WHERE done_at IS NULL ORDER BY last_at DESC LIMIT 1000"
    )
    with store.connect(chosen.database) as connection:
        for row in connection.execute(query):
            click.echo("\t".join(map(str, row)))


@quarantined.command("again", help=tell("Take one as if it came now."))
@click.argument("number", type=int)
@settings.passed
def again(chosen: Settings, number: int) -> None:
    """Take one as if it came now."""
    with store.connect(chosen.database) as connection:
        try:
            quarantine.take_again(connection, chosen, number, "command line")
        except ValueError as error:
            raise click.ClickException(str(error)) from error


@quarantined.command("done", help=tell("Delete one."))
@click.argument("number", type=int)
@settings.passed
def let_go(chosen: Settings, number: int) -> None:
    """Delete one."""
    with store.connect(chosen.database) as connection:
        if not quarantine.done(connection, number, "command line"):
            raise click.ClickException(tell("there is no such one"))


COMMANDS: list[click.Command] = [work, replay, quarantined]
