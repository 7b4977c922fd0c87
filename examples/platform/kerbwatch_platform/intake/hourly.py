"""What is looked after once an hour: gaps of every device, and marks that nobody needs any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kerbwatch_platform import store
from kerbwatch_platform.intake import attempts, gaps

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Settings

_AT_A_TIME = 500


def look_everywhere(settings: Settings) -> str | None:
    """Ask for what is missing, of every device: also of those from which nothing has come since a restart."""
    with store.connect(settings.database) as connection:
        devices = gaps.everywhere(connection)
        left = sum(
            len(gaps.look(connection, devices[begin : begin + _AT_A_TIME]))
            for begin in range(0, len(devices), _AT_A_TIME)
        )
        attempts.forget_old(connection)
    return f"{left} of {len(devices)} devices with gaps" if left else None


JOBS: dict[str, Callable[[Settings], str | None]] = {"gaps": look_everywhere}
