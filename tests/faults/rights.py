"""A broker that lets the device in and does not let it speak, or hear."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.faults.street import Street, street
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.topics import DEVICE, EVENTS, PREFIX, TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_NEEDS = ("mosquitto",)
_OWN = f"{PREFIX}/{TENANT}/{DEVICE}"
_WATCHED_S, _MAX_TRIES = 3.0, 24
"""With full jitter below two seconds some six tries are likely; who does not wait makes hundreds."""


@fault("publish-denied", group="rights", short=1, reduced=6, full=30, needs=_NEEDS)
def publish_denied(run: Run) -> Outcome:
    """What the device may not publish is kept, tried again now and then, and arrives once it may."""
    with _rights(run, reconnect_max_s=2) as here, here.device().connect() as device:
        for _ in range(run.times):
            here.open_cases(device, 5)
            here.arrives("what comes while it may")
            _grant(here, f"topic write {_OWN}/state")
            here.open_cases(device, 5)
            wait_for(lambda: "not authori" in device.last_error.lower(), "the cause is said")
            before = device.uplink.figures.retried
            time.sleep(_WATCHED_S)
            tries = device.uplink.figures.retried - before
            require(tries <= _MAX_TRIES, f"{tries} tries in {_WATCHED_S:g} s")
            require(device.uplink.figures.connected_since, "the connection stands")
            _grant(here, f"topic readwrite {_OWN}/#")
            here.recover()
        require(not device.dead_letters(), "nothing was put aside")
        return here.outcome("the cause is said each time")


@fault("receipts-unheard", group="rights", short=0, reduced=6, full=30, needs=_NEEDS)
def receipts_unheard(run: Run) -> Outcome:
    """A device that may not hear the platform says so, loses nothing, and hears it once it may."""
    with _rights(run, receipt_timeout_s=0.5) as here:
        for _ in range(run.times):
            _grant(here, f"topic write {EVENTS}", f"topic write {_OWN}/state")
            with here.device().connect() as device:
                here.open_cases(device, 5)
                here.arrives()
                wait_for(lambda: "receipt does not come" in device.last_error, "the cause is said")
                require(device.waiting(), "nothing is let go of that no receipt names")
                _grant(here, f"topic readwrite {_OWN}/#")
                # On the same connection.
                here.recover_s.append(
                    wait_for(lambda: not device.waiting(), "the receipts are heard")
                )
            run.progress()
        return here.outcome("recovery: until the device knows")


@contextmanager
def _rights(run: Run, **changes: Any) -> Iterator[Street]:
    _write(run, f"topic readwrite {_OWN}/#")
    with street(run, f"acl_file {run.folder / 'rights'}", **changes) as here:
        yield here


def _grant(here: Street, *rights: str) -> None:
    """From now on the device has these rights, also on the connection that stands."""
    _write(here.run, *rights)
    here.broker.send_signal(signal.SIGHUP)


def _write(run: Run, *rights: str) -> None:
    lines = ["user platform", "topic readwrite #", "", f"user {DEVICE}", *rights, ""]
    (run.folder / "rights").write_text("\n".join(lines), encoding="ascii")
