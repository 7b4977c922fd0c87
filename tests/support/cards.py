"""Images as they are published, as far as seeding goes by them: their boot partition's files, kept as data."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from provisioning.card.image import Partitions

_CONSOLE = "console=serial0,115200 console=tty1 root=PARTUUID=1a2b3c4d-02 rootfstype=ext4 fsck.repair=yes rootwait"
_ISSUE = "Raspberry Pi reference 2024-11-19\nGenerated using pi-gen\n"
_FIRSTRUN = "#!/bin/bash\n\nset +e\nrm -f /boot/firstrun.sh\nexit 0\n"
_CALLS_FIRSTRUN = (
    "systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot"
    " systemd.unit=kernel-command-line.target"
)
_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\n'


@dataclass(frozen=True, slots=True)
class Image:
    """The files of an image that tell how it is seeded, and which of them then calls our script."""

    boot: dict[str, str]
    called_by: list[str]
    root: tuple[str, ...] = field(default=())


IMAGES = {
    "kerbwatch": Image(
        {"cmdline.txt": f"{_CONSOLE}\n", "issue.txt": _ISSUE},
        [],
        ("usr/lib/systemd/system/kerbwatch-firstboot.service",),
    ),
    "cloud-init": Image(
        {
            "cmdline.txt": f"{_CONSOLE} resize ds=nocloud;i=rpi-imager-1\n",
            "issue.txt": _ISSUE.replace("2024-11-19", "2025-12-04"),
            "user-data": "#cloud-config\n",
            "meta-data": "instance_id: rpios-image\n",
            "network-config": "# network\n",
        },
        ["vendor-data"],
    ),
    "firstrun": Image(
        {
            "cmdline.txt": f"{_CONSOLE} quiet init=/usr/lib/raspberrypi-sys-mods/firstboot {_CALLS_FIRSTRUN}\n",
            "issue.txt": _ISSUE,
            "firstrun.sh": _FIRSTRUN,
        },
        ["firstrun.sh"],
    ),
    "custom.toml": Image(
        {
            "cmdline.txt": f"{_CONSOLE} quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n",
            "issue.txt": _ISSUE,
            "custom.toml": "config_version = 1\n",
        },
        ["cmdline.txt"],
    ),
    "raspberry-pi-os": Image(
        {"cmdline.txt": f"{_CONSOLE}\n", "issue.txt": _ISSUE}, ["cmdline.txt"]
    ),
    "sysconf": Image(
        {
            "cmdline.txt": "console=tty0 root=LABEL=RASPIROOT rw rootwait\n",
            "sysconf.txt": "# empty\n",
        },
        ["cmdline.txt"],
    ),
}


def card_of(name: str, folder: Path) -> Partitions:
    """The partitions of an image, as folders."""
    image, boot, root = IMAGES[name], folder / "boot", folder / "root"
    boot.mkdir(parents=True)
    for file, text in image.boot.items():
        (boot / file).write_text(text, encoding="utf-8")
    for file in ("usr/lib/os-release", *image.root):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(_RELEASE, encoding="utf-8")
    return Partitions(boot, root)


def write_image(name: str, folder: Path) -> Path:
    """An image of 48 MiB with a partition table and two partitions; the test is skipped where none can be made.

    The boot partition is FAT where the kernel can mount that, and ext4 otherwise: what is mounted is found
    by its content, not by the table.
    """
    fat = "vfat" in Path("/proc/filesystems").read_text(encoding="ascii")
    needed = ("sfdisk", "mkfs.ext4", "losetup", *(("mkfs.vfat", "mcopy") if fat else ()))
    if os.geteuid() or not all(shutil.which(each, path=_PATH) for each in needed):
        pytest.skip(f"needs root and {', '.join(needed)}")
    card = card_of(name, folder / "of")
    assert card.root is not None
    image = folder / "card.img"
    with image.open("wb") as opened:
        opened.truncate(48 << 20)
    table = f"label: dos\nstart={_BOOT_AT}, size=49152, type=c\nstart={_ROOT_AT}, type=83\n"
    _make("sfdisk", str(image), table=table)
    _make_ext4(image, _ROOT_AT, card.root)
    if fat:
        _make("mkfs.vfat", "--offset", str(_BOOT_AT), str(image), "24576")
        for file in card.boot.iterdir():
            _make("mcopy", "-i", f"{image}@@{_BOOT_AT * 512}", str(file), "::/")
    else:
        _make_ext4(image, _BOOT_AT, card.boot)
    return image


_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_BOOT_AT, _ROOT_AT = 2048, 51200
"""Where partitions begin, in sectors of 512 bytes."""


def _make_ext4(image: Path, at: int, content: Path) -> None:
    where = ("-E", f"offset={at * 512}", "-d", str(content), str(image), "20M")
    _make("mkfs.ext4", "-q", "-F", *where)


def _make(*command: str, table: str = "") -> None:
    subprocess.run(
        command, check=True, capture_output=True, env={"PATH": _PATH}, input=table.encode()
    )
