"""Checks the installed files against their packages' RECORDs.

pip syncs nothing: a power cut half a minute later may leave files that are empty, cut off or not there
at all, and an empty Python file is no error. The packages looked at are those of this environment, not
the system's. Nothing but the standard library is needed here: any other package may be what is torn.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import marshal
import os
import sys
import sysconfig
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wording.messages import itemised, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Damage = Literal["missing", "empty", "changed"]
WORDS = {
    "missing": said("it is missing"),
    "empty": said("it is empty"),
    "changed": said("it was changed, or is incomplete"),
}
REMEDY = said(
    "Install it again: `sudo apt install --reinstall ./kerbwatch_*.deb`. Where pip installed it: "
    "`pip install` with --ignore-installed, then `sudo kerbwatch units install`."
)
_INSTALLERS = {"pip", "uv", ""}
"""Those that write a RECORD; the name is empty where the file that says it is torn as well."""
_BYTECODE_HEADER_BYTES = 16


def shared(name: str) -> Path:
    """Where a folder of files is that is no package's: in a source tree first, then in the environment.

    Args:
        name: Its name, below ``share/kerbwatch``.
    """
    tree = Path(__file__).parents[2] / name
    return tree if tree.is_dir() else Path(sysconfig.get_path("data")) / "share/kerbwatch" / name


@dataclass(frozen=True, slots=True, order=True)
class Damaged:
    """A file that differs from what was installed."""

    path: Path
    damage: Damage

    def in_words(self) -> str:
        """The file, and what is wrong with it."""
        return said("{path}: {damage}", path=self.path, damage=WORDS[self.damage])


def damaged(folders: Sequence[Path] | None = None) -> list[Damaged]:
    """Every file that is not as its package recorded it, in the order of the paths.

    Args:
        folders: Those with packages; None: this environment's.
    """
    found: set[Damaged] = set()
    for folder in site_packages() if folders is None else folders:
        for package in folder.glob("*.dist-info"):
            found.update(_of_package(package))
        found.update(_bytecode(folder))
    return sorted(found)


def site_packages() -> list[Path]:
    """Where this environment's packages lie."""
    return sorted({Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")})


def complaint() -> str:
    """What is damaged and what to do, a file a line; empty if nothing is."""
    found = damaged()
    if not found:
        return ""
    return said(
        "Installed files are damaged:\n{files}\n{remedy}",
        files=itemised(each.in_words() for each in found),
        remedy=REMEDY,
    )


@contextmanager
def naming_damage() -> Iterator[None]:
    """After an unexpected error, print which installed files are damaged, on stderr.

    A file that a power cut emptied is no error to Python; what it should hold is missed elsewhere.
    """
    try:
        yield
    except Exception:
        if told := complaint():
            print(told, file=sys.stderr)
        raise


def _of_package(package: Path) -> Iterator[Damaged]:
    record = package / "RECORD"
    rows = _rows(record)
    if rows is None:
        if _installer(package) in _INSTALLERS:
            yield Damaged(record, _damage(record))
        return
    for place, expected in rows:
        path = Path(os.path.normpath(package.parent / place))
        if expected != _digest(path, expected.partition("=")[0]):
            yield Damaged(path, _damage(path))


def _rows(record: Path) -> list[tuple[str, str]] | None:
    """The files of a package with their digests, as far as they have one; None: the list itself is torn."""
    try:
        with record.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.reader(opened))
    except (OSError, ValueError, csv.Error):
        return None
    itself = f"{record.parent.name}/{record.name}"
    if any(len(row) != 3 for row in rows) or itself not in {row[0] for row in rows}:
        return None
    return [(place, digest) for place, digest, _ in rows if digest]


def _installer(package: Path) -> str:
    try:
        return (package / "INSTALLER").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _digest(path: Path, algorithm: str) -> str:
    """As a RECORD has it; empty if the file cannot be read."""
    try:
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, algorithm).digest()
    except (OSError, ValueError):
        return ""
    return f"{algorithm}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _damage(path: Path) -> Damage:
    try:
        return "changed" if path.stat().st_size else "empty"
    except OSError:
        return "missing"


def _bytecode(folder: Path) -> Iterator[Damaged]:
    """Compiled files that are cut off: they have no digest, and Python does not compile them again."""
    for path in folder.rglob("__pycache__/*.pyc"):
        try:
            content = path.read_bytes()
            if content.startswith(importlib.util.MAGIC_NUMBER):
                marshal.loads(content[_BYTECODE_HEADER_BYTES:])  # noqa: S302 - as Python itself does
        except FileNotFoundError:
            continue  # renamed meanwhile by whoever compiles it
        except (OSError, EOFError, ValueError, TypeError):
            yield Damaged(path, "changed")
