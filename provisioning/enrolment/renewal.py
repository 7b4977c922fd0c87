"""When a certificate is renewed, and how: by EST where there is a server, else by a request that is carried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from provisioning.enrolment import checks
from provisioning.enrolment.est_client import EstClient, EstError, UnreachableError, address_of
from provisioning.enrolment.identity_folder import IdentityError
from provisioning.enrolment.trust import TrustError
from wording.messages import said, text_of

if TYPE_CHECKING:
    from datetime import datetime

    from provisioning.enrolment.est_client import Token
    from provisioning.enrolment.identity_folder import IdentityFolder, Pair
    from provisioning.enrolment.known_time import KnownTime
    from provisioning.enrolment.names import DeviceName

SHARE = 2 / 3
"""Of a certificate's life, after which it is renewed."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a certificate.

    Attributes:
        folder: Its identity.
        name: The device.
        known: What is known of the time.
    """

    folder: IdentityFolder
    name: DeviceName
    known: KnownTime


def due_from(certificate: x509.Certificate) -> datetime:
    """From when on a certificate is renewed."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begins + SHARE * (ends - begins)


def enrol(asker: Asker, server: str, token: Token) -> x509.Certificate:
    """Get the first certificate, with a token that is good once, and put it in use.

    Raises:
        EstError: The server gave none.
        IdentityError: What it gave is not this device's.
        OSError: It cannot be written.
    """
    client = EstClient(address_of(server), asker.folder.authority_file, asker.known)
    asker.folder.authorities()
    request = _request(asker, None)
    try:
        found = client.enrol(request, token)
    except EstError as error:
        if not error.refused:
            raise
        raise EstError(
            said(
                "{reason}. The token is used up, has ended, or is another device's: ask for a new one for"
                " {name}.",
                reason=text_of(error),
                name=str(asker.name),
            ),
            refused=True,
        ) from error
    return _install(asker, client, found)


def renew(asker: Asker, server: str, current: Pair) -> x509.Certificate:
    """Get the next certificate by showing the one in use, expired or not, and put it in use.

    Raises:
        EstError: The server gave none.
        IdentityError: What it gave is not this device's.
        OSError: It cannot be written.
    """
    folder = asker.folder
    shown = folder.certificate_file, folder.key_file
    client = EstClient(address_of(server), folder.authority_file, asker.known, shown)
    folder.authorities()
    request = _request(asker, current.certificate)
    try:
        found = client.re_enrol(request)
    except EstError as error:
        ended = asker.known.guess > current.certificate.not_valid_after_utc
        if error.refused or (ended and isinstance(error, UnreachableError) and error.hung_up):
            raise _not_renewed(asker, current, error, ended=ended) from error
        raise
    return _install(asker, client, found)


def _not_renewed(asker: Asker, current: Pair, error: EstError, *, ended: bool) -> EstError:
    name, reason = str(asker.name), text_of(error)
    if ended:
        text = said(
            "{reason}. The certificate ended on {day:%Y-%m-%d}. Ask the authority for a token for {name},"
            " then: `sudo kerbwatch identity enrol`",
            reason=reason,
            day=current.certificate.not_valid_after_utc,
            name=name,
        )
    else:
        text = said(
            "{reason}. The certificate may have been revoked. Ask the authority; with a token for {name}:"
            " `sudo kerbwatch identity enrol`",
            reason=reason,
            name=name,
        )
    return EstError(text, refused=True)


def _request(asker: Asker, like: x509.Certificate | None) -> x509.CertificateSigningRequest:
    path = asker.folder.make_request(asker.name, like)
    return x509.load_pem_x509_csr(path.read_bytes())


def _install(asker: Asker, client: EstClient, found: list[x509.Certificate]) -> x509.Certificate:
    """Check what a server gave; where the way to the authority has gaps, its ``/cacerts`` may fill them."""
    folder = asker.folder
    key, authorities = folder.next_key(), folder.authorities()
    try:
        chain = checks.accepted(found, key, asker.name, authorities, asker.known)
    except IdentityError:
        try:
            more = client.authorities()
        except (EstError, TrustError):
            more = []
        chain = checks.accepted([*found, *more], key, asker.name, authorities, asker.known)
    folder.install(chain)
    return chain[0]
