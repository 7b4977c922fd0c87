"""The one session: who has signed in last has it.

It lies, as a hash, in memory's file system: a page that systemd starts again goes on with it, a reboot ends it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from drivers.disk import replace_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    from pathlib import Path

IDLE_S = 900.0
LONGEST_S = 4 * 3600.0
COOKIE = "__Host-kerbwatch"
"""The prefix lets a browser take it only with Secure, Path=/ and no Domain (RFC 6265bis)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in.

    Attributes:
        key_hash: SHA-256 of what the cookie holds.
        csrf: What a request that changes something names beside the cookie.
        began_s, seen_s: By the time since boot.
    """

    key_hash: str
    csrf: str
    began_s: float
    seen_s: float


class Sessions:
    """Keeps the one session.

    Args:
        path: Its file.
        now_s: The time since boot.
    """

    def __init__(self, path: Path, now_s: float) -> None:
        self._path = path
        self._session = _read(path, now_s)
        self._replaced_hash: str | None = None

    def begin(self, now_s: float) -> str:
        """Sign somebody in, and whoever was signed in out; gives the cookie's value.

        Raises:
            OSError: It could not be kept.
        """
        key = secrets.token_urlsafe(32)
        before = self._session
        self._keep(Session(_hashed(key), secrets.token_urlsafe(32), now_s, now_s))
        self._replaced_hash = before.key_hash if before else None
        return key

    def of(self, key: str | None, now_s: float) -> Session | None:
        """The session that a cookie names; None: there is none, or it is over.

        That it goes on is kept where there is room: without it a page that is started again ends it sooner.
        """
        session = self._session
        if session is None or not key or not _same(key, session.key_hash):
            return None
        if now_s - session.seen_s > IDLE_S or now_s - session.began_s > LONGEST_S:
            self.end()
            return None
        if now_s - session.seen_s > 30.0:
            self._session = Session(session.key_hash, session.csrf, session.began_s, now_s)
            try:
                self._keep(self._session)
            except OSError as error:
                _log.error("%s: %s", self._path, words_of(error))
        return self._session

    def was_replaced(self, key: str | None) -> bool:
        """Whether a cookie names the session that another phone has taken over."""
        return bool(key and self._replaced_hash and _same(key, self._replaced_hash))

    def end(self) -> None:
        """Sign out."""
        self._session = None
        self._path.unlink(missing_ok=True)

    def _keep(self, session: Session) -> None:
        replace_file(self._path, json.dumps(asdict(session)), durable=False)
        self._session = session


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _same(key: str, key_hash: str) -> bool:
    return hmac.compare_digest(_hashed(key), key_hash)


def _read(path: Path, now_s: float) -> Session | None:
    try:
        session = Session(**json.loads(path.read_text("ascii")))
        whole = isinstance(session.key_hash, str) and isinstance(session.csrf, str)
        whole = whole and 0 <= session.began_s <= session.seen_s <= now_s
    except (OSError, ValueError, TypeError):
        return None
    return session if whole else None
