"""How long the device's certificate is still good for.

The library that reads certificates costs 21 MiB of memory: it is used in a process of its own, and only
when the file has changed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from drivers.files.small_files import UnreadableError, content_of
from drivers.programs import python

READ_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate in a file.

    Attributes:
        not_after: Until when it is good; None if it cannot be read.
        sha256: Of the file; None if it is not there.
        unknown: Why ``not_after`` is not known.
    """

    not_after: datetime | None
    sha256: str | None
    unknown: str | None = None


class CertificateFile:
    """Watches one file. From any thread: at worst it is read twice.

    Args:
        path: A certificate in PEM; None where none is configured.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._changed_ns: int | None = None
        self._known = Certificate(None, None, "no certificate is configured")

    def read(self) -> Certificate:
        """What is in it now; the file is read again only when it has changed."""
        if self._path is None:
            return self._known
        try:
            changed_ns = self._path.stat().st_mtime_ns
            if changed_ns != self._changed_ns:
                content = content_of(self._path)
                self._known = _parsed(self._path, hashlib.sha256(content).hexdigest())
                self._changed_ns = changed_ns
        except (OSError, UnreadableError) as error:
            told = str(error)
            if isinstance(error, OSError):
                told = f"it cannot be read: {error.strerror}"
            self._changed_ns, self._known = None, Certificate(None, None, told)
        return self._known


def _parsed(path: Path, sha256: str) -> Certificate:
    try:
        done = subprocess.run(
            python("-m", __name__, str(path)),
            capture_output=True,
            check=False,
            timeout=READ_WITHIN_S,
        )
        return Certificate(datetime.fromisoformat(done.stdout.decode().strip()), sha256)
    except ValueError:  # nothing was printed
        return Certificate(None, sha256, "the file is no certificate")
    except (OSError, subprocess.TimeoutExpired):
        return Certificate(None, sha256, "no process to read it")


def not_after(path: Path) -> datetime:
    """Until when the first certificate in a PEM file is good.

    Raises:
        ValueError: It is none.
        OSError: The file cannot be read.
    """
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415

    return load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc


if __name__ == "__main__":
    print(not_after(Path(sys.argv[1])).isoformat())
