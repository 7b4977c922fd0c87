"""Files of certificates and keys: what is in them instead of what should be, and what to do about it.

OpenSSL says of almost any wrong file the same ("PEM lib"). What the file looks like is asked here, once it has
been refused; the library that reads certificates is loaded only then, too (21 MiB).
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from drivers.files.small_files import SAVED_AS_UTF_16, UnreadableError, content_of, is_utf_16
from wording.messages import Said, said

if TYPE_CHECKING:
    from pathlib import Path

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_END = re.compile(rb"-----END ([A-Z0-9 ]+)-----")
_ENCRYPTED_KEY_OID = bytes.fromhex("2a864886f70d01050d")
_PKCS7_OID = bytes.fromhex("2a864886f70d010702")


class CertificateError(ValueError):
    """Certificates, key or password cannot be used; the text says which file, why, and what to do.

    Attributes:
        absent: The file is not there.
    """

    def __init__(self, text: Said, *, absent: bool = False) -> None:
        super().__init__(text)
        self.absent = absent


def read(setting: str, path: Path) -> bytes:
    """What a file holds that a setting names.

    Raises:
        CertificateError: It cannot be read.
    """
    try:
        return content_of(path)
    except UnreadableError as error:
        raise named(setting, path, error) from error


def named(setting: str, path: Path, fault: Said | UnreadableError) -> CertificateError:
    """An error that says which file it is about."""
    return CertificateError(
        said("{setting} {file}: {fault}", setting=setting, file=path, fault=fault),
        absent=isinstance(fault, UnreadableError) and fault.absent,
    )


def labels(content: bytes) -> set[str]:
    """What the blocks of a PEM file are, such as ``CERTIFICATE``."""
    return {label.decode() for label in _BEGIN.findall(content)}


def is_der_certificate(content: bytes) -> bool:
    """Whether it is one or several certificates in DER."""
    if not content.startswith(b"\x30"):
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content)
    except ssl.SSLError:
        return False
    return True


def holds_certificate(content: bytes) -> bool:
    """Whether there is a certificate in it."""
    return any(label.endswith("CERTIFICATE") for label in labels(content))


def holds_key(content: bytes) -> bool:
    """Whether there is a private key in it, under whatever name."""
    return any(label.endswith("PRIVATE KEY") for label in labels(content))


def fault_of_certificates(path: Path, content: bytes) -> Said:
    """Why a file has no certificate that can be used."""
    found = labels(content)
    if fault := _of_form(path, content, found):
        return fault
    if holds_certificate(content):
        return said("a certificate in it is damaged: copy the file again")
    if holds_key(content):
        return said("it holds a private key, and no certificate: name the certificate's file")
    if any(label.endswith("CERTIFICATE REQUEST") for label in found):
        return said(
            "it is a certificate request (CSR): use the certificate that the authority issued "
            "for it"
        )
    if "PKCS7" in found:
        return said(
            "it is PKCS#7; extract the certificates: openssl pkcs7 -print_certs -in {file} -out "
            "NEW",
            file=path.name,
        )
    return said("it holds no certificate, but {found}", found=sorted(found))


def fault_of_key(path: Path, content: bytes) -> Said:
    """Why a file has no private key that can be used."""
    found = labels(content)
    if fault := _of_form(path, content, found):
        return fault
    if "OPENSSH PRIVATE KEY" in found:
        return said("it is a key for SSH: name the key that belongs to the certificate")
    if holds_key(content):
        return said("the key in it is damaged: copy the file again")
    if holds_certificate(content):
        return said("it holds a certificate, and no private key: name the key's file")
    return said("it holds no private key, but {found}", found=sorted(found))


def needs_passphrase(path: Path) -> Said:
    """That a key cannot be used without one."""
    return said(
        "the key is protected by a passphrase, which nobody can type here; remove it: openssl "
        "pkey -in {file} -out NEW, and let only the agent's user read it",
        file=path.name,
    )


def place_of_key(certificates: bytes, key: bytes) -> int | None:
    """Which of several certificates belongs to a key, from 0 on; None if none does, or none can be told."""
    from cryptography import x509  # noqa: PLC0415 - 21 MiB, for what hardly ever happens
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        ours = load_pem_private_key(key, None).public_key()
        chain = x509.load_pem_x509_certificates(certificates)
        return next((n for n, each in enumerate(chain) if each.public_key() == ours), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _of_form(path: Path, content: bytes, found: set[str]) -> Said | None:
    """What is wrong with the file as such, whatever should be in it."""
    if not content.strip():
        return said("it is empty: copy the file again")
    if content.startswith(b"\x30") and not found:
        return _of_der(path, content)
    if not found:
        if is_utf_16(content):
            return SAVED_AS_UTF_16
        return said("it is not PEM: no line in it begins with -----BEGIN")
    if len(_BEGIN.findall(content)) != len(_END.findall(content)):
        return said("it is incomplete: -----END is missing; copy the file again")
    return None


def _of_der(path: Path, content: bytes) -> Said:
    if is_der_certificate(content):
        return said(
            "it is a certificate in DER; convert it to PEM: openssl x509 -inform der -in {file} "
            "-out NEW",
            file=path.name,
        )
    body = _body(content)
    if body.startswith(b"\x02\x01\x03\x30"):
        return said(
            "it is PKCS#12; extract what belongs here: openssl pkcs12 -in {file} -nokeys -out "
            "CERTIFICATE, openssl pkcs12 -in {file} -nocerts -nodes -out KEY",
            file=path.name,
        )
    if _PKCS7_OID in body[:16]:
        return said(
            "it is PKCS#7; extract the certificates: openssl pkcs7 -inform der -print_certs -in "
            "{file} -out NEW",
            file=path.name,
        )
    if body.startswith((b"\x02\x01\x00", b"\x02\x01\x01")) or _ENCRYPTED_KEY_OID in body[:32]:
        return said(
            "it is a private key in DER; convert it to PEM: openssl pkey -inform der -in {file} "
            "-out NEW",
            file=path.name,
        )
    return said("it is damaged, or neither a certificate nor a key: copy the file again")


def _body(content: bytes) -> bytes:
    """What is inside the outermost part of DER."""
    length = content[1] if len(content) > 1 else 0
    return content[2 + (length & 0x7F if length & 0x80 else 0) :]
