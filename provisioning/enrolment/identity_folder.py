"""A device's identity on its disk: keys that were made here, and their certificates.

::

    identity/
      authority.crt          the pinned authority, or several
      enrolment.json         the EST server, if there is one
      next.key, next.csr     a key that waits for its certificate; next.unit says on which unit it was made
      pairs/3/device.key     a key with its certificate: written whole, then named
      pairs/3/device.crt
      pairs/3/unit
      current -> pairs/3     switched last, by one rename

``site.toml`` names ``identity/current/device.crt`` and ``identity/current/device.key``. A power cut at any moment
leaves the old pair or the new one; what was half written is removed by the next command.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from drivers.disk import READABLE, make_folder, replace_file, sync_folder, sync_tree
from drivers.files.wiping import wipe
from provisioning.enrolment import requests, trust
from provisioning.enrolment.trust import TrustError
from wording.messages import said, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provisioning.enrolment.names import DeviceName

FOLDER = "identity"
"""Beside ``site.toml``, unless said otherwise."""
AUTHORITY, SETTINGS, CURRENT, PAIRS = "authority.crt", "enrolment.json", "current", "pairs"
NEXT_KEY, NEXT_REQUEST, NEXT_UNIT = "next.key", "next.csr", "next.unit"
_NEXT = (NEXT_KEY, NEXT_REQUEST, NEXT_UNIT)
KEY, CERTIFICATE, UNIT = "device.key", "device.crt", "unit"
GROUP_READS, FOLDER_MODE = 0o640, 0o750
"""The agent's group reads its key; nobody else does."""


