"""What a broker's certificate is held against, and in words why one is not trusted.

The rule is the same under every Python, and said here: 3.13 would begin to refuse authorities that lack
formalities of RFC 5280, as many made by widespread recipes do, and cut off devices that connect today.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.identity import client_certificate, pem
from wording.harmless import harmless
from wording.known_errors import recognised
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509

    from agent.config.schema import UplinkSection

NOT_YET_VALID, EXPIRED, OTHER_HOST, OTHER_ADDRESS = 9, 10, 62, 64
"""X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH of OpenSSL
(x509_vfy.h)."""

MAX_NAMES, NAME_CHARACTERS = 5, 80
"""Of a certificate that is not trusted, in words."""
RULE = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
"""Chain, dates, and that an issuer is an authority are always checked; whatever stands in ``ca_file`` is
trusted, an intermediate authority as well (Python 3.13 takes it, 3.11 by itself would not)."""


def context_for(settings: UplinkSection) -> ssl.SSLContext:
    """What a broker must show: a chain to ``ca_file`` (or the system's authorities), and its name.

    Raises:
        CertificateError: ``ca_file`` cannot be used.
    """
    return context_of(settings.ca_file)


def context_of(ca_file: Path | None) -> ssl.SSLContext:
    """What any server must show: a chain to the authorities in a file (None: the system's), and its name.

    Raises:
        CertificateError: The file cannot be used.
    """
    context = ssl.create_default_context() if ca_file is None else _trusting(ca_file)
    context.verify_flags = RULE
    return context


def _trusting(ca_file: Path) -> ssl.SSLContext:
    content = pem.read("ca_file", ca_file)
    try:
        if pem.is_der_certificate(content):  # OpenSSL looks for PEM in files
            return ssl.create_default_context(cadata=content)
        context = ssl.create_default_context(cafile=ca_file)
        if context.cert_store_stats()["x509"]:
            return context
    except OSError as error:  # among them ssl.SSLError
        raise pem.named("ca_file", ca_file, pem.fault_of_certificates(ca_file, content)) from error
    raise pem.named("ca_file", ca_file, pem.fault_of_certificates(ca_file, content))


def formalities_missing(settings: UplinkSection, host: str, port: int) -> Iterator[str]:
    """What stricter programs would refuse of a broker that we trust, each in words.

    Args:
        settings: Of a connection that was just made.
        host: The broker's.
        port: The broker's.

    Raises:
        CertificateError: A file has changed since.
        OSError: The broker was not reached again.
    """
    strict, named = context_for(settings), context_for(settings)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    named.hostname_checks_common_name = False
    for context in (strict, named):
        client_certificate.show(context, settings)
        try:
            _certificate_behind(context, settings, host, port)
        except ssl.SSLCertVerificationError as error:
            if error.verify_code == OTHER_HOST:
                yield said("its name is only in CN, and not in subjectAltName")
            else:
                yield recognised(error.verify_message)


def in_words(
    error: ssl.SSLCertVerificationError, settings: UplinkSection, host: str, port: int
) -> str:
    """Say why it is not trusted; with what it shows, where it is about times or names.

    Args:
        error: What OpenSSL said.
        settings: Of the connection that failed.
        host: The broker's.
        port: The broker's.
    """
    reason = recognised(error.verify_message)
    plain = said("the broker's certificate is not trusted: {reason}", reason=reason)
    if error.verify_code not in {NOT_YET_VALID, EXPIRED, OTHER_HOST, OTHER_ADDRESS}:
        return plain
    try:
        shown = _shown_by(settings, host, port)
        if error.verify_code in {OTHER_HOST, OTHER_ADDRESS}:
            return _of_names(shown, host)
    except (OSError, ValueError):
        return plain
    return _of_times(shown, reason)


def _of_times(shown: x509.Certificate, reason: str) -> str:
    now, begins, ends = datetime.now(UTC), shown.not_valid_before_utc, shown.not_valid_after_utc
    if now < begins:
        return said(
            "this device's clock says {now:%Y-%m-%d %H:%M} UTC, and the broker's certificate is valid"
            " from {begins:%Y-%m-%d %H:%M} UTC: check the clock and its time source (NTP)",
            now=now,
            begins=begins,
        )
    if now > ends:
        return said(
            "the broker's certificate was valid until {ends:%Y-%m-%d %H:%M} UTC, and this device's"
            " clock says {now:%Y-%m-%d %H:%M} UTC: renew the certificate, or check the clock and its"
            " time source (NTP)",
            now=now,
            ends=ends,
        )
    return said(  # then it is one of the authority's
        "the broker's certificate is not trusted: {reason} (this device's clock says"
        " {now:%Y-%m-%d %H:%M} UTC)",
        reason=reason,
        now=now,
    )


def _of_names(shown: x509.Certificate, host: str) -> str:
    """Say to whom it is made out.

    Raises:
        ValueError: Its extensions cannot be read.
    """
    from cryptography import x509  # noqa: PLC0415 - see _shown_by

    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        made_out_to = [f"{type(each).__name__[:3]}:{each.value}" for each in names]
    except x509.ExtensionNotFound:
        made_out_to = [shown.subject.rfc4514_string()]
    return said(
        "the broker's certificate is not valid for {host}, but for {names}: give one of its names in"
        " broker, or have it issued with {host} in subjectAltName (an address as IP:, a name as DNS:)",
        host=host,
        names=[harmless(name, NAME_CHARACTERS) for name in made_out_to[:MAX_NAMES]],
    )


def _shown_by(settings: UplinkSection, host: str, port: int) -> x509.Certificate:
    """The certificate that the broker shows. It is only read: nothing is said over this connection.

    Raises:
        OSError: It cannot be reached.
        ValueError: It shows none that can be read.
    """
    from cryptography import x509  # noqa: PLC0415 - 21 MiB, for what hardly ever happens

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client_certificate.show(context, settings)  # a broker that asks for ours may show nothing else
    return x509.load_der_x509_certificate(_certificate_behind(context, settings, host, port))


def _certificate_behind(
    context: ssl.SSLContext, settings: UplinkSection, host: str, port: int
) -> bytes:
    """Shake hands, and say nothing more."""
    with (
        closing(socket.create_connection((host, port), settings.connect_timeout_s)) as channel,
        context.wrap_socket(channel, server_hostname=host) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""
