"""Every hour each system is told what is due, also where nobody runs ``webhooks``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerbwatch_platform import store
from kerbwatch_platform.exports import webhooks as systems
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from kerbwatch_platform.settings import Settings


def webhooks(settings: Settings) -> str | None:
    """Tell all of them; one that fails keeps no other."""
    lines = []
    with store.connect(settings.database) as connection:
        for hook in settings.webhooks:
            try:
                told = systems.tell(connection, hook)
            except (OSError, ValueError) as error:
                lines.append(f"{hook.name}: {error}")
                continue
            if told.delivered or told.failed or told.given_up:
                lines.append(
                    tell(
                        "{name}: {told} told, {waiting} waiting, {given_up} given up, {fault}",
                        name=hook.name,
                        told=told.delivered,
                        waiting=told.waiting,
                        given_up=told.given_up,
                        fault=told.failed or tell("no fault"),
                    )
                )
    return "; ".join(lines) or None


JOBS: dict[str, Callable[[Settings], str | None]] = {"webhooks": webhooks}
