"""Verifies compact JSON Web Signatures with Ed25519 keys; see :mod:`agent.protocol.signed`.

The library costs 21 MiB of memory: it is imported when something is verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.protocol.signed import Parts, decoded, parts_of

if TYPE_CHECKING:
    from agent.protocol.events import PublicKey


class NotVerifiedError(ValueError):
    """The signature is of another key, or of something else."""


def verified(jws: str, key: PublicKey) -> bytes:
    """The payload of a compact signature that this key made.

    Raises:
        JwsError: It is no compact signature.
        NotVerifiedError: This key did not make it.
    """
    parts = parts_of(jws)
    if parts.kid not in {None, key.kid}:
        raise NotVerifiedError("the header names another key")
    verify(parts, key)
    return parts.payload


def verify(parts: Parts, key: PublicKey) -> None:
    """Verify what was taken apart.

    Raises:
        NotVerifiedError: This key did not make it.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    public = Ed25519PublicKey.from_public_bytes(decoded(key.x))
    try:
        public.verify(parts.signature, parts.covered)
    except InvalidSignature as error:
        raise NotVerifiedError("the signature does not hold") from error
