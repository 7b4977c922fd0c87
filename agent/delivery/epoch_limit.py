"""A rate limit for new epochs that receipts cause.

A new epoch renumbers all waiting events. A database is rolled back once, if at all; a sender that claims it again
and again is faulty, or is not the platform. So the waits grow, and a restart of the agent does not shorten them.
"""

from __future__ import annotations

import json
import logging
from contextlib import closing
from typing import TYPE_CHECKING

from agent.concurrency.backoff import doubled_s
from agent.storage.errors import StorageError
from agent.storage.lived_time import DAY_S
from agent.storage.state_table import load_state, save_state

if TYPE_CHECKING:
    from agent.storage.database import Database
    from drivers.clock import Clock

FIRST_WAIT_S, LONGEST_WAIT_S = 60.0, DAY_S
_NOTED = "uplink.epoch_limit"

_log = logging.getLogger(__name__)


class EpochLimit:
    """Allows the first at once, the next after a minute, each further one after twice the wait, up to a day.

    After a wait and a day without one it begins again. Of the time that the device was off nothing is known: a wait goes on
    from the boot.

    Args:
        clock: Its monotonic time is used.
        database: Where it is noted what has begun.
    """

    def __init__(self, clock: Clock, database: Database) -> None:
        self._clock, self._database = clock, database
        self.begun = 0
        """How many there have been since the start."""
        self._in_a_row, self._at_s = 0, 0.0
        with closing(database.read()) as connection:
            text = load_state(connection, _NOTED)
        if text is not None:
            told = json.loads(text)
            self._in_a_row = told["in_a_row"]
            self._at_s = told["at_s"] if told["boot_id"] == clock.boot_id else 0.0

    @property
    def wait_s(self) -> float:
        """Seconds until another one is allowed; 0: now."""
        since_s = self._clock.monotonic_s() - self._at_s
        return max(0.0, self._due_s - since_s)

    @property
    def _due_s(self) -> float:
        """How long after the last one another is allowed."""
        if not self._in_a_row:
            return 0.0
        return doubled_s(FIRST_WAIT_S, LONGEST_WAIT_S, self._in_a_row - 1)

    def begin(self) -> None:
        """Note that a new epoch begins now."""
        now_s = self._clock.monotonic_s()
        if now_s - self._at_s >= self._due_s + LONGEST_WAIT_S:
            self._in_a_row = 0
        self._in_a_row, self._at_s = self._in_a_row + 1, now_s
        self.begun += 1
        text = json.dumps(
            {"in_a_row": self._in_a_row, "at_s": now_s, "boot_id": self._clock.boot_id}
        )
        try:
            self._database.write(lambda connection: save_state(connection, _NOTED, text)).result()
        except StorageError as error:  # until the next start it is remembered here
            _log.warning("the next epoch's wait is not noted: %s", error)
