"""Orders to devices: whoever wants something of a device puts it here; the workers send it until it is answered."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

HOURS = 24.0
"""How long an order is sent again where nobody says otherwise."""
_ORDER = """
INSERT INTO outgoing (order_id, tenant, device, command, role, signed_jws, by_account, not_before, next_at, not_after)
SELECT %s, %s, %s, %s, %s, %s, %s, at, at, at + make_interval(secs => %s)
FROM (SELECT now() + make_interval(secs => %s) AS at) AS begun ON CONFLICT (order_id) DO NOTHING
"""


def order(
    connection: psycopg.Connection[Any],
    tenant: str,
    device: str,
    command: dict[str, Any],
    *,
    by: str,
    signed: str | None = None,
    role: str | None = None,
    hours: float = HOURS,
    after_s: float = 0.0,
) -> str:
    """Put an order down, in the caller's transaction; sent within a second of its commit, or of ``after_s``.

    Args:
        connection: The database.
        tenant: Whose device it is.
        device: Which.
        command: What is asked, by the contract (docs/platform/commands.md); ``contract`` and ``command_id`` are
            added where it has none. The same ``command_id`` twice is one order.
        by: The account that ordered it, or the part of the platform that did by itself.
        signed: The same command as a compact JWS, where it has to be signed; ``command`` then has the
            ``command_id`` that was signed.
        role: Of the key that signed.
        hours: How long it is sent again while no answer comes.
        after_s: How long it waits before it is sent at all, and can still be recalled.

    Returns:
        The ``command_id``.

    Raises:
        ValueError: Its ``command_id`` is no UUID, or what is signed has none beside it.
    """
    if signed is not None and "command_id" not in command:
        raise ValueError("what is signed has a command_id: say which")
    order_id = uuid.UUID(str(command["command_id"])) if "command_id" in command else uuid.uuid4()
    whole = {"contract": 2, "command_id": str(order_id)} | command
    values = (order_id, tenant, device, json.dumps(whole), role, signed, by, hours * 3600, after_s)
    connection.execute(_ORDER, values)
    return str(order_id)


def recall(connection: psycopg.Connection[Any], order_id: str) -> bool:
    """Take back an order that was never sent, in the caller's transaction; whether there was one."""
    query = "DELETE FROM outgoing WHERE order_id = %s AND sent_at IS NULL"
    return connection.execute(query, (order_id,)).rowcount > 0
