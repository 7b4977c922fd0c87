"""Probes a network camera over RTSP or HTTP before FFmpeg opens it, to find out why it refuses.

FFmpeg does not say why it failed, and may repeat a refused login, which locks the user out. RTSP (RFC 2326) and
HTTP (RFC 9110) share the form of requests and answers, and the logins (RFC 7616, RFC 7617).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import socket
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from drivers.cameras._tls import name_in
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from drivers.cameras._tls import Trust

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
ENCRYPTED = frozenset({"rtsps", "https"})
MAX_HEAD_BYTES, MAX_BODY_BYTES = 64 << 10, 256 << 10
MAX_REDIRECTS = 5
_LOOP_DETECTED = 508
_STATIC_CODECS = {"26": "JPEG", "31": "H261", "32": "MPV", "33": "MP2T", "34": "H263"}
"""Payload types whose codec is fixed (RFC 3551, table 5)."""
_FACT = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


@dataclass(frozen=True, slots=True)
class Login:
    """User and password. Never shown: not in a text, not in ``repr``."""

    user: str = field(repr=False)
    password: str = field(repr=False)


class HungUpError(ConnectionError):
    """The camera closed the connection without an answer, or its answer is invalid."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A camera's last answer.

    Attributes:
        status: Of RTSP or HTTP.
        url: Where that was, after redirects within the camera.
        with_login: Whether it was asked with the login, because it wanted one.
        elsewhere: The host that it redirects to, if that is another one.
        has_video: Whether it describes pictures; None if it describes nothing.
        codec: Their codec by its RTP name, if it says.
        certificate_name: A name in its certificate.
    """

    status: int
    url: str = field(repr=False)
    with_login: bool = False
    elsewhere: str | None = None
    has_video: bool | None = None
    codec: str | None = None
    certificate_name: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Probes one camera.

    Attributes:
        url: Its address.
        login: None if it has none.
        trust: For an encrypted line.
        timeout_s: For each line and all answers on it together; a redirect takes another line.
    """

    url: str = field(repr=False)
    login: Login | None
    trust: Trust
    timeout_s: float

    @contextmanager
    def asking(self, *, set_up: bool = False) -> Iterator[Answer]:
        """Request the description (RTSP) or the pictures (HTTP); keep RTSP's connection open in the block.

        A camera that prepares its stream when it is asked takes it down again when the line ends,
        and refuses others meanwhile. Over HTTP the pictures begin at once, and the line is given up.

        Args:
            set_up: Of RTSP, ask for the pictures as well, and hang up before they come.

        Raises:
            TrustError: It did not show that it is the camera that is meant.
            HungUpError: It gave no answer that can be understood.
            OSError: It cannot be reached, or not in time.
        """
        url = self.url
        for _ in range(MAX_REDIRECTS):
            with closing(_Line(url, self.trust, self.timeout_s)) as line:
                reply, with_login = line.asked(self.login)
                target = reply.headers.get("location", "")
                if not 300 <= reply.status < 400 or not target:
                    answer = line.answer(reply, with_login=with_login, set_up=set_up)
                    if not line.is_rtsp:
                        line.close()
                    yield answer
                    return
            following = _joined(url, target)
            if _origin(following) != _origin(url):
                yield Answer(reply.status, url, with_login, elsewhere=_host(following))
                return
            url = following
        yield Answer(_LOOP_DETECTED, url)


def _joined(base: str, target: str) -> str:
    """An address that the camera gave, made absolute.

    Raises:
        HungUpError: It is none.
    """
    try:
        joined = urljoin(base, target)
        urlsplit(joined).port  # noqa: B018 - it is read from the text only now
    except ValueError as error:
        raise HungUpError(said("the camera's answer cannot be understood")) from error
    return joined


