"""Sets a device up from what its card carried: once, and after a power cut from where it was."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from drivers.disk import READABLE, make_folder, replace_file, sync_folder, sync_tree
from drivers.files.installed import shared
from drivers.files.wiping import wipe
from provisioning.card.contents import (
    AUTHORITY,
    BOOT_PARTITIONS,
    CARD,
    ENROLMENT,
    FOLDER,
    NETWORK,
    PAGE,
    SEED,
    SITE,
    STAMP,
    STATE,
    TOKEN,
    Card,
    Enrolment,
    Stamp,
    stamp_of,
)
from wording.known_errors import reason_of
from wording.messages import said

CONNECTION = Path("etc/NetworkManager/system-connections/kerbwatch-wireless.nmconnection")
HOME_OF_SITES = Path("etc/kerbwatch")
PINS = Path("kerbwatch.service.d/gpio.conf")
"""Lets the agent to the pins, as ``kerbwatch units install --gpio`` does; below a folder of units."""
UNITS = Path("etc/systemd/system")
_FOR_ALL_TO_ENTER = 0o755

TakePage = Callable[[Path], str]
"""Takes over the page's code and access point, with the card's file; why not, or empty."""
Enrol = Callable[[str, Path, Path], str]
"""Gets a certificate from a server, with the pinned authority and the token's file; why not, or empty."""


def plant(
    root: Path, now: datetime, page: TakePage, enrol: Enrol, ready: Callable[[], None]
) -> Stamp | None:
    """Take over what a card carried: network, page, site, access to the pins, certificate. Nothing that is there is overwritten.

    Args:
        root: Of the device.
        now: By its own clock.
        page: Called where the card carries a code.
        enrol: Used once: the token goes, whatever comes of it.
        ready: Called when network, site and pins are there, before the certificate is asked for.

    Returns:
        What came of it; None: there was nothing.

    Raises:
        OSError: The disk takes nothing. The token is gone from the boot partition all the same, if that
            could be written.
    """
    seed = root / STATE / SEED
    _take_off_the_boot_partition(root, seed)
    if not seed.is_dir():
        return stamp_of(root)
    stamp = _begun(root, seed, now)
    with _wiped(seed / NETWORK):
        stamp = _noted(root, stamp, "network", _network(root, seed))
    with _wiped(seed / PAGE):
        stamp = _noted(root, stamp, "page", _page(seed, page))
    stamp = _noted(root, stamp, "site", _site(root, seed))
    stamp = _noted(root, stamp, "pins", _pins(root))
    ready()
    with _wiped(seed / TOKEN):
        stamp = _noted(root, stamp, "certificate", _certificate(seed, enrol))
    shutil.rmtree(seed)
    sync_folder(seed.parent)
    return stamp


@contextmanager
def _wiped(secret: Path) -> Iterator[None]:
    """Wipe a secret once what it was for is noted down, whatever came of it."""
    try:
        yield
    finally:
        wipe(secret)


def _take_off_the_boot_partition(root: Path, seed: Path) -> None:
    """Move the seed to where only root reads: it is whole there before it is wiped here."""
    for place in BOOT_PARTITIONS:
        folder = root / place / FOLDER
        taken = folder / f"{SEED}.taken"
        if (folder / SEED).is_dir():
            _copy_whole(folder, seed)
            _wipe_folder(taken)
            (folder / SEED).rename(taken)  # before it is wiped: half a seed is never taken for one
            sync_folder(folder)
        _wipe_folder(taken)


def _copy_whole(folder: Path, seed: Path) -> None:
    """Copy a card's seed and its own note to where only root reads, whole or not at all."""
    make_folder(seed.parent, mode=_FOR_ALL_TO_ENTER)
    half = seed.with_name(f"{SEED}.part")
    for old in (half, seed):
        shutil.rmtree(old, ignore_errors=True)
    half.mkdir(mode=0o700)
    for path in sorted(each for each in (folder / SEED).rglob("*") if each.is_file()):
        replace_file(half / path.relative_to(folder / SEED), path.read_bytes(), durable=False)
    if (folder / CARD).is_file():
        replace_file(half / CARD, (folder / CARD).read_bytes(), durable=False)
    sync_tree(half)
    half.rename(seed)
    sync_folder(seed.parent)


