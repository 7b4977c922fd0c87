"""Files of evidence by their SHA-256: written whole, made durable, and only then known to the database.

    ab/abcd…        a file, under its hash; never under a name that a sender gave it
    kerbwatch-…-id  the folder's mark (:mod:`kerbwatch_platform.evidence.folder`)
    incoming/…      one that is being written

A file without a row is what a power cut, or a database that was restored from a backup, leaves:
:mod:`kerbwatch_platform.evidence.sweep` finds it again.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256 as _sha256
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kerbwatch_platform.settings import Settings

INCOMING = "incoming"
_HASH = re.compile("[0-9a-f]{64}")
_FOLDER_MODE = 0o700
_PART_BYTES = 1_048_576


def path_of(sha256: str) -> str:
    """Where a file lies, from the evidence folder.

    Raises:
        ValueError: ``sha256`` is none.
    """
    if not _HASH.fullmatch(sha256):
        raise ValueError("no SHA-256 in hexadecimal")
    return f"{sha256[:2]}/{sha256}"


def content(settings: Settings, sha256: str) -> bytes:
    """What has this SHA-256. Whether it may be shown, the database says: :func:`evidence.shown`.

    Raises:
        LookupError: There is no such file, or its bytes have changed since.
        ValueError: ``sha256`` is none.
    """
    try:
        found = (settings.evidence_folder / path_of(sha256)).read_bytes()
    except FileNotFoundError as error:
        raise LookupError(f"{sha256} is not here") from error
    if _sha256(found).hexdigest() != sha256:
        raise LookupError(f"{sha256} is here, and its bytes have changed")
    return found


def parts(settings: Settings, sha256: str) -> Iterator[bytes]:
    """What lies there, piece by piece; whether it still has this SHA-256, :func:`holds` says.

    Raises:
        LookupError: There is no such file.
    """
    try:
        with (settings.evidence_folder / path_of(sha256)).open("rb") as file:
            while part := file.read(_PART_BYTES):
                yield part
    except FileNotFoundError as error:
        raise LookupError(f"{sha256} is not here") from error


def holds(settings: Settings, sha256: str) -> bool:
    """Whether a file is there and unchanged; it is read piece by piece."""
    found = _sha256()
    try:
        for part in parts(settings, sha256):
            found.update(part)
    except LookupError:
        return False
    return found.hexdigest() == sha256


def put(folder: Path, content: bytes) -> str:
    """Have a file on the disk, for good when this returns; one that is there and right is left as it is.

    Returns:
        Its SHA-256.

    Raises:
        OSError: The disk does not take it.
    """
    sha256 = _sha256(content).hexdigest()
    place = folder / path_of(sha256)
    if _is_right(place, sha256):
        _sync(place)  # whoever wrote it may have been killed before it was durable
        _sync(place.parent)
        return sha256
    write(folder, path_of(sha256), content)
    return sha256


def write(folder: Path, name: str, content: bytes) -> None:
    """Have a file in the evidence folder, whole and for good when this returns.

    Args:
        folder: The evidence folder; it is made where there is none.
        name: Where in it.
        content: What is in the file.

    Raises:
        OSError: The disk does not take it.
    """
    place, incoming = folder / name, folder / INCOMING
    for each in (folder, incoming, place.parent):
        if not each.is_dir():
            each.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            _sync(each.parent)
    unfinished = incoming / uuid4().hex
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)
    _sync(place.parent)


def remove(folder: Path, hashes: Iterable[str]) -> None:
    """Have files gone from the disk, for good when this returns; one that is not there is gone already.

    Raises:
        OSError: The disk does not take it.
    """
    shelves = set()
    for each in hashes:
        place = folder / path_of(each)
        if place.exists():
            place.unlink()
            shelves.add(place.parent)
    for shelf in shelves:
        _sync(shelf)


def lying(folder: Path) -> Iterator[Path]:
    """Every file that lies under a hash."""
    for shelf in sorted(folder.glob("[0-9a-f][0-9a-f]")):
        for file in sorted(shelf.iterdir()):
            if _HASH.fullmatch(file.name) and file.name.startswith(shelf.name):
                yield file


def unfinished(folder: Path) -> list[Path]:
    """What was being written, or is."""
    return sorted((folder / INCOMING).glob("*"))


def _is_right(place: Path, sha256: str) -> bool:
    try:
        return _sha256(place.read_bytes()).hexdigest() == sha256
    except FileNotFoundError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
