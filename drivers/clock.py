"""The system clock: wall time, whether it is synchronised, monotonic time, boot id."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")
_STA_UNSYNC = 0x0040


class Clock(Protocol):
    """Wall time and monotonic time of one device."""

    def now(self) -> datetime:
        """The wall clock in UTC; it may be wrong and it may jump."""

    def monotonic_s(self) -> float:
        """Seconds since boot, sleep included; never goes back within one boot."""

    @property
    def boot_id(self) -> str:
        """Id of the boot; :meth:`monotonic_s` counts from 0 within one boot."""

    @property
    def synchronised(self) -> bool:
        """Whether a time source has set the wall clock since boot."""

    @property
    def error_s(self) -> float | None:
        """Estimated maximum error of the wall clock in seconds; None if unknown."""


def wall_zero_s(clock: Clock) -> float:
    """The wall clock's time, in seconds since 1970, at which the steady clock was 0.

    It stays the same however long the clock runs, also while a time source slews it, for that slews the
    steady clock along (clock_gettime(2)). The wall clock is read between two looks at the steady one.
    """
    before_s = clock.monotonic_s()
    wall_s = clock.now().timestamp()
    return wall_s - (before_s + clock.monotonic_s()) / 2


def was_set(zero_s: float, then_zero_s: float, by_s: float) -> bool:
    """Whether the wall clock was set between two readings of :func:`wall_zero_s` within one boot.

    Args:
        zero_s: The earlier reading.
        then_zero_s: The later one.
        by_s: Moves that are smaller do not count. Two readings differ by some milliseconds by themselves.
    """
    return abs(then_zero_s - zero_s) >= by_s


class SystemClock:
    """The kernel's clocks."""

    def __init__(self) -> None:
        self._boot_id = _BOOT_ID.read_text(encoding="ascii").strip()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    @property
    def boot_id(self) -> str:
        return self._boot_id

    @property
    def synchronised(self) -> bool:
        # The kernel's own answer holds for chrony, ntpd and systemd-timesyncd alike.
        told = _adjtimex()
        return _TIMESYNCD_MARK.exists() if told is None else not told.status & _STA_UNSYNC

    @property
    def error_s(self) -> float | None:
        # Grows by 500 ppm since the time source was last heard (ntp_adjtime(2), maxerror).
        told = _adjtimex()
        return None if told is None or told.status & _STA_UNSYNC else told.maxerror / 1e6


class SharedClock(SystemClock):
    """The clock of a machine on which whoever gives the orders runs, too.

    An order that expires was dated by this very clock: whether it has expired is known, however wrong the clock is.
    """

    @property
    def synchronised(self) -> bool:
        return True


class _Timex(ctypes.Structure):
    """The head of ``struct timex`` (linux/timex.h), and room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def _adjtimex() -> _Timex | None:
    """What the kernel knows of its clock, see ``adjtimex(2)``; None where it does not say."""
    timex = _Timex(modes=0)
    try:
        answer = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except AttributeError:  # a C library without the call
        return None
    return None if answer < 0 else timex
