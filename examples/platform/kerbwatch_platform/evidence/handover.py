"""What goes to the police of a case: one zip with everything that proves it, sealed by the platform's signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings


def handover(
    connection: psycopg.Connection,
    settings: Settings,
    tenant: str,
    device: str,
    case_id: str,
    by: str,
    reason: str,
) -> bytes:
    """A zip of a case, recorded before it is given away.

    Args:
        connection: To the store.
        settings: Where files and key are.
        tenant: Whose case it is.
        device: Which one saw it.
        case_id: The case.
        by: The account that hands it over.
        reason: To whom and what for; it stands in the seal.

    Raises:
        LookupError: No event of such a case is here.
        ValueError: ``reason`` is empty or too long.
    """
    raise NotImplementedError
