"""The device's process. ``python -m agent SITE`` is what the systemd unit runs."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from agent.config import faults
from agent.config.site_files import site_folder
from drivers.files import installed

with installed.naming_damage():
    from agent.config import in_force, last_known_good
    from agent.runtime import log_format
    from agent.runtime.device import run
    from agent.runtime.instance_lock import ForeignStateError, NotAloneError
    from agent.storage.errors import NewerDatabaseError
    from drivers.clock import SystemClock
    from wording.harmless import harmless
    from wording.messages import text_of


def main() -> int:
    """Read the site given on the command line and watch it."""
    os.umask(0o077)  # pictures, keys and cases are for nobody else, however this is started
    log_format.begin()
    if len(sys.argv) != 2:
        print("usage: python -m agent SITE", file=sys.stderr)
        return 2
    site = Path(sys.argv[1])
    try:
        found = in_force.at_start(site, SystemClock())
    except faults.ConfigError as error:
        print(harmless(text_of(error)), file=sys.stderr)
        return 3
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    faulthandler.enable()  # what stood where, when the watchdog ends us with SIGABRT
    base, configuration = site_folder(site), found.configuration

    def came_up() -> None:
        if found.number is None and found.health.state == "as_written":
            state_dir = base / configuration.storage.state_dir
            last_known_good.keep(site, configuration, state_dir, SystemClock())

    try:
        ended = run(configuration, base=base, stop=stop, in_force=found, on_ready=came_up)
    except (NotAloneError, ForeignStateError) as error:
        print(error, file=sys.stderr)
        return 1
    except NewerDatabaseError as error:
        print(harmless(text_of(error)), file=sys.stderr)
        return 5
    if threading.active_count() > 1:
        # A thread that is stuck in a library would keep the process from ending.
        logging.shutdown()
        os._exit(ended)
    return ended


if __name__ == "__main__":
    with installed.naming_damage():
        sys.exit(main())
