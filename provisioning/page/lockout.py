"""How long to wait after wrong codes. A reboot resets no wait: it begins anew, in full."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from drivers.disk import replace_file

if TYPE_CHECKING:
    from pathlib import Path

FREE_TRIES = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 3600.0
_MOST = 1000
"""What a damaged record counts as."""


def wait_after(failures: int) -> float:
    """Seconds until the next try after so many wrong codes in a row."""
    if failures < FREE_TRIES:
        return 0.0
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(20, failures - FREE_TRIES))


class Lockout:
    """Counts wrong codes, on the disk before the answer is given.

    Args:
        path: Where the count is kept.
        now_s: The monotonic time: the wall clock of a unit may jump.
    """

    def __init__(self, path: Path, now_s: float) -> None:
        self._path = path
        self._failures = _read(path)
        self._until_s = now_s + wait_after(self._failures)

    @property
    def failures(self) -> int:
        """Wrong codes since the last right one."""
        return self._failures

    def left_s(self, now_s: float) -> float:
        """Seconds until a code is looked at again."""
        return max(0.0, self._until_s - now_s)

    def count(self, now_s: float) -> None:
        """Count a try as wrong, before it is known whether it is: a power cut in between saves no try.

        Raises:
            OSError: It could not be kept; then no code may be looked at.
        """
        self._write(self._failures + 1)
        self._until_s = now_s + wait_after(self._failures)

    def forgive(self) -> None:
        """It was right.

        Raises:
            OSError: It could not be kept.
        """
        self._write(0)
        self._until_s = float("-inf")

    def _write(self, failures: int) -> None:
        replace_file(self._path, json.dumps({"version": 1, "failures": failures}))
        self._failures = failures


def _read(path: Path) -> int:
    try:
        return max(0, int(json.loads(path.read_text("ascii"))["failures"]))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError):
        return _MOST
