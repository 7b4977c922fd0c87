"""Passwords: Argon2id, and what is taken for one."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kerbwatch_platform.words import text

SHORTEST, LONGEST = 10, 200
_DIFFERENT = 5

TOO_SHORT = text("The password needs at least {shortest} characters.")
TOO_LONG = text("The password may have {longest} characters at most.")
TOO_PLAIN = text(
    "The password is too easy to guess: it repeats itself, runs through the keyboard, or holds the account's name."
)
_RUNS = ("01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_COMMON = ("password", "kerbwatch", "admin", "chengguan", "welcome", "iloveyou", "letmein")


class Passwords:
    """Hashes and checks.

    Args:
        hasher: RFC 9106's second recommended set unless told otherwise (64 MiB, 3 rounds).
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobodys = self._hasher.hash("nobody's")

    def hash(self, password: str) -> str:
        """What is kept of it."""
        return self._hasher.hash(_normal(password))

    def check(self, kept: str | None, password: str) -> bool:
        """Whether it is the one; takes as long where there is none to compare with.

        Args:
            kept: What is kept; None: there is no such account, or it has no password.
            password: As typed.
        """
        try:
            right = self._hasher.verify(kept or self._nobodys, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return right and kept is not None

    def outdated(self, kept: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)


def fault_of(password: str, name: str) -> str | None:
    """Why a password is not taken, as a text to be said with ``shortest`` and ``longest``; None: it is."""
    normal = _normal(password)
    if len(normal) < SHORTEST:
        return TOO_SHORT
    if len(normal) > LONGEST:
        return TOO_LONG
    return TOO_PLAIN if _plain(normal.casefold(), name) else None


def _plain(password: str, name: str) -> bool:
    left = password.replace(name, "")
    for common in _COMMON:
        left = left.replace(common, "")
    pairs = {first + second for run in _RUNS for first, second in pairwise(run)}
    pairs |= {pair[::-1] for pair in pairs}
    steps = [a + b for a, b in pairwise(left)]
    new = [step for step in steps if step not in pairs and step[0] != step[1]]
    return len(set(left)) < _DIFFERENT or len(new) < _DIFFERENT - 1


def _normal(password: str) -> str:
    """As NIST SP 800-63B asks: the same characters, however the keyboard puts them together."""
    return unicodedata.normalize("NFKC", password)
