"""``kerbwatch run``: the agent in this process, until a signal ends it."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from agent import config, log_lines

if TYPE_CHECKING:
    from types import FrameType


def run_site(site: Path) -> int:
    """Run a site's agent until SIGTERM or SIGINT; give its exit code."""
    from agent.device import run  # noqa: PLC0415 - loads the network's runtime

    log_lines.begin()
    configuration = config.load(site)
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return run(configuration, base=site if site.is_dir() else site.parent, stop=stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
