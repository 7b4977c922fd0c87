"""Writes to a card what a device needs at its first boot."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from drivers.disk import free_bytes, sync_tree
from provisioning.card.contents import (
    AUTHORITY,
    CARD,
    ENROLMENT,
    FOLDER,
    NETWORK,
    PAGE,
    REPOSITORY,
    SEED,
    SITE,
    TOKEN,
    Card,
    Enrolment,
    PageSecrets,
)
from provisioning.card.image import CardError, Partitions
from provisioning.card.layouts import Layout, layouts, recognise
from wording.messages import said

if TYPE_CHECKING:
    from provisioning.card.network import Wireless

_SCRIPTS = ("seed.sh", "install.sh")
_CALLED_AT = "/boot/firmware/kerbwatch/seed.sh"
_COMMAND_LINE = (
    f" systemd.run={_CALLED_AT} systemd.run_success_action=reboot"
    " systemd.unit=kernel-command-line.target"
)
_VENDOR_DATA = f"#!/bin/sh\n# Written by kerbwatch card prepare.\nexec sh {_CALLED_AT} now\n"
_CALL = f"sh {_CALLED_AT} # kerbwatch card prepare\n"
_LEFT_FREE_BYTES = 16 << 20
_PRIVATE_KEY = b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Enrolling:
    """How a device gets its first certificate by itself: the server, the pinned authority, the one-time token."""

    server: str
    authority: bytes
    token: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a card shall carry.

    Attributes:
        by: Who prepares it.
        version: Of the program that does.
        site: The folder with ``site.toml`` and ``zones.json``.
        repository: The folder of the packages, as ``deb/build --repository`` writes it; None: the image has
            Kerbwatch, or gets it over the network.
        wireless: The network; None: a cable.
        enrolling: None: request and certificate travel by stick or page.
        suite: The image's Debian release.
        architecture: The device's.
        page: How its page is signed in to; None: that is made on the device.
    """

    by: str
    version: str
    site: Path | None = None
    repository: Path | None = None
    wireless: Wireless | None = None
    enrolling: Enrolling | None = None
    suite: str | None = None
    architecture: str = "arm64"
    page: PageSecrets | None = None


def prepare(card: Partitions, plan: Plan, now: datetime) -> Layout:
    """Write a plan to a card, and let the image call it at its first boot.

    Prepared again, a card carries the new plan alone.

    Raises:
        CardError: The image understands no seeding that is known, it would not fit, or the plan holds
            what no card may carry; nothing was written.
        OSError: The card could not be written.
    """
    layout = recognise(card.boot, card.root)
    if layout is None:
        raise CardError(
            said(
                "This image understands no seeding that is known here ({known}). It would ignore the card"
                " without a word; nothing was written. Install Kerbwatch on the running device instead.",
                known=[each.name for each in layouts()],
            )
        )
    told = _noted(plan, layout, now)
    _refuse_what_is_there(layout, card.boot)
    packages = [] if plan.repository is None else _packages(plan, card)
    _refuse_keys(plan.site)
    _refuse_full(card.boot, [path for path, _ in packages])
    folder = card.boot / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    _write_seed(folder / SEED, plan)
    _put(folder / CARD, told.model_dump_json(indent=1) + "\n")
    for path, name in packages:
        (folder / REPOSITORY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / REPOSITORY / name)
    for script in _SCRIPTS:
        _put(folder / script, files(__package__).joinpath(script).read_bytes())
    sync_tree(folder)
    _let_it_be_called(layout, card.boot)
    return layout


def _noted(plan: Plan, layout: Layout, now: datetime) -> Card:
    try:
        return Card(by=plan.by, at=now, how=layout.name, version=plan.version)
    except ValidationError as error:
        raise CardError(
            said("who prepares the card is told in one line of at most 200 characters (--by)")
        ) from error


def _refuse_what_is_there(layout: Layout, boot: Path) -> None:
    """A link would lead what is written to another place; what is no text cannot be added to."""
    called = {
        "vendor_data": "vendor-data",
        "firstrun": "firstrun.sh",
        "command_line": "cmdline.txt",
    }
    file = boot / called.get(layout.starts, FOLDER)
    for path in (boot / FOLDER, file):
        if path.is_symlink():
            raise CardError(said("{path} is a link: a card carries files alone", path=path))
    if not file.is_file():
        return
    try:
        text = file.read_text(encoding="utf-8")
    except ValueError as error:
        raise CardError(said("{file} is no text: it is left as it is", file=file)) from error
    if layout.starts == "vendor_data" and text not in {"", _VENDOR_DATA}:
        raise CardError(said("{file} is another's: it is left as it is", file=file))


