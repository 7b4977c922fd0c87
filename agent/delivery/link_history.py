"""What became of the connections to the broker: since when there is one, how long it lasted, why it ended."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from wording.harmless import harmless
from wording.messages import said

if TYPE_CHECKING:
    from datetime import datetime

    from agent.delivery.link_errors import LinkError
    from drivers.clock import Clock

_SHORT_LIFE_S, _SHORT_LIVES = 300.0, 3
"""Connections in a row that are lost this soon have a cause of their own."""

_log = logging.getLogger(__name__)


class LinkHistory:
    """Written by the uplink's thread, read by any.

    Args:
        client_id: The device's.
        clock: The device's.

    Attributes:
        client_id: As given.
        connected_since: Since when there is a connection; None: there is none.
        last_error: What was reported last; None: nothing.
        last_error_at: When that was.
    """

    def __init__(self, client_id: str, clock: Clock) -> None:
        self.client_id, self._clock = client_id, clock
        self.connected_since: datetime | None = None
        self._connected_s = math.inf
        self._short_lives = 0
        self.last_error: str | None = None
        self.last_error_at: datetime | None = None

    def try_again(self) -> None:
        """Note that a connection is about to be tried."""
        self._connected_s = math.inf

    def begin(self) -> None:
        """Note that there is a connection."""
        self.connected_since, self._connected_s = self._clock.now(), time.monotonic()

    def end(self) -> float:
        """Note that there is none any more; gives how many seconds it lasted, below 0 if there was none."""
        self.connected_since = None
        return time.monotonic() - self._connected_s

    def report(self, problem: str) -> None:
        """Keep what is wrong for whoever asks; the log has it once."""
        problem = harmless(problem)
        if problem != self.last_error:
            _log.warning("%s", problem)
        self.last_error, self.last_error_at = problem, self._clock.now()

    def report_end(self, error: LinkError) -> None:
        """Report why a connection ended: not every broker says that another client took over our client id.

        (Mosquitto 2.0 closes the connection that is taken over without a reason.)
        """
        lived_s = time.monotonic() - self._connected_s
        if lived_s >= 0:  # else there was no connection
            young = error.unexplained and lived_s < _SHORT_LIFE_S
            self._short_lives = self._short_lives + 1 if young else 0
        if not error.unexplained or self._short_lives < _SHORT_LIVES:
            self.report(error.reason)
            return
        self.report(
            said(
                "{reason}; {count} connections in a row ended soon after they were made: the link is "
                "bad, or another device uses the client id {client_id}",
                reason=error.reason,
                count=self._short_lives,
                client_id=self.client_id,
            )
        )
