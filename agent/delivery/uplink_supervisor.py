"""Supervises the uplink thread and replaces one that hangs."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from agent.delivery.data_budget import DataBudget
    from agent.delivery.uplink import Uplink, UplinkStats

MAX_LEFT_BEHIND = 3
"""Maximum number of hanging threads at a time; beyond that the process has to restart."""

_log = logging.getLogger(__name__)


class UplinkSupervisor:
    """Runs an uplink in a thread, and replaces it when it hangs.

    A replaced one that continues later stops by itself; until then the broker may see two connections
    with one client id, of which it ends the older.

    Args:
        make: Builds an uplink; gets the function to be called in each round.
        alive: Called in each round of the current uplink.
    """

    def __init__(
        self, make: Callable[[Callable[[], None]], Uplink], alive: Callable[[], None]
    ) -> None:
        self._make, self._alive = make, alive
        self._stop = threading.Event()
        self._uplink = make(alive)
        self._thread: threading.Thread | None = None
        self.left_behind = 0

    @property
    def connected_since(self) -> datetime | None:
        """Since when the current uplink has its connection; None: it has none."""
        return self._uplink.connected_since

    @property
    def budget(self) -> DataBudget:
        """The day's, as the current uplink counts it."""
        return self._uplink.budget

    @property
    def figures(self) -> UplinkStats:
        """Figures of the current uplink, since it started."""
        return self._uplink.figures

    def go_on_with(self, configuration_sha256: str) -> None:
        """Name another configuration in births from now on; whoever builds uplinks names it, too."""
        self._uplink.presence.configuration_sha256 = configuration_sha256

    def start(self) -> None:
        """Start delivering."""
        stop, uplink = self._stop, self._uplink
        self._thread = threading.Thread(target=lambda: uplink.run(stop), name="uplink", daemon=True)
        self._thread.start()

    def replace(self) -> bool:
        """Abandon the hanging uplink, and start a new one.

        Returns:
            Whether that was possible; if not, the process has to end.
        """
        if self.left_behind >= MAX_LEFT_BEHIND:
            return False
        self.left_behind += 1
        self._stop.set()
        _log.error("the uplink hangs; a new one is started (%d)", self.left_behind)
        self._stop = threading.Event()
        self._uplink = self._make(self._alive)
        self.start()
        return True

    def end(self, timeout_s: float) -> None:
        """Disconnect from the broker, if possible within the time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
