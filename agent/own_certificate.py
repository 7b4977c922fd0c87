"""This device's own certificate: shown to the broker, and what is wrong with it in words.

OpenSSL tells of both sides in one breath. Whose certificate it is about decides who is called.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.foreign import recognised
from drivers.wording import said

if TYPE_CHECKING:
    from agent.config import Uplink as UplinkSettings

_ALERT = re.compile(
    r"alert (?P<reason>bad certificate|unsupported certificate|certificate revoked"
    r"|certificate expired|certificate unknown|unknown ca|certificate required)",
    re.IGNORECASE,
)
"""The alerts of RFC 8446, section 6.2, by which a server refuses a client's certificate. (Ours to the
server are errors before anything is read, and have no "alert" in their text.)"""


class CertificateError(ValueError):
    """Certificate and key cannot be used; the text says what to do."""


def show(context: ssl.SSLContext, settings: UplinkSettings) -> None:
    """Let a context prove who we are; both files are read anew.

    Raises:
        FileNotFoundError: One of them is not there.
        CertificateError: They cannot be used, such as while they are being replaced.
    """
    certificate_file, key_file = settings.certificate_file, settings.key_file
    if certificate_file is None or key_file is None:
        return
    try:
        context.load_cert_chain(certificate_file, key_file)
    except FileNotFoundError as error:
        for path in (certificate_file, key_file):
            if not Path(path).exists():
                raise FileNotFoundError(error.errno, error.strerror, str(path)) from error
        raise
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateError(
                said(
                    "{key} is not the key of this device's certificate {certificate}: put both"
                    " files of one enrolment there",
                    key=key_file,
                    certificate=certificate_file,
                )
            ) from error
        raise CertificateError(
            said(
                "this device's certificate {certificate} or its key {key} cannot be read as PEM:"
                " put both files there again",
                key=key_file,
                certificate=certificate_file,
            )
        ) from error


def refusal(told: str, settings: UplinkSettings) -> str | None:
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
