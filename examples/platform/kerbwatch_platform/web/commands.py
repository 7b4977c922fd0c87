"""``web`` serves the desk; ``account`` gives a person a way in."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click
import uvicorn

from kerbwatch_platform import settings, store
from kerbwatch_platform.web import accounts
from kerbwatch_platform.web.addresses import AddressError, Addresses
from kerbwatch_platform.web.app import app
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Settings

REFUSED = 3
"""Exit code: the settings were refused."""


@click.command("web", help=tell("Serve the desk until it is ended."))
@settings.passed
def web(chosen: Settings) -> None:
    """Serve."""
    _addresses(chosen)
    desk = app(chosen)
    # uvicorn ends in order and then raises the signal again; to be told to end is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Paths hold one-time links, and who saw what is in the database: uvicorn writes no lines of its own.
    uvicorn.run(
        desk,
        host=chosen.web.host,
        port=chosen.web.port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=chosen.web.public_url is not None,
        timeout_graceful_shutdown=5,
        limit_concurrency=200,
    )


@click.group("account", help=tell("Accounts of the desk."))
def account() -> None:
    """Hold the commands together."""


@account.command(
    "first-link",
    help=tell(
        "Print the one-time link that makes the first administrator; nothing once there is one."
    ),
)
@settings.passed
def first_link(chosen: Settings) -> None:
    """Print it."""
    with store.connect(chosen.database) as connection:
        token = accounts.first_link(connection)
    if token:
        click.echo(_addresses(chosen).url(f"/first/{token}"))


@account.command(
    "link",
    help=tell(
        "Print a one-time link with which an account gets a new password (whoever has this shell is trusted)."
    ),
)
@click.argument("name")
@settings.passed
def link(chosen: Settings, name: str) -> None:
    """Print it."""
    with store.connect(chosen.database) as connection:
        try:
            token = accounts.new_link(connection, name, accounts.BY_COMMAND)
        except accounts.AccountError as error:
            click.echo(tell(str(error)), err=True)
            sys.exit(1)
    click.echo(_addresses(chosen).url(f"/first/{token}"))


def _addresses(chosen: Settings) -> Addresses:
    """Where the desk answers; a command ends where the settings do not let it."""
    try:
        return Addresses(chosen.web)
    except AddressError as error:
        click.echo(tell(error.english, given=error.given), err=True)
        sys.exit(REFUSED)


COMMANDS: list[click.Command] = [web, account]
