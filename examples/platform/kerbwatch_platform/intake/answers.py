"""What devices answer to orders, and whether they are connected."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.intake.quarantine import readable

if TYPE_CHECKING:
    import psycopg

LARGEST_BYTES = 65_536
_AGAIN = frozenset(
    {
        "allowance_spent",
        "clock_unsure",
        "not_ready",
        "not_stored",
        "on_trial",
        "rate_limited",
    }
)
"""Codes after which the very same may be sent again (docs/platform/commands.md): every other one is the last word."""
AGAIN_S, AGAIN_MOST_S = 300.0, 3600.0
_ANSWERED = """
UPDATE outgoing SET answer = %(answer)s,
  answered_at = CASE WHEN %(final)s THEN now() END,
  next_at = now() + make_interval(secs => %(wait_s)s)
WHERE order_id = %(order_id)s AND (tenant, device) = (%(tenant)s, %(device)s) AND answered_at IS NULL
"""
_ONLINE = """
INSERT INTO device_state (tenant, device, online, session_id, epoch) VALUES (%s, %s, true, %s, %s)
ON CONFLICT (tenant, device) DO UPDATE
SET online = true, session_id = excluded.session_id, epoch = excluded.epoch, heard_at = now()
"""
_OFFLINE = """
UPDATE device_state SET online = false, heard_at = now()
WHERE (tenant, device, session_id) = (%s, %s, %s)
"""


def answered(connection: psycopg.Connection[Any], tenant: str, device: str, payload: bytes) -> None:
    """Note an answer beside the order that it is for; one that is for none of ours changes nothing.

    Raises:
        ValueError: It cannot be read.
    """
    told = _object(payload)
    try:
        order_id = uuid.UUID(str(told.get("command_id")))
    except ValueError:
        return  # somebody else's: ours are UUIDs
    code = told.get("code")
    final = code not in _AGAIN if isinstance(code, str) else True
    values = {
        "answer": json.dumps(_kept(told)),
        "final": final,
        "wait_s": AGAIN_S if final else _wait_s(told.get("allowed")),
        "order_id": order_id,
        "tenant": tenant,
        "device": device,
    }
    connection.execute(_ANSWERED, values)


def connected(
    connection: psycopg.Connection[Any], tenant: str, device: str, payload: bytes
) -> None:
    """Note whether a device is connected. A will is believed only of the connection that is the newest.

    Raises:
        ValueError: It cannot be read.
    """
    told = _object(payload)
    session, online, epoch = told.get("session_id"), told.get("online"), told.get("epoch")
    if not isinstance(session, str) or not isinstance(online, bool):
        raise ValueError("no state: session_id or online is missing")  # noqa: TRY004 - of what came
    named = readable(session, 64)
    if online:
        known = readable(epoch, 64) if isinstance(epoch, str) else None
        connection.execute(_ONLINE, (tenant, device, named, known))
    else:
        connection.execute(_OFFLINE, (tenant, device, named))


def _object(payload: bytes) -> dict[str, Any]:
    if len(payload) > LARGEST_BYTES:
        raise ValueError(f"more than {LARGEST_BYTES} bytes")
    try:
        told = json.loads(payload)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(told, dict):
        raise ValueError("no object")  # noqa: TRY004 - of what came
    return told


def _kept(told: dict[str, Any]) -> dict[str, Any]:
    """What of an answer is kept: the contract's plain fields, as text that a database takes."""
    kept: dict[str, Any] = {}
    for name in ("status", "code", "reason", "command_id"):
        value = told.get(name)
        kept[name] = readable(value, 900) if isinstance(value, str) else None
    count = told.get("count")
    kept["count"] = count if type(count) is int and 0 <= count < 2**53 else None
    return kept


def _wait_s(allowed: object) -> float:
    told = allowed.get("wait_s") if isinstance(allowed, dict) else None
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told < AGAIN_MOST_S:
        return AGAIN_S
    return float(told)
