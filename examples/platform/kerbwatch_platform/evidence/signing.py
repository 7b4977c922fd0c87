"""The platform's own signature: under verdicts, orders to a device and the list of what was handed over.

One Ed25519 key in PEM. It is made at the first start, readable by the platform alone, and never leaves the file. Its
public half is what a device's site names (``reviewer``, ``evidence``) and what a receiver of a hand-over compares.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from kerbwatch_platform.contract.sign import encoded, signed

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_HOURS = 7 * 24
"""A device takes no order that expires later (docs/platform/commands.md)."""
_OWNER_ALONE = 0o600


def key(path: Path) -> Ed25519PrivateKey:
    """The platform's key; made where there is none yet.

    Of two processes that start at once one makes it, and both have the same.

    Raises:
        OSError: The file cannot be read or written.
        ValueError: It holds no Ed25519 key, or others than its owner may read it; the text says what to do.
    """
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise ValueError(
            f"{path}: others than its owner may read this key; chmod 600, or move it away so"
            " that a new one is made"
        )
    try:
        found = load_pem_private_key(path.read_bytes(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, Ed25519PrivateKey):
        raise ValueError(f"{path}: no Ed25519 key; openssl genpkey -algorithm ed25519 makes one")  # noqa: TRY004
    return found


def _make(path: Path) -> None:
    """Write a new key. It has its name only once it is whole, and takes nobody else's place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ALONE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, path)
        except FileExistsError:  # another process was faster: its key is the platform's
            return
    finally:
        unfinished.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def public_pem(key: Ed25519PrivateKey) -> str:
    """What a device's site names as an authority."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_jwk(key: Ed25519PrivateKey | Ed25519PublicKey) -> dict[str, str]:
    """The public half as a JSON Web Key (RFC 8037); ``kid`` is its thumbprint (RFC 7638)."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    told = {
        "crv": "Ed25519",
        "kty": "OKP",
        "x": encoded(public.public_bytes(Encoding.Raw, PublicFormat.Raw)),
    }
    thumbprint = sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).digest()
    return told | {"kid": encoded(thumbprint)}


def sign_order(
    key: Ed25519PrivateKey, tenant: str, device: str, command: dict[str, Any], hours: float = 24
) -> str:
    """A command to one device as a compact JWS: what the ``jws`` of an order says.

    Args:
        key: The platform's.
        tenant: Whose device it is.
        device: The one that may obey.
        command: What it is asked; ``command_id`` and ``expires_at`` are added where it has none.
        hours: For how long it holds.

    Raises:
        ValueError: It would hold for longer than any device takes.
    """
    if not 0 < hours <= LONGEST_HOURS:
        raise ValueError(f"an order holds for up to {LONGEST_HOURS} hours, not for {hours}")
    until = datetime.now(UTC) + timedelta(hours=hours)
    expiring = {"expires_at": until.isoformat(timespec="seconds")} | command
    return str(signed(_pem(key), tenant, device, expiring)["jws"])


def counter_sign(key: Ed25519PrivateKey, payload: dict[str, Any]) -> str:
    """A compact JWS (RFC 7515, EdDSA) of the platform over facts; its header names the key by ``kid``.

    ``payload`` has a ``record`` that says what it is, so that none of its signatures passes for another.

    Raises:
        ValueError: It does not say what it is.
    """
    if not isinstance(payload.get("record"), str):
        raise ValueError("what is signed says by its `record` what it is")  # noqa: TRY004
    header = {"alg": "EdDSA", "kid": public_jwk(key)["kid"]}
    head, body = (
        encoded(json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode())
        for each in (header, payload)
    )
    return f"{head}.{body}.{encoded(key.sign(f'{head}.{body}'.encode()))}"


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
