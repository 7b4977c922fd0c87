"""What a worker looks after beside its messages: limits that were passed, and dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerbwatch_platform.intake import quarantine
from kerbwatch_platform.store import orders

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from kerbwatch_platform.intake.limits import Over
    from kerbwatch_platform.settings import Limits
    from kerbwatch_platform.transports import Transport

Device = tuple[str, str]
PACE_EVERY_S = 600.0
_AT_A_TIME = 50
_OVER = """
INSERT INTO over_limit (tenant, device, hour, messages, bytes)
VALUES (%s, %s, date_trunc('hour', now()), %s, %s)
ON CONFLICT (tenant, device, hour) DO UPDATE
SET messages = over_limit.messages + excluded.messages, bytes = over_limit.bytes + excluded.bytes
"""
_PACED = """
SELECT 1 FROM outgoing WHERE (tenant, device) = (%s, %s) AND command->>'command' = 'pace'
  AND created_at > now() - make_interval(secs => %s) LIMIT 1
"""


def note_limits(
    connection: psycopg.Connection[Any], limits: Limits, over: Mapping[Device, Over]
) -> None:
    """Note what was beyond the limits, and ask the device to go slower: the contract has a word for that."""
    for (tenant, device), told in sorted(over.items()):
        with connection.transaction():
            connection.execute(_OVER, (tenant, device, *told))
            paced = connection.execute(_PACED, (tenant, device, PACE_EVERY_S)).fetchone()
            if device and paced is None:
                slower = {
                    "command": "pace",
                    "backlog_events_per_s": max(0.1, limits.messages_per_s / 2),
                }
                orders.order(connection, tenant, device, slower, by="platform", hours=1)


def keep_dead_letters(
    connection: psycopg.Connection[Any], transport: Transport, prefix: str
) -> None:
    """Put what the broker gave up into quarantine, where a person sees it; unread, for workers died with it."""
    for delivery in transport.dead_letters(_AT_A_TIME):
        why = "the broker gave it up: workers took it and did not come back, or rejected it"
        with connection.transaction():
            quarantine.put(connection, prefix, delivery.message, "dead_letter", why)
        transport.settle([delivery])
