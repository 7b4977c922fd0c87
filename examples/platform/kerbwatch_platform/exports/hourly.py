"""Every hour each system is told what is due, also where nobody runs ``webhooks``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerbwatch_platform import store
from kerbwatch_platform.exports.webhooks import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from kerbwatch_platform.settings import Settings


def webhooks(settings: Settings) -> str | None:
    """Tell all of them; one that fails keeps no other."""
    lines = []
    with store.connect(settings.database) as connection:
        for hook in settings.webhooks:
            try:
                told = tell(connection, hook)
            except (OSError, ValueError) as error:
                lines.append(f"{hook.name}: {error}")
                continue
            if told.delivered or told.failed or told.given_up:
                lines.append(
                    f"{hook.name}: {told.delivered} told, {told.waiting} waiting,"
                    f" {told.given_up} given up, {told.failed or 'no fault'}"
                )
    return "; ".join(lines) or None


JOBS: dict[str, Callable[[Settings], str | None]] = {"webhooks": webhooks}
