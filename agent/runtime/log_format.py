"""The agent's log format: one line per record, short, escaped, and limited in rate.

Text from cameras, brokers and platforms ends up in it. Each module escapes what it logs; this does it once
more, for what a module forgot.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from wording.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_CHARACTERS = 1000
"""Of a record's text, and of each line of a traceback."""
MAX_TRACEBACK_LINES = 60
MAX_AT_ONCE, THEN_EVERY_S = 100, 10.0
"""Records of one logger in a burst, and seconds per record after that: at most some 10 MB a day."""
_log = logging.getLogger(__name__)
_FORM = "%(levelname)s %(name)s: %(message)s"


def begin(path: Path | None = None) -> None:
    """Log to stderr for the journal, which adds the time; or to a file, with the time.

    An existing configuration of logging is left as it is.
    """
    if logging.root.handlers:
        return
    handler = (
        logging.StreamHandler() if path is None else logging.FileHandler(path, encoding="utf-8")
    )
    handler.setFormatter(OneLine(_FORM if path is None else f"%(asctime)s {_FORM}"))
    handler.addFilter(LogRateLimit())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    threading.excepthook = _log_the_end


def _log_the_end(ended: threading.ExceptHookArgs) -> None:
    """Log uncaught exceptions of threads, instead of printing them to stderr."""
    name, error = "?" if ended.thread is None else ended.thread.name, ended.exc_value
    if error is not None and not isinstance(error, SystemExit):
        _log.critical("the thread %s ended: %s", name, type(error).__name__, exc_info=error)


class OneLine(logging.Formatter):
    """Formats a record as one line; a traceback follows in lines that cannot be taken for records."""

    def format(self, record: logging.LogRecord) -> str:
        """The line and its traceback. Nothing that another formatter left in the record is used."""
        record.message = harmless(record.getMessage(), MAX_CHARACTERS)
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        lines = [self.formatMessage(record)]
        if record.exc_info:
            traceback = self.formatException(record.exc_info).splitlines()
            lines += (
                f"  | {harmless(each, MAX_CHARACTERS)}" for each in traceback[-MAX_TRACEBACK_LINES:]
            )
        return "\n".join(lines)


class LogRateLimit(logging.Filter):
    """Limits the rate of each logger; the number of records left out is added to its next record.

    Args:
        now_s: A monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s, self._lock = now_s, threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}
        """By logger: how many records it may write, and when that was reckoned."""
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        name, now_s = record.name, self._now_s()
        with self._lock:
            left, then_s = self._left.get(name, (float(MAX_AT_ONCE), now_s))
            left = min(float(MAX_AT_ONCE), left + (now_s - then_s) / THEN_EVERY_S)
            written = left >= 1
            self._left[name] = left - written, now_s
            if not written:
                self._left_out[name] = self._left_out.get(name, 0) + 1
                return False
            left_out = self._left_out.pop(name, 0)
        if left_out:
            record.msg = f"({left_out} more were left out) {record.getMessage()}"
            record.args = ()
        return True
