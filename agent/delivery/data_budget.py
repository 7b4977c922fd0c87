"""The daily data budget of a metered link, in bytes by class.

A day is one of the site's local calendar. A clock that steps back gives no second budget: what was
spent stays spent until a day begins that was never counted. A clock that was far ahead and is corrected
keeps what was spent until the next midnight. However often the clock is set, at most
:data:`MAX_BEGINNINGS` days begin within 24 hours on the monotonic clock.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, tzinfo

Class = Literal["cases", "backlog", "evidence", "health", "rest"]
"""``cases``: live events of cases; ``backlog``: those that waited; the others are lanes."""
AHEAD_DAYS = 1
"""A newest day further ahead than this was never lived: the clock was wrong."""

MAX_BEGINNINGS, DAY_LENGTH_S = 2, 20 * 3600.0
"""Maximum number of days that begin within this time: midnight, and once because the clock was set."""

_log = logging.getLogger(__name__)


class DataBudget:
    """Counts bytes sent, and says what may still be sent. From any thread.

    Args:
        limits: Bytes a day by class; a class that is not named has no limit.
        timezone: The site's.
        now: The wall clock, in UTC.
        saved: What :meth:`document` gave before the last restart; None: nothing.
        steady_s: The monotonic clock.
    """

    def __init__(
        self,
        limits: Mapping[str, int],
        timezone: tzinfo,
        now: Callable[[], datetime],
        saved: str | None = None,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._timezone, self._now = dict(limits), timezone, now
        self._steady_s = steady_s
        self._began_s: deque[float] = deque(maxlen=MAX_BEGINNINGS)
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._spent: dict[str, int] = {}
        self._newest = self._today()
        if saved is not None:
            document: dict[str, Any] = json.loads(saved)
            self._newest = date.fromisoformat(document["newest"])
            self._spent = {str(name): int(count) for name, count in document["spent"].items()}
        self.unsaved = False

    @property
    def spent(self) -> dict[str, int]:
        """Bytes sent today, by class."""
        with self._lock:
            self._turn()
            return dict(self._spent)

    def allows(self, class_: Class) -> bool:
        """Whether something of the class may still be sent today."""
        limit = self._limits.get(class_)
        if limit is None:
            return True
        with self._lock:
            self._turn()
            if self._spent.get(class_, 0) < limit:
                return True
            if class_ not in self._told:
                self._told.add(class_)
                _log.warning("%s: the day's %d bytes are spent; the rest waits", class_, limit)
            return False

    def count(self, class_: Class, sent_bytes: int) -> None:
        """Count bytes of a class handed to the broker; repeated sends count again."""
        with self._lock:
            self._turn()
            self._spent[class_] = self._spent.get(class_, 0) + sent_bytes
            self.unsaved = True

    def document(self) -> str:
        """The counts to be kept over a restart, as JSON."""
        with self._lock:
            self.unsaved = False
            return json.dumps({"newest": self._newest.isoformat(), "spent": self._spent})

    def _today(self) -> date:
        return self._now().astimezone(self._timezone).date()

    def _turn(self) -> None:
        """Begin a new day if there is one."""
        today = self._today()
        if today > self._newest:
            if not self._may_begin():
                return
            self._newest = today
            self._spent.clear()
            self._told.clear()
            self.unsaved = True
        elif (self._newest - today).days > AHEAD_DAYS:
            self._newest = today
            self.unsaved = True

    def _may_begin(self) -> bool:
        """Whether another day may begin; if so, one does."""
        now_s = self._steady_s()
        if len(self._began_s) == MAX_BEGINNINGS and now_s - self._began_s[0] < DAY_LENGTH_S:
            return False
        self._began_s.append(now_s)
        return True
