"""The device's own key: made here at first need, and never leaves.

Ed25519 (RFC 8032). What is signed goes out as a JSON Web Signature (RFC 7515, compact; RFC 8037),
which any JOSE library verifies with the public key of the device's birth.

The library costs 21 MiB of memory, and a device may run for years without a loss to sign: it is
imported when a key is made or used, and the public half lies beside the key to be read without it.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.protocol.events import PublicKey
from agent.protocol.signed import compact, encoded, thumbprint
from drivers.disk import make_folder, replace_file
from drivers.programs import python
from wording.known_errors import words_of
from wording.messages import said

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILE, PUBLIC_FILE = "signing.key", "signing.jwk"

_log = logging.getLogger(__name__)


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
        self._path = folder / FILE
        self._key: Ed25519PrivateKey | None = None
        if not self._path.exists():
            (folder / PUBLIC_FILE).unlink(missing_ok=True)
            _make(self._path)
        self.public = self._read_public(folder / PUBLIC_FILE)

    def _read_public(self, path: Path) -> PublicKey:
        """From its file; if there is none or it is damaged, from the key."""
        if path.exists():
            try:
                return PublicKey.model_validate_json(path.read_bytes())
            except ValidationError:
                pass  # half written, or changed by hand: the key knows
        public = _public_of(self._load())
        replace_file(path, public.model_dump_json())
        return public

    def _load(self) -> Ed25519PrivateKey:
        if self._key is None:
            self._key = _read(self._path)
        return self._key

    def sign(self, payload: Any) -> str:
        """A compact JSON Web Signature of a JSON value."""
        return compact(payload, self.public.kid, lambda covered: self._load().sign(covered))


def open_signer(folder: Path, in_memory: Path) -> Signer:
    """A signer that is there whatever happened to its key or its disk: a device must not stay blind for it.

    A key that is none is put aside, and another one is made; the next birth names it. Where the disk
    neither gives a key nor takes one, one lies in memory.

    Raises:
        OSError: Neither folder can be written.
    """
    try:
        return _open_signer(folder)
    except OSError as error:
        _log.error("%s; the key is kept in memory", words_of(error))
        return _open_signer(in_memory)


def _open_signer(folder: Path) -> Signer:
    try:
        return Signer(folder)
    except SigningError as error:
        aside = (folder / FILE).with_suffix(".damaged")
        _log.error("%s; it is kept as %s, and a new key is made", error, aside.name)
        (folder / FILE).replace(aside)
        return Signer(folder)


def _public_of(key: Ed25519PrivateKey) -> PublicKey:
    x = encoded(key.public_key().public_bytes_raw())
    return PublicKey(kid=thumbprint(x), x=x)


def _read(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SigningError(said("{file}: not a private key", file=path.name)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(said("{file}: not an Ed25519 key", file=path.name))
    return key


def _make(path: Path) -> None:
    """In a process of its own: what the library takes is given back with it."""
    make_folder(path.parent)
    try:
        done = subprocess.run(python("-m", __name__, str(path)), check=False)
    except OSError:  # no second process to be had here
        make(path)
    else:
        if done.returncode != 0:
            make(path)


def make(path: Path) -> None:
    """Make a key, and its public half beside it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    replace_file(path, content)
    replace_file(path.with_name(PUBLIC_FILE), _public_of(key).model_dump_json())


if __name__ == "__main__":
    make(Path(sys.argv[1]))
