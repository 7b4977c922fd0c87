"""Signed reports, checked as any JOSE library would."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from agent.protocol.events import PublicKey


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verified(jws: str, key: PublicKey) -> Any:
    """The payload, checked as any JOSE library would."""
    head, payload, signature = jws.split(".")
    public = Ed25519PublicKey.from_public_bytes(decoded(key.x))
    public.verify(decoded(signature), f"{head}.{payload}".encode())
    assert json.loads(decoded(head)) == {"alg": "EdDSA", "kid": key.kid}
    return json.loads(decoded(payload))
