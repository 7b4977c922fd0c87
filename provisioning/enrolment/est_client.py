"""Enrolment over Secure Transport (RFC 7030): simple enrolment and re-enrolment, by the standard library.

The server is trusted by the pinned authority alone, never by the system's. What it answers is hostile until it
has been checked: it is bounded here, and held against key, name and authority in :mod:`provisioning.enrolment.checks`.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import re
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from agent.identity import server_trust
from provisioning.enrolment.trust import MAX_CHAIN, UNREADABLE, as_it_stands
from wording.harmless import harmless
from wording.known_errors import reason_of, recognised
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from provisioning.enrolment.known_time import KnownTime

ANSWER_WITHIN_S = 60.0
"""The whole of one request, however slowly the server speaks."""
MAX_ANSWER_BYTES = 65_536
_ASK_AGAIN_S = 3600
_STEP_S, _PIECE_BYTES = 15.0, 8192
_NO_CHECK_TIME = 0x20_0000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL (x509_vfy.h): Python has no name for it."""
_ADDRESS = re.compile(r"/(?:\.well-known/est(?:/[A-Za-z0-9._~-]+)?)?/?")
_DER = 2
"""``_ssl.ENCODING_DER``."""


class EstError(Exception):
    """The server gave no certificate; the text says why.

    Attributes:
        refused: It does not accept who asks (401, 403): another try needs another token.
        retry_after_s: It has not decided yet (202), and says when to ask again.
    """

    def __init__(
        self, text: Said, *, refused: bool = False, retry_after_s: int | None = None
    ) -> None:
        super().__init__(text)
        self.refused, self.retry_after_s = refused, retry_after_s


class UnreachableError(EstError):
    """It could not be reached, or the connection was lost.

    Attributes:
        hung_up: It was reached, and ended the connection without an answer: under TLS 1.3 the alert by which
            a certificate is refused may be lost.
    """

    def __init__(self, text: Said, *, hung_up: bool = False) -> None:
        super().__init__(text)
        self.hung_up = hung_up


@dataclass(frozen=True, slots=True)
class Address:
    """Where an EST server is.

    Attributes:
        path: ``/.well-known/est`` or ``/.well-known/est/LABEL``, without a slash at the end.
    """

    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Token:
    """What a first enrolment is let in by: once, for one device."""

    device: str
    secret: str


