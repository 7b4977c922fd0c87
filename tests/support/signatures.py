"""Signed reports, read as a platform reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.identity import jws
from agent.protocol.strict_json import read_json

if TYPE_CHECKING:
    from agent.protocol.events import PublicKey


def verified(text: str, key: PublicKey) -> Any:
    """The payload, if this key signed it."""
    return read_json(jws.verified(text, key))
