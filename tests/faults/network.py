"""Links that lose packets, fall silent, come and go, or are slow; names that are not found.

All but the slow one need a network namespace of our own: nothing outside it is touched.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.delivery.slow_link import SlowLink
from tests.faults.street import Street, street
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_NEEDS = ("mosquitto", "netns", "nft", "ip")


class Namespace:
    """A loopback of our own, whose packets can be dropped."""

    def __init__(self) -> None:
        _command("ip", "link", "set", "lo", "mtu", "1500", "up")
        _command("nft", "add table inet faults")
        _command("nft", "add chain inet faults in { type filter hook input priority 0; }")

    def drop(self, port: int, share_percent: int = 100) -> None:
        """Drop so much of what goes to or comes from a port, without a word."""
        self.mend()
        chance = f"numgen random mod 100 < {share_percent} " if share_percent < 100 else ""
        for end in ("sport", "dport"):
            _command("nft", f"add rule inet faults in tcp {end} {port} {chance}drop")

    def mend(self) -> None:
        """Let everything pass."""
        _command("nft", "flush chain inet faults in")

    def silence_names(self) -> None:
        """Whoever is asked for a name never answers."""
        text = Path("/etc/resolv.conf").read_text(encoding="utf-8")
        for address in re.findall(r"^nameserver\s+([\d.]+)\s*$", text, re.MULTILINE):
            if not address.startswith("127."):
                _command("ip", "address", "add", f"{address}/32", "dev", "lo")
        _command("nft", "add rule inet faults in meta l4proto { tcp, udp } th dport 53 drop")


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A network namespace for this thread, and for the threads and processes it starts meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(libc.unshare(_CLONE_NEWNET))
        try:
            yield Namespace()
        finally:
            _checked(libc.setns(home, _CLONE_NEWNET))
    finally:
        os.close(home)


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _command(name: str, *arguments: str) -> None:
    subprocess.run([program(name), *arguments], check=True, capture_output=True)


@fault("packet-loss", group="network", short=0, reduced=5, full=20, needs=_NEEDS)
def packet_loss(run: Run) -> Outcome:
    """30 % of the packets are lost in each direction: everything arrives all the same."""
    with namespace() as net, street(run) as here, here.device() as device:
        device.connect().wait_until_online()
        net.drop(here.broker.port, 30)
        for _ in range(run.times):
            here.open_cases(device, 200)
            here.recover()
        net.mend()
        return here.outcome("recovery: 200 events under loss")


@fault("half-open", group="network", short=1, reduced=5, full=20, needs=_NEEDS)
def half_open(run: Run) -> Outcome:
    """A link that falls silent is found, and what was under way is sent again."""
    with namespace() as net, street(run, acknowledge_timeout_s=1) as here:
        found_s = []
        with here.device(connect_timeout_s=1).connect() as device:
            for _ in range(run.times):
                wait_for(lambda: device.uplink.figures.connected_since, "it is connected")
                net.drop(here.broker.port)
                here.open_cases(device, 5)
                found_s.append(
                    wait_for(lambda: not device.uplink.figures.connected_since, "it is found")
                )
                net.mend()
                here.recover()
        return here.outcome(f"found within {max(found_s):.1f} s at a limit of 1 s")


@fault("flapping-link", group="network", short=3, reduced=40, full=200, needs=_NEEDS)
def flapping_link(run: Run) -> Outcome:
    """A link that comes and goes loses nothing."""
    with namespace() as net, street(run, acknowledge_timeout_s=1) as here:
        with here.device(connect_timeout_s=1).connect() as device:
            for _ in range(run.times):
                net.drop(here.broker.port)
                here.open_cases(device, run.random.randint(0, 20))
                time.sleep(run.random.uniform(0, 1.5))
                net.mend()
                here.open_cases(device, run.random.randint(0, 20))
                time.sleep(run.random.uniform(0, 0.5))
                run.progress()
            here.recover_s.append(here.arrives())
        return here.outcome("recovery: after the last of them")


@fault("slow-link", group="network", short=1, reduced=5, full=20, needs=("mosquitto",))
def slow_link(run: Run) -> Outcome:
    """Over 2 Mbit/s and 100 ms a backlog drains while live cases come."""
    with street(run, receipt_timeout_s=30) as here, SlowLink(here.broker.port) as link:
        address = f"mqtt://127.0.0.1:{link.port}"
        for index in range(run.times):
            with here.device(folder=f"{index}", broker=address) as device:
                here.open_cases(device, 2000)
                device.database.write(
                    lambda connection: connection.execute("UPDATE outbox SET boot_id = 'earlier'")
                ).result()
                device.connect().wait_until_online()
                for _ in range(10):
                    here.open_cases(device, 1)
                    time.sleep(0.02)
                here.recover()
        return here.outcome("recovery: 2,000 waiting events and 10 live ones")


@fault("names-not-found", group="network", short=1, reduced=3, full=10, needs=_NEEDS)
def names_not_found(run: Run) -> Outcome:
    """While the broker's name is not found, events are accepted and the reason is said."""
    with namespace(), street(run) as here:
        for _ in range(run.times):
            _lose_the_name(here, hangs=False)
        return here.outcome()


@fault("names-hang", group="network", short=0, reduced=1, full=3, needs=_NEEDS)
def names_hang(run: Run) -> Outcome:
    """While whoever knows the broker's name says nothing, events are accepted."""
    with namespace() as net, street(run) as here:
        net.silence_names()
        for _ in range(run.times):
            _lose_the_name(here, hangs=True)
        return here.outcome()


def _lose_the_name(here: Street, *, hangs: bool) -> None:
    with here.device(broker="mqtt://broker.kerbwatch.example:1883") as device:
        device.connect()
        if hangs:
            time.sleep(0.5)
        here.open_cases(device, 20)
        require(not hangs or not device.last_error, "the events are accepted while it hangs")
        wait_for(lambda: device.last_error, "the reason is said")
        require("name cannot be resolved" in device.last_error, device.last_error)
    with here.device().connect():
        here.recover()
