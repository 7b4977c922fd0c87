"""Whether a certificate is of a pinned authority: the chain, by the verifier of ``cryptography``."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from agent.identity.pem import is_der_certificate, labels
from drivers.files.small_files import UnreadableError, content_of
from wording.messages import said, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509.verification import Policy

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What ``cryptography`` raises of a certificate or request of a stranger's making."""
MAX_CHAIN = 8
"""Certificates in one answer or file."""


@contextmanager
def as_it_stands() -> Iterator[None]:
    """Read what breaks RFC 5280 in small things (such as a serial number of 0) without a word on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


class TrustError(ValueError):
    """Certificates cannot be read, or are not trusted; the text says why."""


def certificates_in(content: bytes) -> list[x509.Certificate]:
    """The certificates of a file, PEM or DER, in their order.

    Raises:
        TrustError: There are none, too many, or one is damaged.
    """
    try:
        with as_it_stands():
            found = _read(content)
    except UNREADABLE as error:
        raise TrustError(
            said("it holds no certificate that can be read (PEM), or is damaged")
        ) from error
    if len(found) > MAX_CHAIN:
        raise TrustError(said("it holds more than {most} certificates", most=MAX_CHAIN))
    return found


def _read(content: bytes) -> list[x509.Certificate]:
    if not labels(content) and is_der_certificate(content):
        found = [x509.load_der_x509_certificate(content)]
    else:
        found = x509.load_pem_x509_certificates(content)
    for each in found:
        each.public_key()  # of a kind that is known
        each.extensions  # noqa: B018 - read only now, and they may be damaged
    return found


def pinned(path: Path) -> list[x509.Certificate]:
    """The authorities of a file.

    Raises:
        TrustError: It cannot be read, or one in it is no authority.
    """
    try:
        found = certificates_in(content_of(path))
    except (UnreadableError, TrustError) as error:
        raise TrustError(said("{file}: {fault}", file=path, fault=text_of(error))) from error
    for each in found:
        if not _is_authority(each):
            raise TrustError(
                said(
                    "{file}: {name} is no authority (CA:TRUE)",
                    file=path,
                    name=each.subject.rfc4514_string(),
                )
            )
    return found


def path_of(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    moment: datetime,
) -> list[x509.Certificate]:
    """The chain from a client's certificate to one of the authorities, which is its last.

    Args:
        leaf: The certificate.
        others: What came with it: intermediate authorities, in any order.
        authorities: Those that are trusted.
        moment: When dates are looked at.

    Raises:
        TrustError: There is none.
    """
    # A city's authority may issue clients' certificates without a subjectAltName, or lack formalities of
    # its own (decision 0045). What makes an authority one is asked for.
    lenient = ExtensionPolicy.permit_all()
    authority = lenient.require_present(
        x509.BasicConstraints, Criticality.AGNOSTIC, _must_be_authority
    )
    builder = (
        PolicyBuilder()
        .store(Store(list(authorities)))
        .time(moment)
        .extension_policies(ca_policy=authority, ee_policy=lenient)
    )
    try:
        return list(builder.build_client_verifier().verify(leaf, list(others)).chain)
    except VerificationError as error:
        raise TrustError(
            said(
                "it does not lead to the pinned authority ({ours}): it was issued by {issuer}, or a"
                " certificate between them is missing or has ended",
                ours=[each.subject.rfc4514_string() for each in authorities],
                issuer=leaf.issuer.rfc4514_string(),
            )
        ) from error


def _must_be_authority(
    _policy: Policy, _certificate: x509.Certificate, basic: x509.BasicConstraints | None
) -> None:
    if basic is None or not basic.ca:
        raise ValueError


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1
