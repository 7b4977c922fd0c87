"""``kerbwatch run``: the agent in this process, until a signal ends it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.config import in_force, loading
from agent.config.broker_address import host_and_port
from agent.config.site_files import site_folder
from agent.runtime import log_format
from drivers.clock import SharedClock, SystemClock
from drivers.files.privileges import keeper_of
from drivers.network import is_loopback
from provisioning.wording import say
from wording.messages import said

if TYPE_CHECKING:
    from types import FrameType


def _refuse_anothers(site: Path, state_dir: Path) -> None:
    """Keep root from running on a folder in whose place somebody else could put another."""
    folder = site_folder(site) / state_dir
    if os.geteuid() != 0 or (folder.exists() and folder.stat().st_uid != 0):
        return  # its owner's, as whom this must be run
    if keeper_of(folder) is not None:  # also of one that would only be made: by then it is root's
        raise PermissionError(
            said(
                "Another user could replace {folder}: run this as that user.",
                folder=folder,
            )
        )


def _refuse_orders_from_elsewhere(broker: str | None) -> None:
    """Keep a device whose orders come over a network from going by a clock that nobody vouches for."""
    if broker is None or not is_loopback(host_and_port(broker)[0]):
        raise click.UsageError(
            say(
                "--orders-from-here: uplink.broker must be on this machine, such as mqtt://127.0.0.1; it is {broker}.",
                broker=broker or "-",
            )
        )


def run_site(site: Path, *, orders_from_here: bool = False) -> int:
    """Run a site's agent until SIGTERM or SIGINT; give its exit code."""
    from agent.runtime.device import run  # noqa: PLC0415 - loads the network's runtime

    log_format.begin()
    _refuse_anothers(site, loading.load(site).storage.state_dir)
    found = in_force.at_start(site, SystemClock())
    if orders_from_here:
        _refuse_orders_from_elsewhere(found.configuration.uplink.broker)
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return run(
            found.configuration,
            base=site_folder(site),
            stop=stop,
            in_force=found,
            orders_clock=SharedClock() if orders_from_here else None,
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
