"""What stands in the certificates that are issued here: RFC 5280, as its strictest readers want it.

Those are OpenSSL's ``-x509_strict`` (Python 3.13 by itself), the verifier of ``cryptography`` (which wants a
``subjectAltName`` in a client's certificate, too), and the TLS of Erlang under RabbitMQ and EMQX.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
    )

    from provisioning.enrolment.names import DeviceName

AUTHORITY_DAYS, DEVICE_DAYS, SERVER_DAYS, CRL_DAYS = 3650, 730, 397, 366
"""For how long each is good unless said otherwise. A broker that is given an expired CRL refuses every device."""
BACKDATED = timedelta(days=1)
"""Before now: a device's clock may be slow."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes


def now() -> datetime:
    """In whole seconds, as certificates count."""
    return datetime.now(UTC).replace(microsecond=0)


def authority(subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.Certificate:
    """A self-signed authority that issues no further authority."""
    ours = key.public_key()
    builder = _dated(_builder(subject, subject, ours), days)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
        .sign(key, hashes.SHA256())
    )


def device(
    issuer: Issuer, name: DeviceName, key: CertificatePublicKeyTypes, days: int
) -> x509.Certificate:
    """A device's certificate: CN and URI are its name, and it is good for a client alone."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name.uri)])
    return _issued(
        issuer, name.subject(), key, days, names, ExtendedKeyUsageOID.CLIENT_AUTH, _usage()
    )


def server(
    issuer: Issuer, names: Sequence[x509.GeneralName], key: CertificatePublicKeyTypes, days: int
) -> x509.Certificate:
    """A server's certificate: its CN is the first of its names, if that is short enough, and all are in the SAN."""
    first = str(names[0].value)[:64]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, first)])
    usage = _usage(enciphers=isinstance(key, rsa.RSAPublicKey))
    return _issued(
        *(issuer, subject, key, days),
        x509.SubjectAlternativeName(names),
        ExtendedKeyUsageOID.SERVER_AUTH,
        usage,
    )


def revocation_list(
    issuer: Issuer,
    number: int,
    revoked: Sequence[tuple[int, datetime, x509.ReasonFlags]],
    days: int,
) -> x509.CertificateRevocationList:
    """A CRL of version 2, with its number and the authority's key id.

    Args:
        issuer: Whose certificates they are.
        number: Greater than that of every earlier one.
        revoked: Serial number, since when, and why.
        days: Until the next one is due.
    """
    begins = now()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins - BACKDATED)
        .next_update(begins + timedelta(days=days))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_key_id_of(issuer), critical=False)
    )
    for serial, since, reason in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        if reason is not x509.ReasonFlags.unspecified:  # RFC 5280, 5.3.1: then it is left out
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256())


def is_strong(key: object) -> bool:
    """Whether a key is one that TLS at OpenSSL's level 2 takes: EC P-256, P-384, P-521, or RSA from 2048 bits on."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)
    return isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 8192


def _issued(
    issuer: Issuer,
    subject: x509.Name,
    key: CertificatePublicKeyTypes,
    days: int,
    names: x509.SubjectAlternativeName,
    purpose: x509.ObjectIdentifier,
    usage: x509.KeyUsage,
) -> x509.Certificate:
    builder = _dated(
        _builder(subject, issuer.certificate.subject, key), days, within=issuer.certificate
    )
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(_key_id_of(issuer), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issued_by: x509.Name, key: CertificatePublicKeyTypes
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issued_by)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _dated(
    builder: x509.CertificateBuilder, days: int, within: x509.Certificate | None = None
) -> x509.CertificateBuilder:
    """Valid from a little before now on, and never longer than who issues it."""
    begins, ends = now() - BACKDATED, now() + timedelta(days=days)
    if within is not None:
        begins = max(begins, within.not_valid_before_utc)
        ends = min(ends, within.not_valid_after_utc)
    return builder.not_valid_before(begins).not_valid_after(ends)


def _key_id_of(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _usage(*, signs_certificates: bool = False, enciphers: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=enciphers,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
