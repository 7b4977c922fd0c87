"""Root's helper: restarts the network or reboots, as the agent requested. Runs briefly.

    python -m agent.runtime.privileged_actions REQUEST_DIR STATE_DIR

The request is untrusted until validated, and a valid one is refused if it comes too soon, by a count
that the writer of requests cannot change. It sleeps before it ends: systemd starts it again only then,
so requests cannot keep the host busy. It imports only the standard library, and modules of ours that do
the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from drivers.disk import replace_file
from drivers.files import requests
from drivers.files.requests import RefusedError

REST_S = 3.0
NETWORK_APART_S = 600.0
UPTIME_FIRST_S, UPTIME_MAX_S = 3600.0, 86_400.0
MAX_DOUBLINGS = 8
NETWORKS = ("NetworkManager.service", "systemd-networkd.service", "dhcpcd.service")
"""What manages a network on Raspberry Pi OS and Debian; those that do not run are left alone."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
UPTIME = Path("/proc/uptime")


def take(path: Path) -> str:
    """Read and remove the request, and return the action it asks for.

    Raises:
        RefusedError: It is no valid request.
    """
    action = requests.take(path).get("action")
    if not isinstance(action, str) or action not in {"network", "reboot"}:
        raise RefusedError("the request asks for what is not done here")
    return action


def allow(action: str, record: dict[str, Any], boot_id: str, uptime_s: float) -> dict[str, Any]:
    """Decide by the record of earlier actions, and return the new record.

    A reboot needs an uptime of an hour, doubled for each earlier reboot within a day
    of its boot; a boot that lasted a day resets the count.

    Raises:
        RefusedError: It is too soon.
    """
    if action == "network":
        last = record.get("network", {})
        since_s = uptime_s - float(last.get("uptime_s", 0.0))
        if last.get("boot_id") == boot_id and since_s < NETWORK_APART_S:
            raise RefusedError(f"the network was restarted {since_s:.0f} s ago")
        return record | {"network": {"boot_id": boot_id, "uptime_s": uptime_s}}
    count = 0 if uptime_s >= UPTIME_MAX_S else int(record.get("reboots", 0))
    least_s = min(UPTIME_MAX_S, UPTIME_FIRST_S * 2.0 ** min(count, MAX_DOUBLINGS))
    if uptime_s < least_s:
        raise RefusedError(f"up for {uptime_s:.0f} s; not before {least_s:.0f} s")
    return record | {"reboots": count + 1}


def remembered(path: Path) -> dict[str, Any]:
    """Load the record of earlier actions; a damaged file counts as many reboots, not as none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {
            "reboots": max(0, int(record.get("reboots", 0))),
            "network": dict(record.get("network", {})),
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {"reboots": MAX_DOUBLINGS}


def remember(path: Path, record: dict[str, Any]) -> None:
    """Store the record before the action: a reboot that cannot be counted is not done.

    Raises:
        OSError: It could not be written.
    """
    replace_file(path, json.dumps(record))


def act(action: str) -> None:
    """Do it."""
    if action == "reboot":
        subprocess.run(["/usr/bin/systemctl", "reboot"], check=False)
        return
    for unit in NETWORKS:
        subprocess.run(["/usr/bin/systemctl", "try-restart", unit], check=False)


def main(request_dir: str, state_dir: str) -> int:
    """Carry out the request, if it is valid and allowed."""
    counts = Path(state_dir) / "actions.json"
    try:
        action = take(Path(request_dir) / "request.json")
        uptime_s = float(UPTIME.read_text(encoding="ascii").split()[0])
        boot_id = BOOT_ID.read_text(encoding="ascii").strip()
        remember(counts, allow(action, remembered(counts), boot_id, uptime_s))
    except RefusedError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 0  # a failed unit would be one more thing that looks broken
    except OSError as error:
        print(f"not done, for it cannot be counted: {error}", file=sys.stderr)
        return 1
    print(f"doing: {action}", file=sys.stderr)
    act(action)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print(
            "usage: python -m agent.runtime.privileged_actions REQUEST_DIR STATE_DIR",
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        sys.exit(main(sys.argv[1], sys.argv[2]))
    finally:
        time.sleep(REST_S)
