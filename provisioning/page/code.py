"""The code under the lid: made by chance on the device, kept as a hash alone.

Ten characters of an alphabet without look-alikes, 50 bits. It is no word of anybody's, so that scrypt
(RFC 7914) only has to make trying slow on a stolen card.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING

from drivers.disk import replace_file

if TYPE_CHECKING:
    from pathlib import Path

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's Base32: I and L are read as 1, O as 0."""
LENGTH = 10
_ALIKE = str.maketrans({"I": "1", "L": "1", "O": "0"})
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
"""16 MiB and some 50 ms on a Raspberry Pi's core; one at a time."""


def new_code() -> str:
    """Make a code, as it is printed: two groups of five."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return f"{drawn[:5]}-{drawn[5:]}"


def keep(code: str, path: Path) -> None:
    """Keep a code's hash.

    Raises:
        OSError: It could not be written.
    """
    replace_file(path, hashed(code))


def hashed(code: str) -> str:
    """What is kept of a code, with a salt of its own: JSON."""
    salt = secrets.token_bytes(16)
    return json.dumps({"version": 1, "salt": salt.hex(), "hash": _hash(code, salt).hex()})


def is_right(code: str, path: Path) -> bool:
    """Whether a code is the one whose hash is kept; none is where none is kept."""
    try:
        kept = json.loads(path.read_text("ascii"))
        salt, wanted = bytes.fromhex(kept["salt"]), bytes.fromhex(kept["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return hmac.compare_digest(_hash(code, salt), wanted)


def _hash(code: str, salt: bytes) -> bytes:
    typed = "".join(each for each in code.upper() if each.isalnum()).translate(_ALIKE)
    return hashlib.scrypt(typed.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=32)
