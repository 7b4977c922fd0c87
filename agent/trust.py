"""Why a broker's certificate is not trusted, in words: often it is the clock that is wrong."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from drivers.wording import said

if TYPE_CHECKING:
    from cryptography import x509

    from agent.config import Uplink as UplinkSettings

NOT_YET_VALID, EXPIRED = 9, 10
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL (x509_vfy.h)."""


def in_words(
    error: ssl.SSLCertVerificationError, settings: UplinkSettings, host: str, port: int
) -> str:
    """Say why it is not trusted; where it is about time, both times.

    Args:
        error: What OpenSSL said.
        settings: Of the connection that failed.
        host: The broker's.
        port: The broker's.
    """
    plain = said("the broker's certificate is not trusted: {reason}", reason=error.verify_message)
    if error.verify_code not in {NOT_YET_VALID, EXPIRED}:
        return plain
    try:
        shown = _shown_by(settings, host, port)
    except (OSError, ValueError):
        return plain
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
        reason=error.verify_message,
        now=now,
    )


def _shown_by(settings: UplinkSettings, host: str, port: int) -> x509.Certificate:
    """The certificate that the broker shows. It is only read: nothing is said over this connection.

    Raises:
        OSError: It cannot be reached.
        ValueError: It shows none that can be read.
    """
    from cryptography import x509  # noqa: PLC0415 - 21 MiB, for what hardly ever happens

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if settings.certificate_file is not None:  # else a broker that asks for ours may show nothing
        context.load_cert_chain(settings.certificate_file, settings.key_file)
    with (
        closing(socket.create_connection((host, port), settings.connect_timeout_s)) as channel,
        context.wrap_socket(channel, server_hostname=host) as secured,
    ):
        return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
