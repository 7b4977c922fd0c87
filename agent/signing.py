"""The device's own key: made here at first need, and never leaves.

Ed25519 (RFC 8032). What is signed goes out as a JSON Web Signature (RFC 7515, compact; RFC 8037),
which any JOSE library verifies with the public key of the device's birth.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from agent.events import PublicKey
from drivers.disk import sync_folder
from drivers.wording import said

if TYPE_CHECKING:
    from pathlib import Path

FILE = "signing.key"


class SigningError(OSError):
    """The key cannot be read, or is none."""


class Signer:
    """Signs with the key in a folder; makes one if there is none.

    Args:
        folder: It is kept there, readable by its owner alone.

    Raises:
        SigningError: What is there is no key.
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        self._key = _read(path) if path.exists() else _make(path)
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = _base64(raw)
        # The thumbprint of RFC 7638: the members in this order, without spaces.
        digest = hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest()
        self.public = PublicKey(kid=_base64(digest), x=x)

    def sign(self, payload: Any) -> str:
        """A compact JSON Web Signature of a JSON value."""
        header = {"alg": "EdDSA", "kid": self.public.kid}
        text = ".".join(_base64(_json(part)) for part in (header, payload))
        return f"{text}.{_base64(self._key.sign(text.encode()))}"


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SigningError(said("{file}: not a private key", file=path.name)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(said("{file}: not an Ed25519 key", file=path.name))
    return key


def _make(path: Path) -> Ed25519PrivateKey:
    """Written whole under another name, then renamed: a power cut leaves no half key."""
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    half.replace(path)
    sync_folder(path.parent)
    return key


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
