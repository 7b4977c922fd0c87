"""``kerbwatch run``: the agent in this process, until a signal ends it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config import in_force, loading
from agent.config.site_files import site_folder
from agent.runtime import log_format
from drivers.clock import SystemClock
from drivers.files.privileges import keeper_of
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


def run_site(site: Path) -> int:
    """Run a site's agent until SIGTERM or SIGINT; give its exit code."""
    from agent.runtime.device import run  # noqa: PLC0415 - loads the network's runtime

    log_format.begin()
    _refuse_anothers(site, loading.load(site).storage.state_dir)
    found = in_force.at_start(site, SystemClock())
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return run(found.configuration, base=site_folder(site), stop=stop, in_force=found)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
