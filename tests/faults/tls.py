"""Certificates that end, are another's, or are replaced: the broker's and the device's own."""

from __future__ import annotations

import re
import shutil
import signal
import time
from typing import TYPE_CHECKING

from tests.faults.street import Street, street
from tests.faults.suite import BrokenError, Outcome, Run, fault, require, wait_for
from tests.support.certificates import Authority
from tests.support.topics import DEVICE

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.delivering_device import Device

_NEEDS = ("mosquitto",)
_RECONNECT_MAX_S, _WATCHED_S = 2.0, 3.0
_MAX_ATTEMPTS = 24
"""While it is watched. With full jitter below two seconds some six are likely, each of which may look
twice; one that does not wait makes a hundred a second."""
_SHORT_LIFE_S = 4.0


@fault("broker-certificate", group="tls", short=1, reduced=8, full=40, needs=_NEEDS)
def broker_certificate(run: Run) -> Outcome:
    """A broker whose certificate ended, has not begun, is another's or of nobody known is not trusted."""
    ours = ("expired", "not yet valid", "another's name", "unknown authority")
    said = {
        "expired": ("certificate", "expired|valid until"),
        "not yet valid": ("certificate", "not yet valid|valid from"),
        "another's name": ("certificate", "mismatch|not valid for"),
        "unknown authority": ("certificate is not trusted", "issuer|authority|self"),
    }
    with _secured(run) as here, here.device().connect() as device:
        for index in range(run.times):
            why = ours[index % len(ours)]
            here.open_cases(device, 3)
            here.arrives("what came before")
            _issue_for_the_broker(here, why)
            _again(here)
            here.open_cases(device, 5)
            _told(device, *said[why])
            _leaves_it_alone(here)
            _issue_for_the_broker(here, "")
            _again(here)
            here.recover()
        return here.outcome("the cause is said each time")


def _issue_for_the_broker(here: Street, why: str) -> None:
    authority = here.broker.authority
    if why == "unknown authority":
        stranger = Authority(here.run.folder / "strange", "Another CA")
        for file in stranger.issue("broker", server=True):
            shutil.copy(file, authority.certificate_file.with_name(file.name))
        return
    days = -1.0 if why == "expired" else 1.0
    in_days = 0.5 if why == "not yet valid" else -3.0
    host = "elsewhere.example" if why == "another's name" else "localhost"
    authority.issue("broker", server=True, days=days, in_days=in_days, host=host)


@fault("broker-certificate-renewed", group="tls", short=0, reduced=4, full=20, needs=_NEEDS)
def broker_certificate_renewed(run: Run) -> Outcome:
    """A broker that renews its certificate, and then its authority, is followed without a restart."""
    with _secured(run) as here:
        trusted = run.folder / "trusted.pem"
        shutil.copy(here.broker.authority.certificate_file, trusted)
        with here.device(ca_file=trusted).connect() as device:
            for index in range(run.times):
                here.open_cases(device, 5)
                here.arrives("what came before")
                if index % 2:
                    _move_to_another_authority(here, trusted, index)
                else:
                    here.broker.authority.issue("broker", server=True)
                    here.broker.send_signal(signal.SIGHUP)
                here.open_cases(device, 5)
                here.arrives("while the connection stands")
                _again(here)
                here.open_cases(device, 5)
                here.recover()
            require("certificate" not in device.last_error, device.last_error)
        return here.outcome()


def _move_to_another_authority(here: Street, trusted: Path, index: int) -> None:
    """As an operator does it: the devices learn of the new one first, then the broker changes."""
    another = Authority(here.run.folder / f"next-{index}", f"CA {index}")
    with trusted.open("ab") as file:
        file.write(another.certificate_file.read_bytes())
    for issued in another.issue("broker", server=True):
        shutil.copy(issued, here.broker.authority.certificate_file.with_name(issued.name))


@fault("own-certificate-ends", group="tls", short=0, reduced=5, full=20, needs=_NEEDS)
def own_certificate_ends(run: Run) -> Outcome:
    """A device whose certificate ends says so, goes on seeing, and delivers once it is renewed."""
    with _secured(run) as here:
        here.broker.authority.issue(DEVICE, days=_SHORT_LIFE_S / 86_400)
        ends_s = time.monotonic() + _SHORT_LIFE_S
        with here.device().connect() as device:
            for index in range(run.times):
                here.open_cases(device, 5)
                if index == 0:
                    here.arrives("what comes while it is valid")
                    time.sleep(max(0.0, ends_s + 1 - time.monotonic()))
                else:
                    here.broker.authority.issue(DEVICE, days=-1)
                _again(here)
                here.open_cases(device, 5)
                _told(device, "does not accept this device's certificate", "certificate expired")
                _leaves_it_alone(here)
                here.broker.authority.issue(DEVICE)
                here.recover()
        return here.outcome("the cause is said each time")


@fault("own-certificate-rotated", group="tls", short=0, reduced=4, full=20, needs=_NEEDS)
def own_certificate_rotated(run: Run) -> Outcome:
    """A device's renewed certificate is used from the next connection on, also if one file came late."""
    with _secured(run) as here:
        believed, trusted = here.broker.authority.certificate_file, run.folder / "trusted.pem"
        shutil.copy(believed, trusted)
        with here.device(ca_file=trusted).connect() as device:
            for index in range(run.times):
                here.open_cases(device, 5)
                here.arrives("with the old one")
                another = Authority(run.folder / f"next-{index}", f"CA {index}")
                certificate, key = another.issue(DEVICE)
                shutil.copy(certificate, here.broker.device_files[0])
                shutil.copy(another.certificate_file, believed)  # nobody else is let in any more
                _again(here)
                here.open_cases(device, 5)
                _told(device, "is not the key of this device's certificate")
                shutil.copy(key, here.broker.device_files[1])
                here.recover()
        return here.outcome()


def _secured(run: Run) -> AbstractContextManager[Street]:
    return street(run, tls=True, reconnect_max_s=_RECONNECT_MAX_S)


def _again(here: Street) -> None:
    """End all connections: what the broker shows and whom it lets in is looked at anew."""
    here.broker.stop()
    here.broker.start()


def _told(device: Device, *patterns: str) -> None:
    """Wait until the cause is said."""

    def said() -> bool:
        return all(re.search(pattern, device.last_error, re.IGNORECASE) for pattern in patterns)

    try:
        wait_for(said, f"it says {' and '.join(patterns)}")
    except BrokenError as error:
        raise BrokenError(f"{error}; it says: {device.last_error}") from error


def _leaves_it_alone(here: Street) -> None:
    """A broker that cannot be used is tried again, and not hammered."""
    before = _attempts(here)
    time.sleep(_WATCHED_S)
    attempts = _attempts(here) - before
    require(attempts <= _MAX_ATTEMPTS, f"{attempts} attempts in {_WATCHED_S:g} s")


def _attempts(here: Street) -> int:
    """How often somebody has come to the broker's secured port."""
    came = f"on port {here.broker.port}."
    return sum(
        line.endswith(came) or "Client connection from" in line
        for line in here.broker.log().splitlines()
    )