def _write_seed(seed: Path, plan: Plan) -> None:
    seed.mkdir(parents=True)
    if plan.wireless:
        _put(seed / NETWORK, plan.wireless.profile())
    if plan.page:
        _put(seed / PAGE, plan.page.model_dump_json())
    if plan.enrolling:
        server = Enrolment(server=plan.enrolling.server)
        _put(seed / ENROLMENT, server.model_dump_json())
        _put(seed / AUTHORITY, plan.enrolling.authority)
        _put(seed / TOKEN, plan.enrolling.token + "\n")
    site = plan.site
    for path in sorted(site.rglob("*")) if site else ():
        if site and path.is_file():
            _put(seed / SITE / path.relative_to(site), path.read_bytes())


def _put(path: Path, content: str | bytes) -> None:
    """Write a file whole. A FAT partition keeps no rights: none are set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.part")
    with half.open("wb") as opened:
        opened.write(content.encode() if isinstance(content, str) else content)
        opened.flush()
        os.fsync(opened.fileno())
    half.replace(path)


def _packages(plan: Plan, card: Partitions) -> list[tuple[Path, Path]]:
    """The files of the repository that this device needs, and their names in it."""
    assert plan.repository is not None
    suite = plan.suite or _suite(card)
    if suite is None:
        raise CardError(said("Which Debian release is in the image? Name it with --suite."))
    repository = plan.repository
    lists = sorted(each for each in (repository / "dists" / suite).rglob("*") if each.is_file())
    pool = sorted((repository / "pool" / suite).glob(f"kerbwatch_*_{plan.architecture}.deb"))
    if not lists or not pool:
        raise CardError(
            said(
                "{repository} has no package for {suite} and {architecture}",
                repository=repository,
                suite=suite,
                architecture=plan.architecture,
            )
        )
    # With what the repository carries for every processor, such as the form's font.
    carried = sorted((repository / "pool" / suite).glob("*_all.deb"))
    wanted = [repository / "kerbwatch.gpg", *lists, pool[-1], *carried]
    return [(path, path.relative_to(repository)) for path in wanted]


def _suite(card: Partitions) -> str | None:
    """The release of the image, as far as its root partition can be seen."""
    if card.root is None:
        return None
    try:
        text = (card.root / "usr/lib/os-release").read_text(encoding="utf-8")
    except OSError:
        return None
    told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return told.get("VERSION_CODENAME", "").strip('"') or None


def _refuse_keys(site: Path | None) -> None:
    """A device makes its key itself."""
    for path in sorted(site.rglob("*")) if site else ():
        if path.is_symlink():
            raise CardError(said("{path} is a link: a card carries files alone", path=path))
        if path.is_file() and _PRIVATE_KEY in path.read_bytes():
            raise CardError(
                said(
                    "{path} holds a private key. A device makes its own; a key on a card is everybody's.",
                    path=path,
                )
            )


def _refuse_full(boot: Path, packages: list[Path]) -> None:
    needed = sum(path.stat().st_size for path in packages) + _LEFT_FREE_BYTES
    free = free_bytes(boot)
    old = boot / FOLDER / REPOSITORY
    if old.is_dir():
        free += sum(each.stat().st_size for each in old.rglob("*") if each.is_file())
    if free < needed:
        raise CardError(
            said(
                "The boot partition has {free} MB left, and {needed} MB are needed. Put Kerbwatch into the"
                " image, or carry the packages on a USB stick.",
                free=free // 1_000_000,
                needed=needed // 1_000_000,
            )
        )


def _let_it_be_called(layout: Layout, boot: Path) -> None:
    """Last of all: an image that was pulled out before boots as it would have."""
    if layout.starts == "vendor_data":
        _put(boot / "vendor-data", _VENDOR_DATA)
    elif layout.starts == "firstrun":
        file = boot / "firstrun.sh"
        lines = [
            line for line in file.read_text(encoding="utf-8").splitlines(True) if line != _CALL
        ]
        _put(file, "".join([*lines[:1], _CALL, *lines[1:]]))
    elif layout.starts == "command_line":
        file = boot / "cmdline.txt"
        line = file.read_text(encoding="utf-8").strip()
        if _COMMAND_LINE not in line:
            _put(file, f"{line}{_COMMAND_LINE}\n")
