"""``python -P -m provisioning.card``: ``kerbwatch-firstboot.service``."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from drivers.programs import python, system
from provisioning.card.planting import HOME_OF_SITES, plant
from wording.harmless import harmless
from wording.known_errors import reason_of

_UNREACHABLE = 4
"""Exit code of ``kerbwatch`` where a server cannot be reached: the one failure that passes by itself."""
_WITHIN_S, _BETWEEN_S = 900.0, 15.0
_LONGEST_S = 120
_MAX_SAID = 300


def main() -> int:
    """Set the device up from its card; what happened is printed.

    What could not be set up stands in the stamp, and another try would change nothing: that is no failure
    of the unit.
    """
    root = Path("/")
    stamp = plant(root, datetime.now(UTC), _take_page, _enrol, _start)
    if stamp is None:
        print("the card carried nothing")
        return 0
    print(f"seeded by {harmless(stamp.by)}: {', '.join(stamp.done) or 'nothing'}")
    for fault in stamp.faults:
        print(harmless(fault), file=sys.stderr)
    return 0


def _start() -> None:
    """Join the network and start the agent; neither is waited for."""
    for command in (
        ("nmcli", "connection", "reload"),
        ("systemctl", "daemon-reload"),  # with the right to the pins
        ("systemctl", "--no-block", "start", "kerbwatch.service"),
    ):
        try:
            subprocess.run(
                [system(command[0]), *command[1:]],
                check=False,
                timeout=_LONGEST_S,
                capture_output=True,
            )
        except FileNotFoundError:
            continue  # a device on a cable may do without NetworkManager
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"{command[0]}: {error}", file=sys.stderr)


def _take_page(file: Path) -> str:
    """In a unit of its own: this one may act for no other user."""
    command = [system("systemd-run"), "--quiet", "--wait", "--collect", "--pipe"]
    command += python("-m", "provisioning.page.from_card", str(file))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_LONGEST_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return reason_of(error)
    if done.returncode == 0:
        return ""
    told = done.stdout.strip() or done.stderr.strip()
    return harmless(told, _MAX_SAID) or f"exit code {done.returncode}"


def _enrol(server: str, authority: Path, token: Path) -> str:
    """Ask until the server answers, for a quarter of an hour; it answers a token once."""
    command = python("-m", "provisioning.cli", "identity", "enrol", f"/{HOME_OF_SITES}")
    command += ["--server", server, "--authority", str(authority), "--token-file", str(token)]
    until_s = time.monotonic() + _WITHIN_S
    while True:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_LONGEST_S
        )
        if done.returncode == 0:
            return ""
        if done.returncode != _UNREACHABLE or time.monotonic() >= until_s:
            return harmless(done.stderr.strip(), _MAX_SAID) or f"exit code {done.returncode}"
        time.sleep(_BETWEEN_S)


if __name__ == "__main__":
    sys.exit(main())
