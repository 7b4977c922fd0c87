"""The main loop: watchdog and recovery ladder.

systemd's watchdog is fed as long as the analysis makes progress. A camera that hangs climbs the ladder;
an uplink that hangs is replaced.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.concurrency.watchdog import notify, watchdog_interval_s
from agent.runtime.recovery import ask
from drivers.network import cut_off

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agent.capture.camera_reader import CameraReader
    from agent.concurrency.threads import Threads
    from agent.config.schema import RecoverySection
    from agent.delivery.uplink_supervisor import UplinkSupervisor
    from agent.runtime.recovery import Action, Cause, Recovery
    from drivers.clock import Clock

ROUND_S = 0.5
LADDER_EVERY_S = 10.0
UPLINK_LIMIT_S = 120.0
WELL_AFTER_S = 600.0
"""A camera that has run for so long is well again."""
LEFT_OUT = "left out: it hangs"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Supervisor:
    """The main loop.

    Attributes:
        settings: How patient the ladder is.
        workers: Whose progress counts.
        captures: The cameras' threads.
        uplink: None where no broker is configured.
        recovery: Counts and decides.
        clock: Monotonic time.
        requests: The folder for requests to who may restart the network or reboot.
        left_out: Cameras that hang and are no longer waited for.
        disk_is_back: Whether memory stands in for a disk that takes writes again.
    """

    settings: RecoverySection
    workers: Threads
    captures: Sequence[CameraReader]
    uplink: UplinkSupervisor | None
    recovery: Recovery
    clock: Clock
    requests: Path
    left_out: set[str] = field(default_factory=set)
    disk_is_back: Callable[[], bool] | None = None

    def run(self, stop: threading.Event, done: Callable[[], bool]) -> Cause:
        """Loop until there is a reason to end, and return it.

        Args:
            stop: Set from outside: a planned end.
            done: Whether a recording has come to its end.
        """
        interval_s = watchdog_interval_s() or ROUND_S
        fed_s = climbed_s = float("-inf")
        while not (stop.is_set() or done()):
            if self.workers.stop.is_set():
                return "planned" if self.workers.fault is None else "fault"
            now_s = self.clock.monotonic_s()
            if (cause := self._see_to_cameras() or self._see_to_uplink()) is not None:
                return cause
            if now_s - climbed_s >= LADDER_EVERY_S:
                if (cause := self._see_to_disk()) is not None:
                    return cause
                self._climb()
                climbed_s = now_s
            if stalled := self.workers.progress.stalled(now_s):
                notify("STATUS=no progress: " + ", ".join(stalled))
            elif now_s - fed_s >= interval_s:
                notify("WATCHDOG=1", f"STATUS={self._status()}")
                fed_s = now_s
            stop.wait(min(ROUND_S, interval_s))
        return "planned"

    def _status(self) -> str:
        return "watching" + "".join(f"; {each} is left out" for each in sorted(self.left_out))

    def _see_to_cameras(self) -> Cause | None:
        if self.workers.progress.age_s("analysis") > self.settings.camera_hang_s / 2:
            return None  # a recording waits for it: the camera is not to blame
        hanging = []
        for capture in self.captures:
            name = capture.camera_id
            silent_s = self.workers.progress.age_s(capture.worker)
            if capture.ended:
                continue
            if silent_s <= self.settings.camera_hang_s:
                if name in self.left_out:
                    self.left_out.discard(name)
                    capture.activity.turn("running")
                    _log.warning("camera %s goes on by itself", name)
                if capture.activity.frames and capture.activity.runs_for_s() >= WELL_AFTER_S:
                    self.recovery.well(name)
                continue
            if self.recovery.may_restart_for(name):
                hanging.append(name)
            elif name not in self.left_out:
                self.left_out.add(name)
                capture.activity.turn(LEFT_OUT)
                _log.error("camera %s hangs and is left out; the others go on", name)
        if not hanging:
            return None
        _log.error("the process ends because of hanging cameras: %s", ", ".join(hanging))
        self.recovery.restart_for(hanging)
        return "camera_hang"

    def _see_to_uplink(self) -> Cause | None:
        if self.uplink is None or self.workers.progress.age_s("uplink") <= UPLINK_LIMIT_S:
            return None
        self.workers.progress.mark("uplink")
        if self.uplink.replace():
            return None
        _log.error("the process ends because of hanging uplinks")
        return "uplink_stuck"

    def _see_to_disk(self) -> Cause | None:
        """While the fallback in memory is used, test the disk now and then; a restart goes back to it."""
        if self.disk_is_back is None or not self.recovery.may_restart_for_disk():
            return None
        if not self.disk_is_back():
            return None
        _log.error("the process ends because the disk can be written again")
        self.recovery.restart_for_disk()
        return "disk_back"

    def _climb(self) -> None:
        """Request what needs root, never because only the broker is unreachable."""
        settings = self.settings
        seeing = any(
            not each.ended and each.camera_id not in self.left_out and each.state == "running"
            for each in self.captures
        )
        over = all(each.ended for each in self.captures)
        blind_s = settings.reboot_after_s
        if self.recovery.wants_reboot(seeing=seeing or over, after_s=blind_s) and settings.reboot:
            self._ask("reboot", "no camera sees anything, and restarts did not help")
        if self.uplink is None or not settings.restart_network:
            return
        online = self.uplink.connected_since is not None
        try:
            alone = not online and cut_off()
        except (OSError, ValueError):  # a host that cannot be judged is not meddled with
            alone = False
        after_s = settings.network_after_s
        if self.recovery.wants_network(online=online, cut_off=alone, after_s=after_s):
            self._ask("network", "no route leads out of this host")

    def _ask(self, action: Action, reason: str) -> None:
        try:
            ask(self.requests, action, reason)
        except OSError as error:
            _log.error("%s cannot be asked for: %s", action, error)
            return
        _log.error("asked for %s: %s", action, reason)
        self.recovery.note_asked(action)
