"""Starts the page: by its unit, or by hand for a look.

python -P -m provisioning.page                 # on the sockets that systemd has opened
python -P -m provisioning.page --try FOLDER    # on this machine alone, everything below FOLDER
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path

from provisioning.page.server import make_certificate, run
from provisioning.page.setup import Setup

_FIRST = 3
"""The first descriptor of sd_listen_fds(3)."""


def main(arguments: list[str]) -> int:
    """Serve; gives the exit code."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    if arguments[:1] == ["--try"] and len(arguments) == 2:
        setup, sockets = _tried(Path(arguments[1]).absolute())
    elif arguments:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    else:
        setup, sockets = _on_device()
    run(setup, sockets)
    return 0


def _tried(folder: Path) -> tuple[Setup, list[socket.socket]]:
    listening = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{listening.getsockname()[1]}"
    setup = Setup(
        state_dir=folder / "page",
        run_dir=folder / "page-run",
        agent_run_dir=folder / "run",
        root_dir=folder / "root",
        hosts=(host,),
    )
    make_certificate(setup.state_dir / "tls")
    sys.stderr.write(f"https://{host}/\n")
    return setup, [listening]


def _on_device() -> tuple[Setup, list[socket.socket]]:
    count = int(os.environ.get("LISTEN_FDS", "0"))
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not count:
        raise SystemExit("started without the sockets of kerbwatch-page.socket")
    setup = Setup(
        state_dir=Path("/var/lib/kerbwatch-page"),
        run_dir=Path("/run/kerbwatch-page"),
        agent_run_dir=Path("/run/kerbwatch"),
        root_dir=Path("/run/kerbwatch-admin"),
    )
    return setup, [socket.socket(fileno=_FIRST + number) for number in range(count)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
