"""Power that goes while a device is being installed, or right after."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.faults import images
from tests.faults.booted_container import Booted, built_wheel, device_recipe
from tests.faults.booted_corner import (
    HOUR_S,
    NEEDS,
    install_packages,
    write_site,
)
from tests.faults.suite import Outcome, Run, fault, require
from tests.support.debian_roots import debian_root
from tests.support.programs import MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAID = "everything is on the disk"
_EMPTY_S = (6.0, 12.0)
"""ext4 writes names out after 5 s, what is in the files after 30: in between they are empty."""


@fault(
    "power-cut-after-install",
    group="units",
    short=0,
    reduced=1,
    full=5,
    needs=(*NEEDS, *images.NEEDS),
)
def power_cut_after_install(run: Run) -> Outcome:
    """A power cut as soon as `units install` has said that all is done loses nothing: the unit starts at boot."""
    recover_s = []
    for strike in range(run.times):
        card = _Card(run, strike)
        with card.disk:
            with card.booted() as device:
                install_packages(device, card.wheel)
                device.run("mkdir", "-p", "/etc/kerbwatch")
                write_site(device)
                require(_SAID in device.run("kerbwatch", "units", "install"), "it says so")
                image = card.disk.cut()
            card.disk.boot_from(image)
            began_s = time.monotonic()
            with card.booted() as device:
                active = device.shown("ActiveState", "kerbwatch")
                require(
                    active == "active",
                    f"the unit runs after the boot: {device.journal('kerbwatch')}",
                )
                recover_s.append(time.monotonic() - began_s)
                require(not _damage(device), f"nothing is torn: {_damage(device)}")
        run.progress()
    return Outcome(
        run.times, recover_s=recover_s, notes="recovery: a boot, to the unit's readiness"
    )


@fault(
    "power-cut-while-installing",
    group="units",
    short=0,
    reduced=2,
    full=10,
    needs=(*NEEDS, *images.NEEDS),
)
def power_cut_while_installing(run: Run) -> Outcome:
    """A power cut after `pip install` is never taken for an installation; what is torn is named, and mended by pip."""
    torn = 0
    for strike in range(run.times):
        card = _Card(run, strike)
        with card.disk:
            with card.booted() as device:
                install_packages(device, card.wheel)
                device.run("kerbwatch", "units", "install")
                pip = (
                    "/opt/kerbwatch/active/bin/pip",
                    "install",
                    "-q",
                    "--no-deps",
                    "--ignore-installed",
                )
                device.run(*pip, f"/srv/{card.wheel.name}")  # as an update does
                time.sleep(run.random.uniform(*_EMPTY_S))
                image = card.disk.cut()
            card.disk.boot_from(image)
            with card.booted() as device:
                torn += _says_what_is_torn(device)
                device.path(f"/srv/{card.wheel.name}").write_bytes(card.wheel.read_bytes())
                device.run(*pip, f"/srv/{card.wheel.name}")
                require(_SAID in device.run("kerbwatch", "units", "install"), "installed again")
                require(not _damage(device), f"nothing is torn any more: {_damage(device)}")
        run.progress()
    return Outcome(run.times, notes=f"{torn} of them left torn files")


def _says_what_is_torn(device: Booted) -> bool:
    """Whether files are torn; then the unit's start names one, and `units install` does not go through."""
    told = device.run("sh", "-c", "kerbwatch units install 2>&1", check=False)
    if _SAID in told:
        require(not _damage(device), f"said to be installed: {_damage(device)}")
        return False
    write_site(device)
    device.run("systemctl", "start", "kerbwatch", check=False)
    found = device.journal("kerbwatch")
    require("amaged" in found, f"the start names what is torn: {found[-500:]}")
    return True


def _damage(device: Booted) -> list[str]:
    """What `kerbwatch check` finds wrong with the installed files and units."""
    told = device.run("kerbwatch", "check", "/etc/kerbwatch", "--json", check=False)
    return [
        row["what"]
        for row in json.loads(told)["findings"]
        if row["check"] in {"installation", "units"} and row["severity"] != "ok"
    ]


class _Card:
    """A card that a device boots from, installed on a Debian that lies elsewhere."""

    def __init__(self, run: Run, strike: int) -> None:
        self._folder = run.folder / str(strike)
        self._boots = 0
        try:
            self._root = debian_root(device_recipe("trixie"))
        except pytest.skip.Exception as error:
            raise MissingError(str(error)) from error
        self.wheel = built_wheel(self._folder / "dist")
        self.disk = images.Disk(self._folder / "card")

    @contextmanager
    def booted(self) -> Iterator[Booted]:
        """The device, until its power goes."""
        self._boots += 1
        device = Booted(
            self._root,
            self._folder / f"boot-{self._boots}",
            uptime_s=HOUR_S,
            card=self.disk.path,
        )
        try:
            yield device
        finally:
            device.end()
