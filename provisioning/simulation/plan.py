"""What is simulated: how many devices, how much they tell, and when a region's link is gone."""

from __future__ import annotations

import json
import math
import re
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.config.schema import UplinkSection
from wording.messages import itemised, said
from wording.validation import message_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wording.messages import Said

MOST_DEVICES = 100_000
MOST_MINUTES = 7 * 24 * 60.0
MOST_RATE = 36_000.0
MOST_PER_PROCESS = 90
"""``select`` takes no file descriptor from 1,024 on."""
FILES_PER_DEVICE = 10
MEMORY_BYTES = 2_000_000
"""Of one device, rounded up from what was measured."""
DISK_BYTES = 7_000_000
"""Of one device at most: two for the reserve file, four for SQLite's journal, the rest its rows."""
KEPT_EVENTS = 1_000_000
"""What has arrived stays in each outbox, to be held against what a platform has."""
DAY_H = 24.0
RECORD = "simulation.json"
"""Whose outboxes lie in a folder."""
_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}")


class PlanError(ValueError):
    """Nothing can be simulated so. ``faults`` names every reason."""

    def __init__(self, faults: Sequence[Said]) -> None:
        super().__init__(said("{faults}", faults=itemised(faults)))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Outage:
    """A region's link is gone for a while.

    Attributes:
        at_s: When, after the simulation began.
        for_s: For how long.
        hours: How many hours the devices live through meanwhile.
        share: Of all devices, those that lie behind this link.
    """

    at_s: float
    for_s: float
    hours: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is simulated.

    Attributes:
        folder: Where each device has a folder with its outbox.
        uplink: How each device reaches the broker.
        tenant: All devices'.
        devices: How many.
        rate_per_h: Events of cases that a device tells in an hour, on average; heartbeats come besides.
        for_s: How long events are drawn.
        settle_s: How long at most the last of them are waited for.
        seed: What happens in the streets follows from it.
        processes: Among how many the devices are divided.
        outage: When a region's link is gone, if ever.
    """

    folder: Path
    uplink: UplinkSection
    tenant: str
    devices: int
    rate_per_h: float
    for_s: float
    settle_s: float
    seed: int
    processes: int
    outage: Outage | None = None

    def share_of(self, process: int) -> range:
        """The numbers of a process's devices."""
        return range(process, self.devices, self.processes)

    def lies_in_region(self, number: int) -> bool:
        """Whether a device lies behind the link that will be gone."""
        return self.outage is not None and number < math.ceil(self.devices * self.outage.share)

    @property
    def in_region(self) -> int:
        """How many devices lie there."""
        return sum(map(self.lies_in_region, range(self.devices)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asked for, as it was typed; see :class:`Plan`."""

    folder: Path
    broker: str
    tenant: str
    devices: int
    rate_per_h: float
    minutes: float
    settle_s: float
    seed: int
    confirm: str
    processes: int | None = None
    outage_at: float | None = None
    outage_for: float | None = None
    outage_hours: float | None = None
    region_percent: float = 25.0
    uplink: Mapping[str, Any] | None = None
    """More settings of the uplink: certificates, a login."""


def plan_of(wanted: Wanted) -> Plan:
    """Check what is wanted, and whether this machine can hold it.

    Raises:
        PlanError: It cannot be done so; every fault at once.
    """
    faults = [*_numbers(wanted), *_outage_faults(wanted)]
    uplink = _uplink(wanted, faults)
    if not _TENANT.fullmatch(wanted.tenant):
        faults.append(
            said("--tenant {tenant!r}: letters, digits, _ and -, 64 at most", tenant=wanted.tenant)
        )
    processes = wanted.processes or max(1, math.ceil(wanted.devices / MOST_PER_PROCESS))
    processes = min(processes, max(1, wanted.devices))
    if (others := _whose(wanted.folder)) not in {None, wanted.tenant}:
        faults.append(
            said(
                "{folder} holds the outboxes of tenant {others!r}: name another folder, or that tenant",
                folder=wanted.folder,
                others=others,
            )
        )
    if not faults:
        faults += _what_is_missing_here(wanted, processes)
    if faults or uplink is None:
        raise PlanError(faults)
    return Plan(
        folder=wanted.folder,
        uplink=uplink,
        tenant=wanted.tenant,
        devices=wanted.devices,
        rate_per_h=wanted.rate_per_h,
        for_s=wanted.minutes * 60,
        settle_s=wanted.settle_s,
        seed=wanted.seed,
        processes=processes,
        outage=_outage(wanted),
    )


def _numbers(wanted: Wanted) -> Iterator[Said]:
    bounds: tuple[tuple[str, float | None, float, float], ...] = (
        ("--devices", wanted.devices, 1, MOST_DEVICES),
        ("--rate", wanted.rate_per_h, 0, MOST_RATE),
        ("--minutes", wanted.minutes, 0.05, MOST_MINUTES),
        ("--settle", wanted.settle_s, 0, 86_400),
        ("--processes", wanted.processes, 1, 4_000),
        ("--outage-at", wanted.outage_at, 0, MOST_MINUTES),
        ("--outage-for", wanted.outage_for, 0.05, MOST_MINUTES),
        ("--outage-hours", wanted.outage_hours, 0.01, 7 * DAY_H),
        ("--region", wanted.region_percent, 1, 100),
    )
    for name, value, least, most in bounds:
        # Not a number is neither within nor beyond any bound.
        if value is not None and not least <= value <= most:
            yield said(
                "{option} {value}: from {least} to {most}",
                option=name,
                value=f"{value:g}",
                least=f"{least:g}",
                most=f"{most:,g}".replace(",", ""),
            )


def _outage_faults(wanted: Wanted) -> Iterator[Said]:
    if (wanted.outage_at is None) != (wanted.outage_for is None):
        yield said("--outage-at and --outage-for go together: give both or neither")
    elif wanted.outage_at is None or wanted.outage_for is None:
        if wanted.outage_hours is not None:
            yield said("--outage-hours says nothing without --outage-at and --outage-for")
    elif wanted.outage_at + wanted.outage_for > wanted.minutes:
        yield said(
            "the outage ends after {end} min, the simulation after {minutes} min: make --minutes longer",
            end=f"{wanted.outage_at + wanted.outage_for:g}",
            minutes=f"{wanted.minutes:g}",
        )


def _outage(wanted: Wanted) -> Outage | None:
    if wanted.outage_at is None or wanted.outage_for is None:
        return None
    hours = wanted.outage_for / 60 if wanted.outage_hours is None else wanted.outage_hours
    return Outage(wanted.outage_at * 60, wanted.outage_for * 60, hours, wanted.region_percent / 100)


def _uplink(wanted: Wanted, faults: list[Said]) -> UplinkSection | None:
    told = {"broker": wanted.broker, "confirm": wanted.confirm, "keep_arrived": KEPT_EVENTS}
    try:
        return UplinkSection.model_validate(told | dict(wanted.uplink or {}))
    except ValidationError as error:
        faults += [
            said(
                "--{option}: {fault}",
                option=".".join(map(str, each["loc"])).replace("_", "-"),
                fault=message_of(each),
            )
            for each in error.errors()
        ]
        return None


def _whose(folder: Path) -> str | None:
    """Of which tenant the outboxes in a folder are; None: there are none."""
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["tenant"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _what_is_missing_here(wanted: Wanted, processes: int) -> Iterator[Said]:
    """What this machine lacks for so many devices; checked last, once the numbers make sense."""
    each = math.ceil(wanted.devices / processes)
    if each > MOST_PER_PROCESS:
        yield said(
            "{devices} devices in {processes} process(es): a process holds {most} at most; give --processes"
            " {needed} or more, or leave it out",
            devices=wanted.devices,
            processes=processes,
            most=MOST_PER_PROCESS,
            needed=math.ceil(wanted.devices / MOST_PER_PROCESS),
        )
    needed_files = min(each, MOST_PER_PROCESS) * FILES_PER_DEVICE + 64
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most_files != resource.RLIM_INFINITY and most_files < needed_files:
        yield said(
            "a process needs {needed} open files, {most} are allowed here (`ulimit -Hn`): give more --processes",
            needed=needed_files,
            most=most_files,
        )
    whole = wanted.folder.absolute()
    folder = next(each for each in (whole, *whole.parents) if each.exists())
    sizes = (
        (said("memory"), wanted.devices * MEMORY_BYTES, _free_memory_bytes()),
        (said("disk"), wanted.devices * DISK_BYTES, shutil.disk_usage(folder).free),
    )
    for what, needed, there in sizes:
        if needed > there:
            yield said(
                "{devices} devices need {needed} MB of {what}, {there} MB are free: {fit} would fit",
                devices=wanted.devices,
                needed=needed // 1_000_000,
                what=what,
                there=there // 1_000_000,
                fit=wanted.devices * there // needed,
            )


def _free_memory_bytes() -> int:
    """As proc(5) reckons it: what programs may have without others being swapped out."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
