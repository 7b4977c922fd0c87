"""How a phone or a laptop reaches the page: an address at the cable, leases, and names of the phones' own probes.

    python -P -m provisioning.page.reach up [INTERFACE]
    python -P -m provisioning.page.reach leases
    python -P -m provisioning.page.reach down

The access point itself is NetworkManager's. Here wired interfaces that are not the unit's way to the network get
the cable's address, and dnsmasq gives leases. It routes nothing: a phone keeps its own network for everything
else. Phones ask known names whether a network leads anywhere; those names, and no others, lead to the unit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from drivers.files.small_files import user_name
from drivers.programs import system
from provisioning.page.probes import PROBE_NAMES
from provisioning.page.setup import CABLE_ADDRESS, POINT_ADDRESS

_CABLE = f"{CABLE_ADDRESS}/24"


def wired(sys_class: Path = Path("/sys/class/net"), proc: Path = Path("/proc/net")) -> str | None:
    """The board's wired interface that leads nowhere yet: whoever is plugged in there is the technician.

    Returns:
        Its name; one with a carrier first. None: there is none, or it is the unit's way to the network.

    Raises:
        OSError: The kernel does not show its interfaces.
    """
    rows = [line.split() for line in (proc / "route").read_text("ascii").splitlines()[1:]]
    ways = {row[0] for row in rows if len(row) > 7 and row[1] == "00000000"}
    found = [each for each in sorted(sys_class.iterdir()) if _is_wired(each)]
    free = [each for each in found if each.name not in ways]
    return min(free, key=lambda each: not _has_carrier(each)).name if free else None


def _is_wired(interface: Path) -> bool:
    """An Ethernet interface with hardware behind it, and no radio. ``ABI/testing/sysfs-class-net``."""
    kind = interface / "type"
    radio = (interface / "wireless").exists() or (interface / "phy80211").exists()
    return (
        kind.exists()
        and kind.read_text("ascii").strip() == "1"
        and not radio
        and (interface / "device").exists()
    )


def _has_carrier(interface: Path) -> bool:
    try:
        return (interface / "carrier").read_text("ascii").strip() == "1"
    except OSError:  # it is down
        return False


def leases_command() -> list[str]:
    """What dnsmasq is started with; it stays whoever starts it."""
    names = [f"--address=/{name}/{POINT_ADDRESS}" for name in PROBE_NAMES]
    ranges = [_range(POINT_ADDRESS), _range(CABLE_ADDRESS)]
    return [
        system("dnsmasq"),
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        f"--user={user_name(os.geteuid())}",
        "--pid-file=",
        "--bind-dynamic",
        f"--listen-address={POINT_ADDRESS}",
        f"--listen-address={CABLE_ADDRESS}",
        "--no-resolv",
        "--no-hosts",
        # Neither pings nor answers to one station alone: both take rights that it has not got.
        "--no-ping",
        "--dhcp-broadcast",
        "--cache-size=0",
        "--dhcp-lease-max=16",
        "--dhcp-leasefile=/run/kerbwatch-reach/leases",
        # Neither a way out nor somebody else's names: option 3 empty, option 6 the unit itself.
        "--dhcp-option=3",
        *ranges,
        *names,
    ]


def _range(address: str) -> str:
    net = address.rpartition(".")[0]
    return f"--dhcp-range={net}.10,{net}.60,255.255.255.0,15m"


def up(interface: str) -> None:
    """Give the cable its address."""
    _ip("link", "set", "dev", interface, "up")
    _ip("address", "replace", _CABLE, "dev", interface)


def down() -> None:
    """Take it away again, from whatever has it."""
    for each in Path("/sys/class/net").iterdir():
        _ip("address", "delete", _CABLE, "dev", each.name)


def _ip(*arguments: str) -> None:
    subprocess.run([system("ip"), *arguments], check=False, stderr=subprocess.DEVNULL)


def main(arguments: list[str]) -> int:
    """Set the cable up, give leases, or take the cable down; gives the exit code."""
    match arguments:
        case ["down"]:
            down()
        case ["up", *named] if len(named) < 2:
            interface = named[0] if named else wired()
            if interface is not None:
                up(interface)
        case ["leases"]:
            command = leases_command()
            os.execv(command[0], command)  # noqa: S606 - a fixed command, and no shell wanted
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
