"""A small EST server (RFC 7030): cacerts, simpleenroll with a one-time token, simplereenroll with a certificate."""

from __future__ import annotations

import base64
import hashlib
import secrets
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from provisioning.enrolment import profiles
from provisioning.enrolment.profiles import Issuer
from tests.support.offline_authority import written_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_CHECK_TIME = 0x20_0000
_PATH = "/.well-known/est/"


@dataclass
class _Token:
    device: str
    until: datetime
    used: bool = False


@dataclass
class EstServer:
    """One server on loopback; what it does is set by its attributes.

    Attributes:
        issuer: Who signs what it gives.
        life: Before now and after: when the certificates that it gives begin and end.
        allows_expired: Whether who shows an expired certificate may renew it.
        bearer: Whether it wants tokens as Bearer (RFC 6750) instead of Basic.
        revoked: Serial numbers of certificates that are not renewed.
        waits: Whether it answers 202.
        answers: What it answers instead, by what is asked.
        without_end: What it says over and over instead of an answer.
        retry_after: When it says to ask again.
        tampers: Changes what it signs: gets the key and the subject that were asked for.
        asked: What it was asked, with the authorization's kind.
    """

    folder: Path
    issuer: Issuer
    life: tuple[timedelta, timedelta] = (timedelta(days=1), timedelta(days=90))
    allows_expired: bool = False
    bearer: bool = False
    revoked: set[int] = field(default_factory=set)
    waits: bool = False
    without_end: bytes = b""
    retry_after: str = "1800"
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    tampers: Callable[[Any, x509.Name], tuple[Any, x509.Name]] | None = None
    between: tuple[x509.Certificate, ...] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)
    _tokens: dict[str, _Token] = field(default_factory=dict)

    def token(self, device: str, *, good_for: timedelta = timedelta(hours=1)) -> str:
        """A token for one device; only its hash is kept."""
        secret = secrets.token_urlsafe(24)
        self._tokens[_hash(secret)] = _Token(device, datetime.now(UTC) + good_for)
        return secret

    def start(self, days: tuple[float, float] = (-1, 90)) -> None:
        """Serve; the server's own certificate begins and ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        certificate = self._issued(
            key.public_key(),
            subject,
            x509.SubjectAlternativeName([x509.DNSName("localhost")]),
            ExtendedKeyUsageOID.SERVER_AUTH,
            (timedelta(days=-days[0]), timedelta(days=days[1])),
        )
        certificate_file = self.folder / "est.crt"
        certificate_file.write_bytes(
            b"".join(each.public_bytes(Encoding.PEM) for each in (certificate, *self.between))
        )
        key_file = written_key(self.folder / "est.key", key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate_file, key_file)
        context.load_verify_locations(self.folder / "est-ca.crt")
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self.allows_expired:
            context.verify_flags |= NO_CHECK_TIME
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.est = self  # type: ignore[attr-defined]
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}{_PATH}".rstrip("/")

    @property
    def certificate_file(self) -> Path:
        """The authority that its clients pin."""
        return self.folder / "est-ca.crt"

    def let_in(self, authorization: str) -> str | None:
        """The device that a token is good for; it is good once."""
        kind, _, told = authorization.partition(" ")
        device, secret = None, told
        if kind == "Basic":
            device, _, secret = base64.b64decode(told).decode().partition(":")
        if (kind == "Bearer") != self.bearer:
            return None
        token = self._tokens.get(_hash(secret))
        if token is None or token.used or token.until < datetime.now(UTC):
            return None
        if device is not None and device != token.device:
            return None
        token.used = True
        return token.device

    def sign(self, request: x509.CertificateSigningRequest) -> x509.Certificate:
        key, subject = request.public_key(), request.subject
        if self.tampers is not None:
            key, subject = self.tampers(key, subject)
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return self._issued(key, subject, names, ExtendedKeyUsageOID.CLIENT_AUTH, self.life)

    def issued(
        self,
        key: Any,
        subject: x509.Name,
        names: x509.SubjectAlternativeName,
        life: tuple[timedelta, timedelta],
    ) -> x509.Certificate:
        """A client's certificate that nobody asked for."""
        return self._issued(key, subject, names, ExtendedKeyUsageOID.CLIENT_AUTH, life)

    def _issued(
        self,
        key: Any,
        subject: x509.Name,
        names: x509.SubjectAlternativeName,
        purpose: x509.ObjectIdentifier,
        life: tuple[timedelta, timedelta],
    ) -> x509.Certificate:
        now = profiles.now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.issuer.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - life[0])
            .not_valid_after(now + life[1])
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(names, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuer.key.public_key()),
                critical=False,
            )
            .sign(self.issuer.key, hashes.SHA256())
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    @property
    def est(self) -> EstServer:
        return self.server.est  # type: ignore[attr-defined,no-any-return]

    def do_GET(self) -> None:
        self._serve("cacerts", lambda _body: [self.est.issuer.certificate, *self.est.between])

    def do_POST(self) -> None:
        what = self.path.removeprefix(_PATH)
        self._serve(what, self._enrolled if what == "simpleenroll" else self._renewed)

    def _serve(self, what: str, made: Callable[[bytes], list[x509.Certificate] | None]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.headers.get("Authorization", "").partition(" ")[0]
        self.est.asked.append((what, kind))
        while self.est.without_end:
            self.wfile.write(self.est.without_end)  # until the other one hangs up
        if not self.path.startswith(_PATH):
            self._answer(404, b"")
        elif what in self.est.answers:
            self._answer(*self.est.answers[what])
        elif self.est.waits:
            self._answer(202, b"", ("Retry-After", self.est.retry_after))
        elif (certificates := made(body)) is None:
            challenge = "Bearer" if self.est.bearer else 'Basic realm="est"'
            self._answer(401, b"", ("WWW-Authenticate", challenge))
        else:
            der = pkcs7.serialize_certificates(certificates, Encoding.DER)
            self._answer(200, base64.encodebytes(der))

    def _enrolled(self, body: bytes) -> list[x509.Certificate] | None:
        request = x509.load_der_x509_csr(base64.b64decode(body))
        device = self.est.let_in(self.headers.get("Authorization", ""))
        asked = request.subject.rfc4514_string().removeprefix("CN=")
        return [self.est.sign(request)] if device == asked else None

    def _renewed(self, body: bytes) -> list[x509.Certificate] | None:
        shown = self.connection.getpeercert(binary_form=True)
        if shown is None:
            return None
        current = x509.load_der_x509_certificate(shown)
        request = x509.load_der_x509_csr(base64.b64decode(body))
        if current.serial_number in self.est.revoked or request.subject != current.subject:
            return None
        return [self.est.sign(request)]

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
        self.send_header("Content-Transfer-Encoding", "base64")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def issuer(name: str, above: Issuer | None = None) -> Issuer:
    """An authority that lives in memory; ``above``: who has issued it, else itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issued_by, signs = (subject, key) if above is None else (above.certificate.subject, above.key)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issued_by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(profiles.now() - timedelta(days=300))
        .not_valid_after(profiles.now() + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signs, hashes.SHA256())
    )
    return Issuer(certificate, key)


@pytest.fixture
def start_est(tmp_path: Path) -> Iterator[Callable[..., EstServer]]:
    """Start an EST server; its own certificate begins and ends in so many days."""
    running: list[EstServer] = []

    def start(days: tuple[float, float] = (-1, 90), **settings: Any) -> EstServer:
        folder = tmp_path / f"est-{len(running)}"
        folder.mkdir()
        server = EstServer(
            folder, settings.pop("issuer", None) or issuer("City EST CA"), **settings
        )
        pinned = settings.get("between", ()) or (server.issuer.certificate,)
        server.certificate_file.write_bytes(
            b"".join(each.public_bytes(Encoding.PEM) for each in pinned)
        )
        server.start(days)
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()
