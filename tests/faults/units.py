"""The real units under a real systemd: what ends them, and what they may ask for.

Nothing is changed in the units. What the kernel here does not enforce in a container (memory limits, packet
filters of a unit) is not tried.
"""

from __future__ import annotations

import json
import subprocess
import time

from tests.faults.booted_corner import HOUR_S, NEEDS, REQUESTS, BootedCorner, corner
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.programs import program

_BLUE_S = 10
_ROUTE = """
ip link add uplink0 type veth peer name street0
ip address add 10.9.0.2/24 dev uplink0
ip link set uplink0 up
ip link set street0 up
ip route add default via 10.9.0.1
"""


@fault("unit-hung-worker", group="units", short=0, reduced=1, full=3, needs=NEEDS)
def unit_hung_worker(run: Run) -> Outcome:
    """A model that never returns is ended by the watchdog; the unit starts again, state kept."""
    with corner(run, blue_s=_BLUE_S) as here, here.platform() as platform:
        here.start()
        here.arrives("case.opened")
        for _ in range(run.times):
            here.recover_s.append(here.begins_again(240))
            run.progress()
        told = here.journal("kerbwatch")
        require(told.count("Watchdog timeout") == run.times, "the watchdog ended it")
        require("in _analyse" in told, "the journal has what stood where")
        require(here.recovery()["causes"]["killed"] == run.times, "and it knows why it began")
        return here.outcome(platform, "60 s without progress, then the watchdog's 30 s")


@fault("unit-stopped", group="units", short=0, reduced=1, full=3, needs=NEEDS)
def unit_stopped(run: Run) -> Outcome:
    """A process that stands still as a whole is ended by the watchdog; state kept."""
    with corner(run) as here, here.platform() as platform:
        here.start()
        here.arrives("case.opened")
        for _ in range(run.times):
            here.strike("STOP")
            here.recover_s.append(here.begins_again())
            run.progress()
        require(here.restarts == run.times, "by the watchdog, and by nothing else")
        return here.outcome(platform, "SIGSTOP")


@fault("unit-killed", group="units", short=0, reduced=4, full=12, needs=(*NEEDS, "ip"))
def unit_killed(run: Run) -> Outcome:
    """A process that dies again and again, without a broker, is always restarted: never a reboot."""
    with corner(run, uptime_s=48 * HOUR_S) as here:
        with here.device.network():
            here.device.run("systemctl", "stop", "mosquitto")
            _lay_route()
        here.start()
        boot_id, delays_s = here.boot_id(), []
        for strike in range(1, run.times + 1):
            here.strike("KILL")
            began_s = time.monotonic()
            wait_for(lambda: here.restarts == strike and here.ready, "it is started again")  # noqa: B023
            here.recover_s.append(time.monotonic() - began_s)
            delays_s.append(here.device.shown("RestartUSecNext", "kerbwatch"))
            run.progress()
        _nothing_was_asked(here, boot_id)
        here.device.run("systemctl", "start", "mosquitto")
        with here.platform() as platform:
            here.arrives("case.opened")
            return here.outcome(platform, f"next wait: {', '.join(delays_s)}")


def _nothing_was_asked(here: BootedCorner, boot_id: str) -> None:
    require(here.boot_id() == boot_id, "the host was not rebooted")
    require(here.device.shown("ActiveState", "kerbwatch") == "active", "the unit has not failed")
    require(not here.journal("kerbwatch-recovery.service"), "nothing was asked for")


def _lay_route() -> None:
    """A default route over an interface that has a carrier, in the network we are in."""
    for line in _ROUTE.strip().splitlines():
        _, *arguments = line.split()
        subprocess.run([program("ip"), *arguments], check=True, capture_output=True)


@fault("unit-cut-off", group="units", short=0, reduced=1, full=1, needs=NEEDS)
def unit_cut_off(run: Run) -> Outcome:
    """A host that no route leads out of gets its network restarted once; it is not rebooted."""
    with corner(run, uptime_s=48 * HOUR_S) as here:
        device = here.device
        device.run("systemctl", "start", "systemd-networkd")
        before = device.shown("InvocationID", "systemd-networkd")
        device.run("systemctl", "stop", "mosquitto")
        here.start()
        boot_id = here.boot_id()
        here.recover_s.append(
            wait_for(
                lambda: device.shown("InvocationID", "systemd-networkd") != before,
                "the network is restarted",
            )
        )
        told = here.journal("kerbwatch-recovery.service")
        require(told.count("doing: network") == 1, "it was done once")
        # systemd names the unit by its description, which has the word too.
        require("doing: reboot" not in told, "a reboot was not asked for")
        require(here.boot_id() == boot_id, "the host was not rebooted")
        device.run("systemctl", "start", "mosquitto")
        run.progress()
        with here.platform() as platform:
            here.arrives("case.opened")
            return here.outcome(platform, "asked for after 60 s without a route")


@fault("unit-asked-to-reboot", group="units", short=0, reduced=1, full=1, needs=NEEDS)
def unit_asked_to_reboot(run: Run) -> Outcome:
    """A request is followed once; what comes too soon or is garbage is refused, and never for good."""
    with corner(run, uptime_s=HOUR_S + 60) as here:
        device = here.device
        here.start()
        with here.platform():
            here.arrives("case.opened")
        boot_id = here.boot_id()
        for number in range(8):
            here.ask('{"version": 1, "action": "rm"}' if number % 2 else "no JSON")
            _taken(here)
        require(here.boot_id() == boot_id, "garbage is not followed")
        require(device.shown("ActiveState", "kerbwatch-recovery.path") == "active", "it goes on")
        reboot = '{"version": 1, "action": "reboot", "reason": "rehearsed"}'
        here.ask(reboot)
        here.recover_s.append(device.wait_until_up(not_leader=device.leader))
        require(here.boot_id() != boot_id, "a request that may be followed is followed")
        count = json.loads(device.path("/var/lib/kerbwatch-recovery/actions.json").read_text())
        require(count["reboots"] == 1, "and counted on the disk before")
        boot_id = here.boot_id()
        wait_for(lambda: here.ready, "the agent comes back by itself")
        here.ask(reboot)
        _taken(here)
        refused = "refused: up for"
        wait_for(lambda: refused in here.journal("kerbwatch-recovery.service"), "it is refused")
        require(here.boot_id() == boot_id, "the next one needs twice the time")
        run.progress()
        with here.platform() as platform:
            here.arrives("device.heartbeat", here.stored("device.heartbeat"))
            return here.outcome(platform, "8 of garbage, 1 followed, 1 refused")


def _taken(here: BootedCorner) -> None:
    request = here.device.path(f"{REQUESTS}/request.json")
    wait_for(lambda: not request.exists(), "the request is taken")
