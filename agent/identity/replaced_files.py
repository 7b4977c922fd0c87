"""Notices that the device's certificate and key were replaced, so that a connection is made anew with them.

A connection shows what was there when it was made. Without this a renewed certificate would be shown at the next
failure only, and the day the old one is revoked would be that failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.identity import credentials
from agent.identity.credentials import CredentialsError

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import UplinkSection

_Look = tuple[tuple[int, int, int, int] | None, ...]


class ReplacedFiles:
    """Watches the files of one connection. Make it before the connection reads them.

    Args:
        settings: Of that connection.
    """

    def __init__(self, settings: UplinkSection) -> None:
        self._settings = settings
        self._known = self._look()

    def there(self) -> bool:
        """Whether others are there now, and can be used; files that cannot cost no connection that stands."""
        seen = self._look()
        if seen == self._known:
            return False
        self._known = seen
        try:
            credentials.read(self._settings)
        except CredentialsError:
            return False
        return True

    def _look(self) -> _Look:
        files = (self._settings.certificate_file, self._settings.key_file)
        return tuple(_identity(path) for path in files if path is not None)


def _identity(path: Path) -> tuple[int, int, int, int] | None:
    """Of the file that a path leads to now."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