_NUMBER = re.compile("[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    challenges: tuple[str, ...]
    body: str


class _Line:
    """One connection to a camera.

    Args:
        url: Of the stream.
        trust: For an encrypted line.
        timeout_s: For everything together.
    """

    def __init__(self, url: str, trust: Trust, timeout_s: float) -> None:
        self._url, self._parts = url, urlsplit(url)
        self._trust, self._until_s = trust, time.monotonic() + timeout_s
        self.is_rtsp = self._parts.scheme.startswith("rtsp")
        self._count = 0
        self._certificate_name: str | None = None
        self._authorise: _Authorisation | None = None
        self._socket = self._connected()

    def close(self) -> None:
        self._socket.close()

    def _connected(self) -> socket.socket:
        host = self._parts.hostname or ""
        address = (host, self._parts.port or PORTS[self._parts.scheme])

        def connect() -> socket.socket:
            return socket.create_connection(address, self._left_s())

        self._buffer = b""
        if self._parts.scheme not in ENCRYPTED:
            return connect()
        line = self._trust.wrapped(connect, host)
        self._certificate_name = name_in(line)
        return line

    def _left_s(self) -> float:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def asked(self, login: Login | None) -> tuple[_Reply, bool]:
        """The answer to the first question, and whether it was asked with the login at last."""
        reply = self._request(*self._question)
        if reply.status != 401 or login is None:
            return reply, False
        for _ in range(2):  # the second time only for a nonce that is too old
            authorisation = _Authorisation.of(reply.challenges, login)
            if authorisation is None:
                return reply, False
            self._authorise = authorisation
            reply = self._request(*self._question)
            if reply.status != 401 or not any("stale=true" in each for each in reply.challenges):
                break
        return reply, True

    def answer(self, reply: _Reply, *, with_login: bool, set_up: bool) -> Answer:
        """What the reply to the first question says, or that to the second, which begins a session."""
        status, has_video, codec = reply.status, None, None
        if self.is_rtsp and status == 200:
            has_video, codec, track = _described(reply.body)
            if set_up and has_video:
                base = reply.headers.get("content-base", self._url)
                track_url = _joined(base if base.endswith("/") else base + "/", track)
                extra = (f"Transport: {_TCP}",)
                set_up_reply = self._request("SETUP", track_url, extra)
                status = set_up_reply.status
                if session := set_up_reply.headers.get("session"):
                    self._request("TEARDOWN", self._url, (f"Session: {session}",))
        return Answer(status, self._url, with_login, None, has_video, codec, self._certificate_name)

    @property
    def _question(self) -> tuple[str, str, tuple[str, ...]]:
        if self.is_rtsp:
            return "DESCRIBE", self._url, ("Accept: application/sdp",)
        target = urlunsplit(("", "", self._parts.path or "/", self._parts.query, ""))
        return "GET", target, (f"Host: {self._parts.netloc}", "Connection: close")

    def _request(self, method: str, target: str, more: tuple[str, ...]) -> _Reply:
        self._count += 1
        rows = [f"{method} {target} {'RTSP/1.0' if self.is_rtsp else 'HTTP/1.1'}", *more]
        if self.is_rtsp:
            rows.append(f"CSeq: {self._count}")
        if self._authorise is not None:
            rows.append(f"Authorization: {self._authorise.header(method, target)}")
        rows += ["User-Agent: kerbwatch", "", ""]
        content = "\r\n".join(rows).encode()
        if self._count > 1 and not self.is_rtsp:  # of its answer only the head was read
            self._connect_again()
        try:
            return self._exchange(content)
        except ConnectionError:
            if self._count == 1 or not self.is_rtsp:
                raise
        self._connect_again()  # some end the line when they have refused
        return self._exchange(content)

    def _connect_again(self) -> None:
        self._socket.close()
        self._socket = self._connected()

    def _exchange(self, content: bytes) -> _Reply:
        self._socket.settimeout(self._left_s())
        self._socket.sendall(content)
        return self._received()

    def _received(self) -> _Reply:
        head = self._until(b"\r\n\r\n", MAX_HEAD_BYTES)
        first, *rows = head.decode("utf-8", "replace").split("\r\n")
        words = first.split(None, 2)
        if len(words) < 2 or not _NUMBER.fullmatch(words[1]):
            raise HungUpError(said("the camera's answer cannot be understood"))
        named = [(name.strip().lower(), value.strip()) for name, _, value in _pairs(rows)]
        headers = dict(named)
        challenges = tuple(value for name, value in named if name == "www-authenticate")
        length = headers.get("content-length", "")
        wanted = int(length) if self.is_rtsp and _NUMBER.fullmatch(length) else 0
        body = self._exactly(min(wanted, MAX_BODY_BYTES)).decode("utf-8", "replace")
        return _Reply(int(words[1]), headers, challenges, body)

    def _until(self, end: bytes, most: int) -> bytes:
        while end not in self._buffer:
            if len(self._buffer) > most:
                raise HungUpError(said("the camera's answer cannot be understood"))
            self._more()
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._more()
        found, self._buffer = self._buffer[:length], self._buffer[length:]
        return found

    def _more(self) -> None:
        self._socket.settimeout(self._left_s())
        received = self._socket.recv(4096)
        if not received:
            raise HungUpError(said("the camera closes the connection"))
        self._buffer += received


@dataclass(slots=True)
class _Authorisation:
    """One login by the way that the camera asked for."""

    login: Login
    facts: Mapping[str, str]
    algorithm: str | None
    """None: the password itself (Basic)."""
    uses: int = 0

    @classmethod
    def of(cls, challenges: tuple[str, ...], login: Login) -> _Authorisation | None:
        """By a way that FFmpeg knows, too; None if the camera takes none of them."""
        for challenge in challenges:
            scheme, _, rest = challenge.partition(" ")
            facts = {name.lower(): quoted or bare for name, quoted, bare in _FACT.findall(rest)}
            algorithm = facts.get("algorithm", "MD5").upper()
            if scheme.lower() == "digest" and algorithm in {"MD5", "MD5-SESS"}:
                return cls(login, facts, algorithm)
        if any(each.partition(" ")[0].lower() == "basic" for each in challenges):
            return cls(login, {}, None)
        return None

    def header(self, method: str, target: str) -> str:
        user, password = self.login.user, self.login.password
        if self.algorithm is None:
            return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

        def digest(*parts: str) -> str:
            text = ":".join(parts).encode()
            return hashlib.md5(text, usedforsecurity=False).hexdigest()

        self.uses += 1
        realm, nonce = self.facts.get("realm", ""), self.facts.get("nonce", "")
        count, ours = f"{self.uses:08x}", secrets.token_hex(8)
        with_count = "auth" in self.facts.get("qop", "")
        who = digest(user, realm, password)
        if self.algorithm.endswith("-SESS"):
            who = digest(who, nonce, ours)
        middle = (count, ours, "auth") if with_count else ()
        told = {
            "username": user,
            "realm": realm,
            "nonce": nonce,
            "uri": target,
            "response": digest(who, nonce, *middle, digest(method, target)),
        }
        if "opaque" in self.facts:
            told["opaque"] = self.facts["opaque"]
        rows = [f'{name}="{_escaped(value)}"' for name, value in told.items()]
        if "algorithm" in self.facts:
            rows.append(f"algorithm={self.facts['algorithm']}")
        if with_count or self.algorithm.endswith("-SESS"):
            rows.append(f'cnonce="{ours}"')
        if with_count:
            rows += [f"nc={count}", "qop=auth"]
        return "Digest " + ", ".join(rows)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _pairs(rows: list[str]) -> list[tuple[str, str, str]]:
    return [row.partition(":") for row in rows]


def _described(sdp: str) -> tuple[bool, str | None, str]:
    """Whether an SDP (RFC 8866) offers pictures, in which codec, and under which name."""
    codec, track, inside, found = None, "", False, False
    formats: list[str] = []
    for row in sdp.splitlines():
        if row.startswith("m="):
            inside = row.startswith("m=video") and not found
            found = found or inside
            if inside:
                formats = row.split()[3:]
                codec = next((_STATIC_CODECS.get(each) for each in formats), None)
        elif inside and row.startswith("a=rtpmap:"):
            number, _, name = row.removeprefix("a=rtpmap:").partition(" ")
            codec = name.partition("/")[0].strip() if number in formats else codec
        elif inside and row.startswith("a=control:"):
            track = row.removeprefix("a=control:").strip()
    return found, codec, track


def _host(url: str) -> str:
    return _parts(url).hostname or ""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = _parts(url)
    try:
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        port = None
    return parts.scheme, parts.hostname, port


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")