class IdentityError(ValueError):
    """The identity cannot be used, made or installed; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its certificate.

    Attributes:
        chain: The device's certificate, then those between it and the authority.
        unit: On which unit the key was made; None: it is not known.
    """

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]
    unit: str | None

    @property
    def certificate(self) -> x509.Certificate:
        """The device's own."""
        return self.chain[0]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Where certificates come from, beside stick and hand.

    Attributes:
        server: The EST server's address, ``https://HOST[:PORT]/.well-known/est[/LABEL]``.
    """

    server: str


class IdentityFolder:
    """The folder of one device.

    Args:
        path: The folder; it need not be there.
        unit: Which unit this is; None: it cannot be known.
    """

    def __init__(self, path: Path, unit: str | None) -> None:
        self.path, self._unit = path, unit

    @property
    def certificate_file(self) -> Path:
        """As ``site.toml`` names it."""
        return self.path / CURRENT / CERTIFICATE

    @property
    def key_file(self) -> Path:
        """As ``site.toml`` names it."""
        return self.path / CURRENT / KEY

    @property
    def authority_file(self) -> Path:
        """The pinned authorities."""
        return self.path / AUTHORITY

    @property
    def request_file(self) -> Path:
        """The request that waits for its certificate."""
        return self.path / NEXT_REQUEST

    def pin(self, source: Path) -> None:
        """Take over the authorities of a file as those that are trusted.

        Raises:
            TrustError: It holds none.
            OSError: It cannot be written.
        """
        found = trust.pinned(source)
        content = b"".join(each.public_bytes(Encoding.PEM) for each in found)
        self._make()
        replace_file(self.authority_file, content, mode=READABLE)

    def authorities(self) -> list[x509.Certificate]:
        """The pinned authorities.

        Raises:
            IdentityError: There are none.
        """
        try:
            return trust.pinned(self.authority_file)
        except TrustError as error:
            raise IdentityError(
                said(
                    "{fault}. Name the authority that issues this device's certificates: --authority"
                    " ca.crt",
                    fault=text_of(error),
                )
            ) from error

    def remember(self, enrolment: Enrolment) -> None:
        """Keep where certificates come from.

        Raises:
            OSError: It cannot be written.
        """
        self._make()
        self._write(SETTINGS, json.dumps({"server": enrolment.server}, indent=2) + "\n")

    def enrolment(self) -> Enrolment | None:
        """Where certificates come from; None: by stick and hand."""
        try:
            told = json.loads((self.path / SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        server = told.get("server") if isinstance(told, dict) else None
        return Enrolment(server) if isinstance(server, str) else None

    def current(self) -> Pair | None:
        """The pair in use; None: there is none.

        Raises:
            IdentityError: It cannot be read.
        """
        if not self.certificate_file.exists():
            return None
        unit = _text(self.path / CURRENT / UNIT)
        try:
            chain = trust.certificates_in(self.certificate_file.read_bytes())
        except (TrustError, OSError) as error:
            raise IdentityError(
                said("{file}: {fault}", file=self.certificate_file, fault=text_of(error))
            ) from error
        return Pair(_key_in(self.key_file), tuple(chain), unit)

    def is_foreign(self, unit: str | None) -> bool:
        """Whether a key was made on another unit than this one; what is not known is not."""
        return unit is not None and self._unit is not None and unit != self._unit

    def next_key(self) -> ec.EllipticCurvePrivateKey | None:
        """The key that waits for its certificate; None: there is none, or it was made on another unit."""
        path = self.path / NEXT_KEY
        if not path.exists() or self.is_foreign(_text(self.path / NEXT_UNIT)):
            return None
        return _key_in(path)

    def make_request(self, name: DeviceName, like: x509.Certificate | None = None) -> Path:
        """Make a key where none waits, and a request with it. The key never leaves this folder.

        Args:
            name: The device.
            like: A certificate to be renewed: its subject and names are asked for again (RFC 7030, 4.2.2).

        Raises:
            OSError: It cannot be written.
        """
        self._make()
        self._tidy()
        key = self.next_key()
        if key is None:
            key = ec.generate_private_key(ec.SECP256R1())
            packed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            self._write(NEXT_UNIT, self._unit or "")
            self._write(NEXT_KEY, packed)
        request = requests.make(name, key) if like is None else requests.make_like(like, key)
        self._write(NEXT_REQUEST, request.public_bytes(Encoding.PEM))
        return self.request_file

    def install(self, chain: Sequence[x509.Certificate]) -> None:
        """Put the waiting key and its certificate in use; the old pair stays beside, if it is of this unit.

        Args:
            chain: Checked already, see :mod:`provisioning.enrolment.checks`.

        Raises:
            OSError: It cannot be written; the old pair is in use.
        """
        self._tidy()
        foreign = self.is_foreign(_text(self.path / CURRENT / UNIT))
        before = None if foreign else self._in_use()
        number = 1 + max((int(each.name) for each in self._pairs()), default=0)
        pairs = self.path / PAIRS
        self._make_folder(pairs)
        half = pairs / f"{number}.part"
        self._make_folder(half)
        certificates = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
        self._write(half / KEY, (self.path / NEXT_KEY).read_bytes())
        self._write(half / CERTIFICATE, certificates)
        self._write(half / UNIT, _text(self.path / NEXT_UNIT) or "")
        sync_tree(half)
        half.rename(pairs / str(number))
        sync_folder(pairs)
        self._switch(number)
        for name in _NEXT:
            wipe(self.path / name)
        for each in self._pairs():
            if each.name not in {str(number), before}:
                _wipe_folder(each)

    def secrets(self) -> list[Path]:
        """Keys, certificates and the link to them, for whoever wipes the device; authorities are no secret."""
        found = [*(self.path / PAIRS).rglob("*"), *(self.path / name for name in _NEXT)]
        if (link := self.path / CURRENT).is_symlink():
            found.insert(0, link)
        return [each for each in found if each.is_symlink() or each.is_file()]

    def _switch(self, number: int) -> None:
        """One rename: before it the old pair is in use, after it the new one."""
        half = self.path / f"{CURRENT}.part"
        half.unlink(missing_ok=True)
        half.symlink_to(Path(PAIRS) / str(number))
        half.replace(self.path / CURRENT)
        sync_folder(self.path)

    def _in_use(self) -> str | None:
        link = self.path / CURRENT
        return link.readlink().name if link.is_symlink() else None

    def _pairs(self) -> list[Path]:
        folder = self.path / PAIRS
        if not folder.is_dir():
            return []
        return [each for each in folder.iterdir() if each.name.isdecimal()]

    def _tidy(self) -> None:
        """Remove what a power cut left half written."""
        for each in self.path.rglob("*.part"):
            if each.is_dir() and not each.is_symlink():
                _wipe_folder(each)
            else:
                wipe(each)
        newest = self._in_use()
        for each in self._pairs():  # named, and never switched to
            if newest is not None and int(each.name) > int(newest):
                _wipe_folder(each)

    def _make(self) -> None:
        self._make_folder(self.path)

    def _make_folder(self, path: Path) -> None:
        if path.is_dir():
            return
        make_folder(path, mode=FOLDER_MODE)
        self._give_to_group(path)

    def _write(self, name: str | Path, content: str | bytes) -> None:
        path = self.path / name
        # Root's group in between: the agent's user reads it when it is whole.
        replace_file(path, content, mode=GROUP_READS)
        self._give_to_group(path)

    def _give_to_group(self, path: Path) -> None:
        """Let the group read that reads the site: the agent's."""
        group = self.path.parent.stat().st_gid
        if path.stat().st_gid != group:
            os.chown(path, -1, group)


def _key_in(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = cast("Any", load_pem_private_key(path.read_bytes(), None))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityError(
            said(
                "{file} cannot be read as a private key: make a new one (`kerbwatch identity request`)",
                file=path,
            )
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityError(said("{file} is not a key that was made here (EC P-256)", file=path))
    return key


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None


def _wipe_folder(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            wipe(path)
    shutil.rmtree(folder, ignore_errors=True)
