"""Waiting for what is bound to happen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


PATIENCE_S = 240.0
"""So long is waited for what is bound to happen: for one that hangs, and never for one that is slow."""


def wait_until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait for something that is bound to happen; how long it takes decides nothing."""
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.01)