def address_of(url: str) -> Address:
    """Read ``https://HOST[:PORT][/.well-known/est[/LABEL]]``.

    Raises:
        EstError: It is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if (
        not host
        or parts.scheme != "https"
        or parts.username is not None
        or parts.query
        or parts.fragment
        or not (parts.path == "" or _ADDRESS.fullmatch(parts.path))
    ):
        raise EstError(
            said(
                "{url} is no address of an EST server; it looks like"
                " https://est.city.example/.well-known/est",
                url=harmless(url),
            )
        )
    return Address(host, port or 443, parts.path.rstrip("/") or "/.well-known/est")


class EstClient:
    """Asks one server.

    Args:
        address: Where it is.
        authorities: The file of the pinned authorities.
        known: What is known of the time.
        shown: Certificate and key that are shown to the server; None: none.
    """

    def __init__(
        self,
        address: Address,
        authorities: Path,
        known: KnownTime,
        shown: tuple[Path, Path] | None = None,
    ) -> None:
        self._address, self._known = address, known
        self._context = server_trust.context_of(authorities)
        if not known.trusted:
            self._context.verify_flags |= _NO_CHECK_TIME  # they are looked at in _check_dates
        if shown is not None:
            self._context.load_cert_chain(*shown)

    def authorities(self) -> list[x509.Certificate]:
        """What the server calls its authorities (``/cacerts``): they complete a chain, and are never trusted by that.

        Raises:
            EstError: It gave none.
        """
        return self._certificates(self._ask("GET", "cacerts", None, None))

    def enrol(
        self, request: x509.CertificateSigningRequest, token: Token
    ) -> list[x509.Certificate]:
        """A first certificate, with a token.

        Raises:
            EstError: There is none.
        """
        basic = base64.b64encode(f"{token.device}:{token.secret}".encode()).decode()
        return self._sent("simpleenroll", request, (f"Basic {basic}", f"Bearer {token.secret}"))

    def re_enrol(self, request: x509.CertificateSigningRequest) -> list[x509.Certificate]:
        """Another certificate, for who shows the one before.

        Raises:
            EstError: There is none.
        """
        return self._sent("simplereenroll", request, (None,))

    def _sent(
        self,
        what: str,
        request: x509.CertificateSigningRequest,
        authorizations: tuple[str | None, ...],
    ) -> list[x509.Certificate]:
        body = base64.encodebytes(request.public_bytes(Encoding.DER))
        for authorization in authorizations:
            answer = self._ask("POST", what, body, authorization)
            if answer.status != http.client.UNAUTHORIZED or not answer.wants_bearer:
                break
        return self._certificates(answer)

    def _ask(
        self, method: str, what: str, body: bytes | None, authorization: str | None
    ) -> _Answer:
        headers = {"Accept": "application/pkcs7-mime", "Connection": "close"}
        if body is not None:
            headers |= {
                "Content-Type": "application/pkcs10",
                "Content-Transfer-Encoding": "base64",
            }
        if authorization is not None:
            headers["Authorization"] = authorization
        connection = http.client.HTTPSConnection(
            self._address.host, self._address.port, timeout=_STEP_S, context=self._context
        )
        reached = False
        try:
            connection.connect()
            reached = True
            secured = cast("ssl.SSLSocket", connection.sock)
            self._check_dates(secured)
            with _within(secured):
                connection.request(method, f"{self._address.path}/{what}", body, headers)
                response = connection.getresponse()
                return _Answer(
                    response.status,
                    _bounded(response),
                    response.headers.get("WWW-Authenticate", ""),
                    _wait_s(response.headers.get("Retry-After", "")),
                )
        except ssl.SSLCertVerificationError as error:
            raise EstError(
                said(
                    "the server {host} is not trusted: {reason}",
                    host=self._address.host,
                    reason=recognised(error.verify_message),
                )
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error, hung_up=reached) from error
        finally:
            connection.close()

    def _lost(self, error: Exception, *, hung_up: bool) -> EstError:
        host = self._address.host
        if isinstance(error, ssl.SSLError) and "alert" in str(error).lower():
            return EstError(
                said(
                    "the server {host} does not accept this device's certificate ({reason})",
                    host=host,
                    reason=recognised(error.reason or str(error)),
                ),
                refused=True,
            )
        reason = reason_of(error) if isinstance(error, OSError) else type(error).__name__
        return UnreachableError(
            said("the server {host} cannot be reached: {reason}", host=host, reason=reason),
            hung_up=hung_up and not isinstance(error, TimeoutError),
        )

    def _check_dates(self, secured: ssl.SSLSocket) -> None:
        """Hold the dates of the server's chain against what is known, where OpenSSL was told to pass over them.

        Raises:
            EstError: One has ended.
        """
        if self._known.trusted:
            return
        for der in _verified_chain(secured):
            shown = x509.load_der_x509_certificate(der)
            fault = self._known.fault_of(shown.not_valid_before_utc, shown.not_valid_after_utc)
            if fault is not None:
                raise EstError(
                    said(
                        "the server {host} is not trusted: {reason}",
                        host=self._address.host,
                        reason=fault,
                    )
                )

    def _certificates(self, answer: _Answer) -> list[x509.Certificate]:
        host = self._address.host
        if answer.status == http.client.ACCEPTED:
            raise EstError(
                said(
                    "the server {host} has not decided yet: ask again in {minutes} min",
                    host=host,
                    minutes=max(1, round(answer.retry_after_s / 60)),
                ),
                retry_after_s=answer.retry_after_s,
            )
        if answer.status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
            raise EstError(
                said(
                    "the server {host} does not let this device in ({status})",
                    host=host,
                    status=answer.status,
                ),
                refused=True,
            )
        if answer.status != http.client.OK:
            told = harmless(answer.body[:200].decode("utf-8", "replace").strip())
            raise EstError(
                said(
                    "the server {host} answered {status}: {reason}",
                    host=host,
                    status=answer.status,
                    reason=told or "-",
                )
            )
        return unpacked(answer.body, host)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    challenge: str
    retry_after_s: int

    @property
    def wants_bearer(self) -> bool:
        return self.challenge.strip().lower().startswith("bearer")


def unpacked(body: bytes, host: str) -> list[x509.Certificate]:
    """The certificates of a PKCS#7 in base64 (RFC 7030, 4.2.3); some servers send it as it is, in DER.

    Raises:
        EstError: There are none that can be read, or too many.
    """
    try:
        der = (
            body
            if body.startswith(b"\x30")
            else base64.b64decode(b"".join(body.split()), validate=True)
        )
        with as_it_stands():
            found = pkcs7.load_der_pkcs7_certificates(der)
    except (*UNREADABLE, binascii.Error) as error:
        raise EstError(
            said("the answer of the server {host} holds no certificates (PKCS#7)", host=host)
        ) from error
    if not 1 <= len(found) <= MAX_CHAIN:
        raise EstError(
            said(
                "the answer of the server {host} holds {count} certificates",
                host=host,
                count=len(found),
            )
        )
    return found


def _wait_s(told: str) -> int:
    """What ``Retry-After`` says, in seconds; what is no such number, or over eleven days, counts as an hour."""
    return int(told) if re.fullmatch(r"[0-9]{1,6}", told) else _ASK_AGAIN_S


@contextmanager
def _within(connected: ssl.SSLSocket) -> Iterator[None]:
    """Hang up when the time of one request is over: a server may take its steps one by one, or never come to an end.

    Raises:
        TimeoutError: It was over.
    """
    over = threading.Event()

    def hang_up() -> None:
        over.set()
        with suppress(
            OSError
        ):  # the plain socket's: TLS would take its state from under the reader
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(ANSWER_WITHIN_S, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if over.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        timer.join()
    if over.is_set():  # what was read until then is no whole answer
        raise TimeoutError


def _bounded(response: http.client.HTTPResponse) -> bytes:
    """What a server answers, unless it is too long."""
    found = b""
    while piece := response.read1(_PIECE_BYTES):
        found += piece
        if len(found) > MAX_ANSWER_BYTES:
            raise http.client.HTTPException
    return found


def _verified_chain(secured: ssl.SSLSocket) -> list[bytes]:
    """The chain by which a server was trusted: public since Python 3.13, and there before."""
    public = getattr(secured, "get_verified_chain", None)
    if public is not None:
        return [bytes(each) for each in public()]
    inner = cast("Any", secured)._sslobj
    return [bytes(each.public_bytes(_DER)) for each in inner.get_verified_chain()]