def _wipe_folder(folder: Path) -> None:
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            wipe(path)
    folder.rmdir()
    sync_folder(folder.parent)


def _begun(root: Path, seed: Path, now: datetime) -> Stamp:
    """The stamp as it is before the first step, or was at the power cut."""
    try:
        card = Card.model_validate_json((seed / CARD).read_bytes())
    except (OSError, ValueError):
        card = Card(by="?", at=now, how="?", version="?")
    kept = stamp_of(root)
    if kept is not None and kept.at == card.at:
        return kept
    return Stamp(by=card.by, at=card.at, how=card.how, planted_at=now)


def _noted(root: Path, stamp: Stamp, name: str, fault: str | None) -> Stamp:
    """The stamp with one more step, written down. A step without anything to do is not named."""
    if fault is None:
        return stamp
    if fault:
        stamp = stamp.model_copy(update={"faults": (*stamp.faults, fault)})
    elif name not in stamp.done:
        stamp = stamp.model_copy(update={"done": (*stamp.done, name)})
    replace_file(root / STATE / STAMP, stamp.model_dump_json(indent=1) + "\n", mode=READABLE)
    return stamp


def _network(root: Path, seed: Path) -> str | None:
    """The profile with the shared secret, for root alone."""
    file = seed / NETWORK
    if not file.is_file():
        return None
    if not (root / CONNECTION).parents[1].is_dir():
        return said("network: there is no NetworkManager here; the profile was not used")
    try:
        replace_file(root / CONNECTION, file.read_bytes())
    except OSError as error:
        return said("network: {reason}", reason=reason_of(error))
    return ""


def _page(seed: Path, take: TakePage) -> str | None:
    """The code's hash, and the access point with the secret that its phones share."""
    if not (seed / PAGE).is_file():
        return None
    why = take(seed / PAGE)
    return said("page: {reason}", reason=why) if why else ""


def _site(root: Path, seed: Path) -> str | None:
    """The site, ``site.toml`` last: the agent starts with all of it or not at all."""
    folder, home = seed / SITE, root / HOME_OF_SITES
    files = sorted(
        (each for each in folder.rglob("*") if each.is_file()),
        key=lambda path: path == folder / "site.toml",
    )
    if not files:
        return None
    there = home / "site.toml"
    ours = folder / "site.toml"
    if there.is_file() and ours.is_file() and there.read_bytes() != ours.read_bytes():
        return said("site: {path} is there already and was kept", path=there)
    try:
        for path in files:
            replace_file(home / path.relative_to(folder), path.read_bytes())
    except OSError as error:
        return said("site: {reason}", reason=reason_of(error))
    return ""


def _pins(root: Path) -> str | None:
    """Light and button, where the site that counts here has any: without the right to them both are dead."""
    try:
        site = tomllib.loads((root / HOME_OF_SITES / "site.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # what is wrong with a site, the check says
        return None
    if not site.get("gpio"):
        return None
    try:
        replace_file(root / UNITS / PINS, (shared("systemd") / PINS).read_bytes(), mode=READABLE)
    except OSError as error:
        return said("pins: {reason}", reason=reason_of(error))
    return ""


def _certificate(seed: Path, enrol: Enrol) -> str | None:
    """Use the token."""
    token = seed / TOKEN
    if not token.is_file():
        return None
    try:
        server = Enrolment.model_validate_json((seed / ENROLMENT).read_bytes()).server
        why = enrol(server, seed / AUTHORITY, token)
    except (OSError, ValueError) as error:
        why = reason_of(error)
    return said("certificate: {reason}", reason=why) if why else ""
