"""This device's own certificate: shown to the broker, and what is wrong with it in words.

OpenSSL tells of both sides in one breath. Whose certificate it is about decides who is called.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from agent.identity import pem
from agent.identity.pem import CertificateError
from wording.known_errors import reason_of, recognised
from wording.messages import said

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import UplinkSection

_ALERT = re.compile(
    r"alert (?P<reason>bad certificate|unsupported certificate|certificate revoked"
    r"|certificate expired|certificate unknown|unknown ca|certificate required)",
    re.IGNORECASE,
)
"""The alerts of RFC 8446, section 6.2, by which a server refuses a client's certificate. (Ours to the
server are errors before anything is read, and have no "alert" in their text.)"""
_TOO_WEAK = {"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "KEY_TOO_SMALL"}


class _PassphraseError(Exception):
    """OpenSSL asks for one."""


def show(context: ssl.SSLContext, settings: UplinkSection) -> None:
    """Let a context prove who we are; both files are read anew.

    Raises:
        CertificateError: They cannot be used, such as while they are being replaced.
    """
    certificate_file, key_file = settings.certificate_file, settings.key_file
    if certificate_file is None or key_file is None:
        return
    certificates = pem.read("certificate_file", certificate_file)
    key = pem.read("key_file", key_file)
    try:
        context.load_cert_chain(certificate_file, key_file, password=_nobody_types)
    except _PassphraseError as error:
        raise pem.named("key_file", key_file, pem.needs_passphrase(key_file)) from error
    except ssl.SSLError as error:
        raise _fault(error, certificate_file, certificates, key_file, key) from error
    except OSError as error:  # replaced since it was read
        raise CertificateError(
            said(
                "this device's certificate {certificate} or its key {key} cannot be read: {reason}",
                certificate=certificate_file,
                key=key_file,
                reason=reason_of(error),
            )
        ) from error


def _nobody_types() -> str:
    """Without this OpenSSL would ask the terminal, and wait."""
    raise _PassphraseError


def _fault(
    error: ssl.SSLError, certificate_file: Path, certificates: bytes, key_file: Path, key: bytes
) -> CertificateError:
    """What is wrong with the two files, of which OpenSSL has only said that something is."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return _mismatch(certificate_file, certificates, key_file, key)
    if error.reason in _TOO_WEAK:
        return pem.named(
            "certificate_file",
            certificate_file,
            said(
                "its key or its signature is too weak for TLS ({reason}): have one issued with RSA 2048"
                " or EC P-256, and SHA-256",
                reason=error.reason,
            ),
        )
    only_key = pem.holds_key(certificates) and not pem.holds_certificate(certificates)
    if only_key and pem.holds_certificate(key) and not pem.holds_key(key):
        return CertificateError(
            said(
                "certificate_file {certificate} holds the key, and key_file {key} the certificate:"
                " exchange the two",
                certificate=certificate_file,
                key=key_file,
            )
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=certificate_file)
    except (ssl.SSLError, OSError):
        fault = pem.fault_of_certificates(certificate_file, certificates)
        return pem.named("certificate_file", certificate_file, fault)
    return pem.named("key_file", key_file, pem.fault_of_key(key_file, key))


def _mismatch(
    certificate_file: Path, certificates: bytes, key_file: Path, key: bytes
) -> CertificateError:
    if pem.place_of_key(certificates, key):
        return pem.named(
            "certificate_file",
            certificate_file,
            said(
                "the chain is in the wrong order: put this device's own certificate first, and who has"
                " issued it behind"
            ),
        )
    return CertificateError(
        said(
            "{key} is not the key of this device's certificate {certificate}: put both files of one"
            " enrolment there",
            key=key_file,
            certificate=certificate_file,
        )
    )


def refusal(told: str, settings: UplinkSection) -> str | None:
    """Why the broker does not accept our certificate, if that is what was told.

    Args:
        told: What OpenSSL said when the connection was lost.
        settings: Of that connection.
    """
    alert = _ALERT.search(told)
    if alert is None:
        return None
    reason = recognised(alert["reason"].lower())
    if settings.certificate_file is None:
        return said(
            "the broker wants a certificate of this device ({reason}): enrol the device, and set"
            " certificate_file and key_file",
            reason=reason,
        )
    return said(
        "the broker does not accept this device's certificate {file} ({reason}): renew it, or let"
        " the broker trust who issued it",
        file=settings.certificate_file,
        reason=reason,
    )
