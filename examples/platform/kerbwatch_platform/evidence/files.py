"""Files of evidence by their SHA-256: written whole, made durable, and only then known to the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Settings


def content(settings: Settings, sha256: str) -> bytes:
    """What has this SHA-256.

    Raises:
        LookupError: There is no such file, or its bytes have changed since.
        ValueError: ``sha256`` is none.
    """
    raise NotImplementedError
