"""An offline certificate authority in a folder, for fleets without a PKI of the city's.

``authority.p12`` holds the key behind a passphrase (PKCS#12, PBES2 with AES-256, 600,000 rounds of PBKDF2:
``openssl pkcs12`` opens it), ``ca.crt`` is for devices and brokers, ``register.sqlite3`` says what was issued,
``ca.crl`` what was revoked.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

from drivers.disk import READABLE, make_folder, replace_file
from drivers.files.documents import unseen
from drivers.files.folder_lock import lock_folder
from drivers.files.small_files import UnreadableError, content_of
from provisioning.enrolment import profiles
from provisioning.enrolment.names import DeviceName
from provisioning.enrolment.profiles import Issuer
from provisioning.enrolment.register import REASONS, Entry, Register
from wording.messages import Said, said, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from provisioning.enrolment.requests import Request

KEY, CERTIFICATE, REGISTER, CRL = "authority.p12", "ca.crt", "register.sqlite3", "ca.crl"
SHORTEST_PASSPHRASE = 12
LONGEST_NAME = 64
"""Characters of a common name (RFC 5280, appendix A: ``ub-common-name``)."""
_ROUNDS = 600_000
"""Of PBKDF2 with SHA-256: what OWASP's password storage cheat sheet asks for."""


class AuthorityError(ValueError):
    """The authority cannot do what is asked; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A name that has a certificate already."""

    name: DeviceName
    entries: tuple[Entry, ...]


def passphrase_fault(passphrase: str) -> Said | None:
    """Why a passphrase does not protect a key; None: it does."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        return said("the passphrase needs at least {least} characters", least=SHORTEST_PASSPHRASE)
    if len(set(passphrase)) < 5:
        return said("the passphrase repeats a few characters")
    return None


def name_fault(name: str) -> Said | None:
    """Why an authority cannot be called so; None: it can."""
    if not 1 <= len(name) <= LONGEST_NAME:
        return said("an authority's name has 1 to {most} characters", most=LONGEST_NAME)
    if unseen(name) or "\n" in name or "\t" in name or "\r" in name:
        return said("the authority's name holds a character that cannot be seen: type it again")
    return None


def init(folder: Path, name: str, passphrase: str, days: int) -> x509.Certificate:
    """Make an authority, with an empty revocation list.

    Raises:
        AuthorityError: There is one already, its name is none, or the passphrase is too short.
        OSError: The folder cannot be written.
    """
    if fault := name_fault(name) or passphrase_fault(passphrase):
        raise AuthorityError(fault)
    make_folder(folder)
    with _alone(folder):
        return _made(folder, name, passphrase, days)


def _made(folder: Path, name: str, passphrase: str, days: int) -> x509.Certificate:
    # Without the certificate what is there was never used: it is written last.
    if (folder / CERTIFICATE).exists():
        raise AuthorityError(
            said(
                "{folder} holds an authority already: nothing was changed. Give another folder.",
                folder=folder,
            )
        )
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = profiles.authority(subject, key, days)
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase.encode())
    )
    packed = pkcs12.serialize_key_and_certificates(
        name.encode(), key, certificate, None, encryption
    )
    replace_file(folder / KEY, packed)
    opened = OfflineAuthority(folder, Issuer(certificate, key))
    opened.renew_crl(profiles.CRL_DAYS)
    replace_file(folder / CERTIFICATE, certificate.public_bytes(Encoding.PEM), mode=READABLE)
    return certificate


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other command is at it, and keep others from it."""
    held = lock_folder(folder, wait=True)
    try:
        yield
    finally:
        os.close(held)


def register_of(folder: Path) -> Register:
    """The register alone: it can be read without the passphrase.

    Raises:
        AuthorityError: There is no authority.
    """
    if not (folder / CERTIFICATE).is_file():
        raise AuthorityError(
            said(
                "{folder} holds no authority. Make one: `kerbwatch ca init {folder}`", folder=folder
            )
        )
    return Register(folder / REGISTER)


