"""``export`` writes cases and places in the forms of other systems; ``webhooks`` tells those that the settings name."""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import uvicorn
from standardwebhooks.webhooks import Webhook as Signer

from kerbwatch_platform import settings, store
from kerbwatch_platform.exports.fiware import ENTITIES
from kerbwatch_platform.exports.forms import FORMS
from kerbwatch_platform.exports.hotline import Hotline
from kerbwatch_platform.exports.hourly import webhooks as tell_all
from kerbwatch_platform.exports.reading import export
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Settings

EVERY_S = 5.0
_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command(
    "export",
    help=tell(
        "Print cases that opened in a stretch of days (or events, or places), one JSON a line, in the form of another system."
    ),
)
@click.argument("form", type=click.Choice([*FORMS, *ENTITIES]))
@click.option("--from", "since", type=_DAY, help=tell("First day; unless told, the last 7 days."))
@click.option("--until", type=_DAY, help=tell("The day after the last one."))
@settings.passed
def export_(chosen: Settings, form: str, since: datetime | None, until: datetime | None) -> None:
    """Print them."""
    zone = ZoneInfo(chosen.time_zone)
    today = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    end = until.replace(tzinfo=zone) if until else today + timedelta(days=1)
    begin = since.replace(tzinfo=zone) if since else end - timedelta(days=7)
    with store.connect(chosen.database) as connection:
        if form in ENTITIES:
            found = ENTITIES[form](connection)
            for entity in found.entities:
                click.echo(json.dumps(entity, ensure_ascii=False))
            if found.without_place:
                click.echo(
                    tell(
                        "{count} zones have no surveyed coordinates, which this form demands",
                        count=found.without_place,
                    ),
                    err=True,
                )
            return
        for line in export(connection, form, begin, end):
            click.echo(line)


@click.command("webhooks", help=tell("Tell the systems that the settings name, until it is ended."))
@settings.passed
def webhooks(chosen: Settings) -> None:
    """Tell them what is due, every few seconds."""
    if not chosen.webhooks:
        raise click.ClickException(
            tell("The settings have no [[webhooks]]: there is nobody to tell.")
        )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        line = tell_all(chosen)
        if line:
            click.echo(line, err=True)
        stop.wait(EVERY_S)


@click.command(
    "hotline-stand-in",
    help=tell("Stand in for the 12345 hotline's side on this machine, to try a webhook against."),
)
@click.option("--port", type=click.IntRange(0, 65_535), default=8490, show_default=True)
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help=tell("The file that the webhook's `secret_file` names."),
)
def hotline(port: int, secret_file: Path) -> None:
    """Serve it on loopback."""
    try:
        signer = Signer(secret_file.read_text(encoding="ascii").strip())
    except (OSError, ValueError, RuntimeError) as error:
        click.echo(tell("cannot be read: {reason}", reason=str(error)), err=True)
        sys.exit(5)
    uvicorn.run(Hotline(signer).app(), host="127.0.0.1", port=port, log_level="info")


COMMANDS: list[click.Command] = [export_, webhooks, hotline]
