"""All of it on one machine: PostgreSQL, a broker, workers, the pages, what is hourly, and a device to look at."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from kerbwatch_platform.evidence import signing
from kerbwatch_platform.local import broker, demo, postgres
from kerbwatch_platform.local.configuration import USUAL_PORT, settled
from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.local.folder import opened
from kerbwatch_platform.local.supervisor import Program, StoppedError, Supervisor
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from pathlib import Path

    from kerbwatch_platform.local.folder import Folder
    from kerbwatch_platform.local.postgres import Cluster
    from kerbwatch_platform.settings import Settings

WEB, HOURLY, UPLOADS, WEBHOOKS = "web", "hourly", "uploads", "webhooks"
PICTURES = "demo-pictures"
_MIGRATES_WITHIN_S = 600


def keep_desk(path: Path, port: int | None, *, with_demo: bool) -> None:
    """Run a desk until SIGINT or SIGTERM.

    Raises:
        DeskError: It cannot start; the text says why.
        SettingsError: Its settings are none.
    """
    with opened(path) as folder, suppress(StoppedError), Supervisor(folder.logs, _say) as running:
        settings = settled(folder, postgres.database_in(folder), port)
        _refuse_taken_ports(settings)
        database = postgres.cluster(folder, _say)
        _start(running, folder, database, settings, with_demo=with_demo)
        running.run()
        _say(tell("Ending …"))


def _start(
    running: Supervisor, folder: Folder, database: Cluster, settings: Settings, *, with_demo: bool
) -> None:
    steps = _Steps()
    running.start(database.program)
    port = urlsplit(settings.broker).port or 0
    mosquitto = broker.mosquitto(folder.broker, port)
    device = _demo_device(folder, settings, port) if with_demo else None
    passwords = {broker.PLATFORM: broker.password_in(settings.broker)}
    if device is not None:
        passwords[device.login] = device.password
    mosquitto.prepare(settings.prefix, passwords)
    running.start(mosquitto.program)
    running.wait_until(database.ready, postgres.NAME, 120)
    running.wait_until(lambda: _listens(port), broker.NAME)
    steps.took(tell("database and broker"))
    _run(folder, tell("The tables could not be made"), "migrate")
    steps.took(tell("tables"))
    for number in range(1, settings.workers + 1):
        name = f"worker-{number}"
        running.start(Program(name, _command(folder, "work", "--name", name)))
    if device is not None:
        running.start(device.program)
    running.start(Program(WEB, _command(folder, "web")))
    running.wait_until(lambda: _listens(settings.web.port), WEB)
    link = _run(folder, tell("There is no first link"), "account", "first-link")
    steps.took(tell("pages"))
    _welcome(folder, settings, link)
    running.start(Program(HOURLY, _command(folder, "hourly")))
    for name, wanted in ((UPLOADS, settings.uploads), (WEBHOOKS, settings.webhooks)):
        if wanted:
            running.start(Program(name, _command(folder, name)))
    if device is not None:
        running.start(Program(PICTURES, _command(folder, PICTURES, *device.login.split("/"))))
    elif with_demo:
        _say(tell("Without the source tree there is no device to look at: connect your own."))


def _demo_device(folder: Folder, settings: Settings, port: int) -> demo.Device | None:
    source = demo.tree()
    if source is None:
        return None
    key = signing.public_pem(signing.key(settings.signing_key_file))
    return demo.device(source, folder.demo, settings, port, key)


class _Steps:
    """Says how long each step took."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def took(self, what: str) -> None:
        """Say it of the one that ends now."""
        now_s = time.monotonic()
        _say(f"-- {what}: {now_s - self._began_s:.0f} s")
        self._began_s = now_s


def _welcome(folder: Folder, settings: Settings, link: str) -> None:
    address = f"http://{settings.web.host}:{settings.web.port}/"
    _say(
        tell(
            "The desk is at {address}; what it keeps is in {folder}.",
            address=address,
            folder=folder.path,
        )
    )
    if link:
        _say(tell("Open this once, to make the first account; it works one time:"))
        _say(f"  {link}")
    _say(tell("Ctrl-C ends it; the next start goes on with what is there."))


def _refuse_taken_ports(settings: Settings) -> None:
    """Say at once, and of every port, that another program has it."""
    ports = {settings.web.port: WEB, urlsplit(settings.broker).port or 0: broker.NAME}
    taken = []
    for port, name in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                taken.append(f"  {port} ({name}): {error.strerror}")
    if taken:
        raise DeskError(
            tell(
                "ports that the desk needs cannot be had:\n{taken}\n"
                "Name another with --port N: the pages are there, and the broker at N + 1. Usual: {usual}.",
                taken="\n".join(taken),
                usual=USUAL_PORT,
            )
        )


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def _command(folder: Folder, *told: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "kerbwatch_platform", "--settings", str(folder.settings), *told)


def _run(folder: Folder, fault: str, *told: str) -> str:
    """Run one of our commands to its end; what it prints."""
    done = subprocess.run(
        _command(folder, *told),
        capture_output=True,
        text=True,
        check=False,
        timeout=_MIGRATES_WITHIN_S,
    )
    if done.returncode:
        raise DeskError(f"{fault}:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout.strip()


def _say(line: str) -> None:
    click.echo(line)