class OfflineAuthority:
    """An authority whose key is open.

    Args:
        folder: Where it is kept.
        issuer: Its certificate and key.
    """

    def __init__(self, folder: Path, issuer: Issuer) -> None:
        self._folder, self._issuer = folder, issuer
        self.register = Register(folder / REGISTER)

    @classmethod
    def open(cls, folder: Path, passphrase: str) -> Self:
        """Open the key.

        Raises:
            AuthorityError: There is none, the passphrase is another, or the authority has expired.
        """
        register_of(folder)
        try:
            content = content_of(folder / KEY)
        except UnreadableError as error:
            raise AuthorityError(
                said("{file}: {fault}", file=folder / KEY, fault=text_of(error))
            ) from error
        try:
            key, certificate, _ = pkcs12.load_key_and_certificates(content, passphrase.encode())
        except ValueError as error:
            raise AuthorityError(
                said("{file}: the passphrase is wrong, or the file is damaged", file=folder / KEY)
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate is None:
            raise AuthorityError(said("{file} holds no key of an authority", file=folder / KEY))
        if certificate.not_valid_after_utc < profiles.now():
            raise AuthorityError(
                said(
                    "the authority expired on {day:%Y-%m-%d}: make a new one, and give it to brokers"
                    " and devices beside the old one",
                    day=certificate.not_valid_after_utc,
                )
            )
        return cls(folder, Issuer(certificate, key))

    @property
    def certificate(self) -> x509.Certificate:
        """The authority's own."""
        return self._issuer.certificate

    def taken(self, names: Sequence[DeviceName]) -> list[Taken]:
        """Which of some devices have a valid certificate."""
        found = ((name, tuple(self.register.valid_of("device", str(name)))) for name in names)
        return [Taken(name, entries) for name, entries in found if entries]

    def sign_device(self, request: Request, days: int, *, replace: bool) -> x509.Certificate:
        """Issue a device's certificate; it is in the register before anybody has it.

        Args:
            request: Who asks.
            days: For how long; never longer than the authority.
            replace: Whether the device's earlier certificates are revoked: its unit was replaced.

        Raises:
            RequestError: Its CN is no device's name.
            sqlite3.Error: The register cannot be written.
        """
        name = request.device()
        certificate = profiles.device(self._issuer, name, request.key, days)
        earlier = [each.serial for each in self.register.valid_of("device", str(name))]
        self.register.add("device", str(name), [certificate])
        if replace:
            self.register.revoke(earlier, "replaced")
        return certificate

    def sign_server(
        self, names: Sequence[x509.GeneralName], key: CertificatePublicKeyTypes, days: int
    ) -> x509.Certificate:
        """Issue a server's certificate, such as a broker's.

        Raises:
            sqlite3.Error: The register cannot be written.
        """
        certificate = profiles.server(self._issuer, names, key, days)
        self.register.add("server", str(names[0].value), [certificate])
        return certificate

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands from the authority's folder; waits until none is at it."""
        with _alone(self._folder):
            yield

    def write_crl(self, days: int) -> Path:
        """Write the revocation list anew, one command after another: a list never lacks what an earlier one holds.

        Raises:
            OSError: It cannot be written.
        """
        with self.alone():
            return self.renew_crl(days)

    def renew_crl(self, days: int) -> Path:
        """As :meth:`write_crl`, for who has the folder alone.

        Expired certificates stay in it: brokers whose clock is slow would take them again.
        """
        revoked = [
            (each.number, each.revoked_at, REASONS[each.reason or "unspecified"])
            for each in self.register.entries()
            if each.revoked_at is not None
        ]
        number = self.register.next_crl_number()
        made = profiles.revocation_list(self._issuer, number, revoked, days)
        path = self._folder / CRL
        replace_file(path, made.public_bytes(Encoding.PEM), mode=READABLE)
        return path
