"""Certificate requests (PKCS#10, RFC 2986): made on a device, and read without trust where they are signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.identity.pem import labels
from drivers.files.small_files import UnreadableError, content_of
from provisioning.enrolment.names import BadNameError, DeviceName, common_name, device_name
from provisioning.enrolment.profiles import is_strong
from provisioning.enrolment.trust import UNREADABLE, as_it_stands
from wording.messages import Said, said, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
    )

MAX_BYTES = 20_000
"""A request with an RSA key of 8192 bits has 3 kB."""


class RequestError(ValueError):
    """A request is not signed; the text says why.

    Attributes:
        faults: Every one.
    """

    def __init__(self, faults: list[Said]) -> None:
        super().__init__(said("{faults}", faults=faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Request:
    """What is taken over from a request: who asks, and with which key. Nothing else in it counts."""

    common_name: str
    names: tuple[str, ...]
    key: CertificatePublicKeyTypes

    @property
    def key_fingerprint(self) -> str:
        """SHA-256 of the public key, in lower-case hexadecimal."""
        return key_fingerprint(self.key)

    def device(self) -> DeviceName:
        """The device that asks.

        Raises:
            RequestError: Its CN is no device's name.
        """
        try:
            return device_name(self.common_name)
        except BadNameError as error:
            raise RequestError([said("its CN: {fault}", fault=text_of(error))]) from error


def key_fingerprint(key: CertificatePublicKeyTypes) -> str:
    """SHA-256 of a public key (its SubjectPublicKeyInfo), in lower-case hexadecimal."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def make(name: DeviceName, key: CertificateIssuerPrivateKeyTypes) -> x509.CertificateSigningRequest:
    """A device's request: its name as CN and URI, signed with the key that it is for."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name.uri)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name.subject())
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256())


def make_like(
    certificate: x509.Certificate, key: CertificateIssuerPrivateKeyTypes
) -> x509.CertificateSigningRequest:
    """A request for another certificate of the same subject and names (RFC 7030, 4.2.2), with another key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(certificate.subject)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = builder.add_extension(names.value, names.critical)
    except x509.ExtensionNotFound:
        pass
    return builder.sign(key, hashes.SHA256())


def read(path: Path) -> Request:
    """Read a request from a file.

    Raises:
        RequestError: It is none, or cannot be signed; with every fault.
    """
    try:
        content = content_of(path)
    except UnreadableError as error:
        raise RequestError([said("{fault}", fault=text_of(error))]) from error
    return parsed(content)


def parsed(content: bytes) -> Request:
    """Read a request, PEM or DER.

    Raises:
        RequestError: It is none, or cannot be signed; with every fault.
    """
    if len(content) > MAX_BYTES:
        raise RequestError([said("it is larger than any certificate request")])
    found = labels(content)
    if any(label.endswith("PRIVATE KEY") for label in found):
        raise RequestError(
            [said("it holds a private key, which must not leave the device: bring the .csr file")]
        )
    if "CERTIFICATE" in found:
        raise RequestError([said("it is a certificate, and no certificate request (CSR)")])
    try:
        load = x509.load_pem_x509_csr if found else x509.load_der_x509_csr
        with as_it_stands():
            return _checked(load(content))
    except RequestError:
        raise
    except UNREADABLE as error:
        raise RequestError([said("it is no certificate request (CSR), or damaged")]) from error


def _checked(request: x509.CertificateSigningRequest) -> Request:
    faults: list[Said] = []
    if not request.is_signature_valid:
        faults.append(said("its signature is wrong: who asks does not hold the key"))
    key = request.public_key()
    if not is_strong(key):
        faults.append(said("its key is too weak, or of a kind that TLS does not take: EC P-256"))
    names: tuple[str, ...] = ()
    try:
        wanted = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(
            str(each.value) for each in wanted if isinstance(each, x509.DNSName | x509.IPAddress)
        )
    except x509.ExtensionNotFound:
        pass
    if faults:
        raise RequestError(faults)
    return Request(common_name(request.subject), names, key)
