"""Verifies the TLS certificate of a network camera, before a password is sent to it.

FFmpeg checks again: chain, dates and a host's name, but not a host that is given by its IP address; and it
does not say what is wrong.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_EXPIRED, _NOT_YET = 10, 9
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})
"""OpenSSL's numbers of what is wrong with a certificate (``openssl-verification-options``)."""
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


class TrustError(OSError):
    """The camera's certificate is not trusted."""


@dataclass(frozen=True, slots=True)
class Trust:
    """How a camera's certificate is verified.

    Attributes:
        ca_file: Certificates of authorities, or the camera's own; None: the system's authorities.
    """

    ca_file: Path | None

    def wrapped(self, connect: Callable[[], socket.socket], host: str) -> ssl.SSLSocket:
        """A TLS connection to the verified camera.

        A certificate that itself stands in ``ca_file`` may be for any name: cameras make one for
        themselves that names nothing they are reached by.

        Raises:
            TrustError: With what is wrong, and what to do.
            OSError: There is no line.
        """
        context = self._context()
        try:
            return _shaken(context, connect(), host)
        except ssl.SSLCertVerificationError as error:
            if error.verify_code not in _OTHER_NAME or self.ca_file is None:
                raise TrustError(_words(error, host)) from error
            context.check_hostname = False
            line = _shaken(context, connect(), host)
            if line.getpeercert(binary_form=True) in _certificates(self.ca_file):
                return line
            line.close()
            raise TrustError(_words(error, host)) from error
        except ssl.SSLError as error:
            text = said("no encrypted line to the camera: {reason}", reason=_plain(error))
            raise TrustError(text) from error

    def options(self, certificate_name: str | None) -> dict[str, str]:
        """FFmpeg's options for the same.

        Args:
            certificate_name: A name in the certificate that was found to be the camera's.

        Raises:
            TrustError: They cannot be told to it.
        """
        options = {"tls_verify": "1"}
        bundle = self.ca_file or _system_bundle()
        if bundle is not None and set(str(bundle)) & set(";|"):
            raise TrustError(said("ca_file: a path with ; or | cannot be handed on to FFmpeg"))
        if bundle is not None:
            options["ca_file"] = str(bundle)
        if certificate_name is not None:
            options["verifyhost"] = certificate_name
        return options

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # chain, dates and name; no more
        if self.ca_file is None:
            context.load_default_certs()
            return context
        try:
            context.load_verify_locations(cafile=self.ca_file)
        except ssl.SSLError as error:
            text = said("ca_file {file}: there is no certificate in it", file=self.ca_file.name)
            raise TrustError(text) from error
        except OSError as error:
            text = said("ca_file {file}: {reason}", file=self.ca_file.name, reason=reason_of(error))
            raise TrustError(text) from error
        return context


def name_in(line: ssl.SSLSocket) -> str | None:
    """A host's name that the other end's certificate is for; None if it names none."""
    told: Any = line.getpeercert() or {}
    names = (value for kind, value in told.get("subjectAltName", ()) if kind == "DNS")
    plain = [name for name in names if "*" not in name]
    return plain[0] if plain else None


def _shaken(context: ssl.SSLContext, line: socket.socket, host: str) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(line, server_hostname=host)
    except BaseException:
        line.close()
        raise


def _certificates(path: Path) -> set[bytes]:
    text = path.read_text(encoding="ascii", errors="replace")
    end = "-----END CERTIFICATE-----"
    blocks = [part[part.find("-----BEGIN CERTIFICATE-----") :] + end for part in text.split(end)]
    return {ssl.PEM_cert_to_DER_cert(each) for each in blocks[:-1]}


def _system_bundle() -> Path | None:
    told = ssl.get_default_verify_paths().cafile
    candidates = (*((told,) if told else ()), *_BUNDLES)
    return next((Path(each) for each in candidates if Path(each).is_file()), None)


def _words(error: ssl.SSLCertVerificationError, host: str) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return said("the camera's certificate has expired")
    if code == _NOT_YET:
        return said("the camera's certificate is not valid yet, by this device's clock")
    if code in _OTHER_NAME:
        return said(
            "the camera's certificate is for another name than {host}: give the name it is for,"
            " or, if the camera made its certificate itself, put that into ca_file",
            host=host,
        )
    if code in _UNKNOWN_AUTHORITY:
        return said(
            "the camera's certificate was not issued by a trusted authority: put its authority's "
            "certificate into ca_file, or, if the camera made its certificate itself, that one"
        )
    return said("the camera's certificate is refused: {reason}", reason=error.verify_message)


def _plain(error: ssl.SSLError) -> str:
    return (error.reason or type(error).__name__).lower().replace("_", " ")
