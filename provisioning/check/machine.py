"""Checks of the machine: disk, clock, memory, temperature."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.clock import SystemClock
from drivers.disk import free_bytes, refusal, replace_file
from drivers.inodes import inodes
from drivers.temperature import processor_c
from drivers.time_source import time_source
from provisioning.check.findings import Check, Device, Finding
from provisioning.check.fixes import SYNC_CLOCK
from provisioning.console.local_time import local
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_FREE_BYTES, ENOUGH_FREE_BYTES = 100_000_000, 1_000_000_000
MIN_FREE_INODES, ENOUGH_FREE_INODES = 1000, 5000
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""No device is younger than the software on it."""
IN_MEMORY = frozenset({"tmpfs", "ramfs", "overlay"})
HOT_C = 75.0
CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")
MOUNTS = Path("/proc/self/mounts")


def disk(device: Device) -> Iterator[Finding]:
    """Whether the state folder takes a file for good, and how much more."""
    assert device.configuration is not None
    folder = device.base / device.configuration.storage.state_dir
    try:
        _try_to_keep(folder)
    except OSError as error:
        yield Finding(
            "disk",
            "fault",
            said(
                "no file can be written to {path}: {reason}",
                path=folder,
                reason=refusal(error, folder),
            ),
            said("The agent cannot store cases and events and does not start."),
            said(
                "Give the folder to the agent's user; a read-only card may be worn out: replace it."
            ),
            code="disk_writable",
        )
        return
    free = free_bytes(folder)
    text = said("{path}: {free:.1f} GB free", path=folder, free=free / 1e9)
    if free >= ENOUGH_FREE_BYTES:
        yield Finding("disk", "ok", text, code="disk_space")
    else:
        yield Finding(
            "disk",
            "fault" if free < MIN_FREE_BYTES else "warning",
            text,
            said("When it is full, nothing more can be stored."),
            said("Remove what does not belong there, or use a larger card."),
            code="disk_space",
        )
    yield from _inodes(folder)
    kind = file_system(folder, MOUNTS)
    if kind in IN_MEMORY:
        yield Finding(
            "disk",
            "warning",
            said("{path} lies on {kind}", path=folder, kind=kind),
            said("Files in memory or in a container's layer are lost at a power cut."),
            said("Put storage.state_dir on the card or a disk."),
            code="disk_file_system",
        )


def _inodes(folder: Path) -> Iterator[Finding]:
    counted = inodes(folder)
    if counted is None:
        return
    text = said(
        "{path}: room for {free} more files, of {total}",
        path=folder,
        free=counted.free,
        total=counted.total,
    )
    if counted.free >= min(ENOUGH_FREE_INODES, counted.total // 20):
        yield Finding("disk", "ok", text, code="disk_inodes")
        return
    yield Finding(
        "disk",
        "fault" if counted.free < min(MIN_FREE_INODES, counted.total // 50) else "warning",
        text,
        said("Without free inodes nothing more can be stored, though the disk has room."),
        said("Find the folder with very many small files, and remove what does not belong there."),
        code="disk_inodes",
    )


def _try_to_keep(folder: Path) -> None:
    """Write a file into a folder for good, and leave everything as it was.

    Raises:
        OSError: The disk does not take it.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    probe = folder / ".check"
    try:
        # Never through a link: the check may be root's, and the folder somebody else's.
        replace_file(probe, b"x" * 4096)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
            for made in missing:
                made.rmdir()


def file_system(folder: Path, mounts: Path) -> str:
    """The kind of file system a folder lies on, by ``proc(5)``; empty if nobody knows."""
    best, kind = -1, ""
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _, place, found, *_ = line.split(" ")
        mounted = Path(place.replace("\\040", " "))
        if (mounted == folder or mounted in folder.parents) and len(mounted.parts) > best:
            best, kind = len(mounted.parts), found
    return kind


def clock(device: Device) -> Iterator[Finding]:
    """Whether the time is set, and by whom."""
    system = SystemClock()
    now = system.now()
    told = local(now, device.timezone)
    if now < EARLIEST:
        yield Finding(
            "clock",
            "fault",
            said("the clock says {now}", now=told),
            said("Certificates cannot be verified, and events carry a wrong time."),
            said("Connect the network so that the time is set; look at the clock's battery."),
            code="clock_time",
            fix=SYNC_CLOCK,
        )
    elif not system.synchronised:
        yield Finding(
            "clock",
            "warning",
            said("the clock is not synchronised; it says {now}", now=told),
            said("Events say that their time is not trustworthy; dwell times are not affected."),
            said("Allow NTP (UDP port 123) or give the time server in timesyncd.conf."),
            code="clock_synchronised",
            fix=SYNC_CLOCK,
        )
    else:
        yield Finding(
            "clock", "ok", said("synchronised, {now}", now=told), code="clock_synchronised"
        )


def time_kept(_device: Device) -> Iterator[Finding]:
    """What sets the clock, and whether the board keeps the time without power."""
    found = time_source()
    if found.service is None:
        yield Finding(
            "time source",
            "warning",
            said("no time service runs"),
            said("The clock drifts, and after a power cut it may be wrong by days."),
            said("Install and enable systemd-timesyncd or chrony."),
            code="clock_source",
            fix=SYNC_CLOCK,
        )
    else:
        yield Finding(
            "time source",
            "ok",
            said("{service}, server {server}", service=found.service, server=found.server or "-"),
            code="clock_source",
        )
    if not found.own_clock:
        yield Finding(
            "time source",
            "note",
            said("the board has no clock of its own"),
            said("Without a network the time is wrong after a power cut, and events say so."),
            code="clock_without_power",
        )


def memory(_device: Device) -> Iterator[Finding]:
    """Whether systemd's limit of memory holds here: Pi kernels boot with it off."""
    try:
        controllers = CONTROLLERS.read_text(encoding="ascii").split()
    except OSError:
        controllers = []
    if "memory" in controllers:
        yield Finding("memory", "ok", said("the kernel limits memory by unit"), code="memory_limit")
        return
    yield Finding(
        "memory",
        "warning",
        said("the kernel does not limit memory by unit"),
        said("MemoryMax in the unit has no effect; a memory leak would affect the whole machine."),
        said("Add cgroup_enable=memory to the line in /boot/firmware/cmdline.txt and reboot."),
        code="memory_limit",
    )


def temperature(_device: Device) -> Iterator[Finding]:
    """Whether it is too hot already while nothing runs."""
    found = processor_c()
    if found is None:
        yield Finding(
            "temperature",
            "note",
            said("nothing measures the processor's temperature"),
            code="temperature",
        )
    elif found >= HOT_C:
        yield Finding(
            "temperature",
            "warning",
            said("the processor is at {celsius:.0f} °C", celsius=found),
            said("Above 80 °C a Raspberry Pi throttles."),
            said("Check fan and heat sink; give the housing shade and air."),
            code="temperature",
        )
    else:
        yield Finding(
            "temperature",
            "ok",
            said("the processor is at {celsius:.0f} °C", celsius=found),
            code="temperature",
        )


CHECKS = (
    Check("disk", disk),
    Check("clock", clock, needs_configuration=False),
    Check("time source", time_kept, needs_configuration=False),
    Check("memory", memory, needs_configuration=False),
    Check("temperature", temperature, needs_configuration=False),
)
