"""The recovery ladder: restart, network restart, reboot; and the record of what was done.

A camera that hangs causes one restart of the process, and further ones only after a wait that grows;
between them it is left out, and the other cameras go on. If restarts do not help, a reboot is requested;
if the host is cut off, a restart of its network. Both are carried out by
:mod:`agent.runtime.privileged_actions`. An unreachable broker causes nothing: offline is normal.

All of it is counted in one small file outside the database, as the database may be what is broken. Waits
are measured in monotonic time within a boot, never by the wall clock.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.concurrency.backoff import doubled_s
from agent.storage.paths import RECOVERY
from drivers.disk import replace_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from drivers.clock import Clock

Cause = Literal[
    "first",
    "planned",
    "camera_hang",
    "uplink_stuck",
    "disk_back",
    "fault",
    "killed",
    "power_cut",
]
"""Why a run began, which is how the one before it ended. ``killed``: it was ended from outside within
this boot (the watchdog, too little memory, a person); ``power_cut``: it did not end and the boot is
another; ``fault``: an error that nobody expected."""
Action = Literal["network", "reboot"]

BLIND_BEFORE_REBOOT = 2
"""Number of unsuccessful restarts of the process in a row before a reboot is requested."""
UPTIME_FIRST_S, UPTIME_MAX_S = 3600.0, 86_400.0
"""A reboot is asked for only when this boot has lasted an hour, after the next two, … up to a day.
The uptime cannot be set wrong, and it bounds reboots whatever else is forgotten."""

_log = logging.getLogger(__name__)


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Hangs(_Record):
    """Restarts in a row for one camera or the disk, and when, in which boot, the next is allowed."""

    count: int = 0
    boot_id: str = ""
    next_s: float = 0.0


class Asked(_Record):
    """One action: how often in a row it was requested, and when last."""

    count: int = 0
    boot_id: str = ""
    at_s: float = 0.0


class RecoveryRecord(_Record):
    """The recovery file."""

    version: Literal[1] = 1
    written: int = 0
    """Grows with each writing: of two files the one with more is the newer."""
    running: str | None = None
    """The boot of the run that has not ended."""
    ended: Cause | None = None
    cause: Cause = "first"
    causes: dict[str, int] = {}
    hangs: dict[str, Hangs] = {}
    disk: Hangs = Hangs()
    network: Asked = Asked()
    reboot: Asked = Asked()


class Recovery:
    """Counts and decides. For the main thread; its figures may be read by others.

    Args:
        folders: Where the file is kept: the first that takes it; the newest is read. On a disk that
            cannot be written the second, in memory, still keeps a process from restarting endlessly.
        clock: Its monotonic time and its boot id.
        first_s: How long after a restart for a camera the next one is earned; doubles each time.
        most_s: No wait is longer.
    """

    def __init__(
        self, folders: Sequence[Path], clock: Clock, *, first_s: float, most_s: float
    ) -> None:
        self._folders, self._clock = folders, clock
        self._first_s, self._most_s = first_s, most_s
        self._record = _newest(folders)
        self._blind_since_s: float | None = None
        self._seeing_since_s: float | None = None
        self._cut_off_since_s: float | None = None

    @property
    def cause(self) -> Cause:
        """Why this run began."""
        return self._record.cause

    @property
    def causes(self) -> dict[str, int]:
        """How many runs began for which cause, ever."""
        return dict(self._record.causes)

    @property
    def asked(self) -> dict[str, int]:
        """How often in a row an action was requested without lasting effect."""
        return {"network": self._record.network.count, "reboot": self._record.reboot.count}

    def begin(self) -> Cause:
        """Note that a run begins, and return why."""
        record, boot_id = self._record, self._clock.boot_id
        if record.ended is not None:
            record.cause = record.ended
        elif record.running is None:
            record.cause = "first"
        else:
            record.cause = "killed" if record.running == boot_id else "power_cut"
        record.causes[record.cause] = record.causes.get(record.cause, 0) + 1
        record.running, record.ended = boot_id, None
        self._write()
        return record.cause

    def end(self, cause: Cause) -> None:
        """Note why the run ends; the last thing that it does."""
        self._record.running, self._record.ended = None, cause
        self._write()

    def may_restart_for(self, camera_id: str) -> bool:
        """Whether a hanging camera may cause another restart of the process now."""
        return self._is_earned(self._record.hangs.get(camera_id, Hangs()))

    def restart_for(self, camera_ids: Iterable[str]) -> None:
        """The process is about to be restarted for these cameras."""
        for camera_id in camera_ids:
            hangs = self._record.hangs.get(camera_id, Hangs())
            self._record.hangs[camera_id] = self._after_another(hangs)
        self.end("camera_hang")

    def may_restart_for_disk(self) -> bool:
        """Whether a disk that can be written again may cause a restart of the process now."""
        return self._is_earned(self._record.disk)

    def restart_for_disk(self) -> None:
        """The process is about to be restarted, to go back to the disk."""
        self._record.disk = self._after_another(self._record.disk)
        self.end("disk_back")

    def _is_earned(self, hangs: Hangs) -> bool:
        return hangs.boot_id != self._clock.boot_id or self._clock.monotonic_s() >= hangs.next_s

    def _after_another(self, hangs: Hangs) -> Hangs:
        wait_s = doubled_s(self._first_s, self._most_s, hangs.count)
        return Hangs(
            count=hangs.count + 1,
            boot_id=self._clock.boot_id,
            next_s=self._clock.monotonic_s() + wait_s,
        )

    def well(self, camera_id: str) -> None:
        """The camera has run well for long enough: reset its count."""
        if self._record.hangs.pop(camera_id, None) is not None:
            self._write()

    def wants_reboot(self, *, seeing: bool, after_s: float) -> bool:
        """Whether a reboot should be requested, because no camera delivers frames.

        Args:
            seeing: Whether any camera's frames are being analysed now.
            after_s: Minimum time without any frame.
        """
        now_s = self._clock.monotonic_s()
        if seeing:
            self._blind_since_s = None
            self._seeing_since_s = self._seeing_since_s or now_s
            if now_s - self._seeing_since_s >= UPTIME_MAX_S and self._record.reboot.count:
                self._record.reboot = Asked()
                self._write()
            return False
        self._seeing_since_s = None
        if self._blind_since_s is None:
            self._blind_since_s = now_s
        restarted = max((hangs.count for hangs in self._record.hangs.values()), default=0)
        return (
            now_s - self._blind_since_s >= after_s
            and restarted >= BLIND_BEFORE_REBOOT
            and self._record.reboot.boot_id != self._clock.boot_id  # one of them is under way
            and now_s >= doubled_s(UPTIME_FIRST_S, UPTIME_MAX_S, self._record.reboot.count)
        )

    def wants_network(self, *, online: bool, cut_off: bool, after_s: float) -> bool:
        """Whether the host's network should be restarted: the host is cut off, not just the broker.

        Args:
            online: Whether the broker is connected.
            cut_off: Whether the host has no way out at all.
            after_s: Minimum time cut off; doubles with each try.
        """
        now_s, asked = self._clock.monotonic_s(), self._record.network
        if online and asked.count:
            self._record.network = asked = Asked()
            self._write()
        if online or not cut_off:
            self._cut_off_since_s = None
            return False
        if self._cut_off_since_s is None:
            self._cut_off_since_s = now_s
        if now_s - self._cut_off_since_s < after_s:
            return False
        wait_s = doubled_s(after_s, self._most_s, asked.count)
        return asked.boot_id != self._clock.boot_id or now_s - asked.at_s >= wait_s

    def note_asked(self, action: Action) -> None:
        """Note that an action was requested."""
        was = self._record.reboot if action == "reboot" else self._record.network
        told = Asked(
            count=was.count + 1, boot_id=self._clock.boot_id, at_s=self._clock.monotonic_s()
        )
        if action == "reboot":
            self._record.reboot = told
        else:
            self._record.network = told
        self._write()

    def _write(self) -> None:
        self._record.written += 1
        text = self._record.model_dump_json()
        for folder in self._folders:
            try:
                replace_file(folder / RECOVERY, text)
            except OSError as error:
                _log.warning("the recovery record is not stored in %s: %s", folder, words_of(error))
            else:
                return


def ask(folder: Path, action: Action, reason: str) -> None:
    """Leave a request for :mod:`agent.runtime.privileged_actions`, which may refuse it.

    Raises:
        OSError: It could not be written.
    """
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    replace_file(
        folder / "request.json", Request(action=action, reason=reason[:200]).model_dump_json()
    )


class Request(BaseModel):
    """What is asked of the part that may do it."""

    version: Literal[1] = 1
    action: Action
    reason: str


def _newest(folders: Sequence[Path]) -> RecoveryRecord:
    found = RecoveryRecord()
    for folder in folders:
        try:
            record = RecoveryRecord.model_validate_json((folder / RECOVERY).read_bytes())
        except FileNotFoundError:
            continue
        except (OSError, ValidationError) as error:
            _log.warning("%s/%s cannot be used: %s", folder, RECOVERY, type(error).__name__)
            continue
        if record.written > found.written:
            found = record
    return found
