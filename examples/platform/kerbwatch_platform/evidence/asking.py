"""Asks devices for pictures: one of a case, or what a camera sees now. Each is signed, with a reason (role ``evidence``)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.evidence import places, signing
from kerbwatch_platform.evidence.keeping import Own
from kerbwatch_platform.store import orders

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

ROLE = "evidence"
HOURS = 24.0
"""A device that is off for longer is asked again by a person."""


def ask(
    connection: psycopg.Connection,
    settings: Settings,
    own: Own,
    case_id: str,
    *,
    reason: str,
    by: str,
    over_https: bool = False,
) -> str:
    """Ask for a redacted picture of a case.

    Args:
        connection: To the store; the order is put down in its transaction.
        settings: Where the key is, and where devices put pictures.
        own: The picture, as a manifest names it.
        case_id: Its case.
        reason: What it is needed for; it is recorded here and on the device.
        by: The account that asks.
        over_https: Have it put to a one-time place; the device's site has to name the host. Else it comes in pieces.

    Returns:
        The order's id.

    Raises:
        OSError: The key cannot be read.
        ValueError: There is no place for uploads, or the key is none.
    """
    told: dict[str, Any] = {"command": "picture", "case_id": case_id, "sha256": own.sha256}
    with connection.transaction():
        if over_https:
            told["put"] = places.open_place(connection, settings, own, case_id, hours=HOURS)
        return _order(connection, settings, own.tenant, own.device, told, reason=reason, by=by)


def ask_for_snapshot(
    connection: psycopg.Connection,
    settings: Settings,
    tenant: str,
    device: str,
    camera_id: str,
    *,
    reason: str,
    by: str,
) -> str:
    """Ask what a camera sees now, redacted; ``evidence.snapshot`` says what became of it.

    Raises:
        OSError: The key cannot be read.
        ValueError: It is none.
    """
    told = {"command": "snapshot", "camera_id": camera_id}
    return _order(connection, settings, tenant, device, told, reason=reason, by=by)


def _order(
    connection: psycopg.Connection,
    settings: Settings,
    tenant: str,
    device: str,
    told: dict[str, Any],
    *,
    reason: str,
    by: str,
) -> str:
    whole = {"contract": 2, "command_id": str(uuid.uuid4()), **told, "reason": reason}
    key = signing.key(settings.signing_key_file)
    signed = signing.sign_order(key, tenant, device, whole, HOURS)
    # People read what was asked; where it is to be put only the device has to know.
    shown = {name: value for name, value in whole.items() if name != "put"}
    return orders.order(
        connection, tenant, device, shown, by=by, signed=signed, role=ROLE, hours=HOURS
    )
