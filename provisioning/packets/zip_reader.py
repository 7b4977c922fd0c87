"""Reads a packet's zip without trusting it: nothing is unpacked to the disk, and everything has an end.

The form of a zip's end: APPNOTE 6.3, 4.3.16. The end must stand at the end of the file, without a comment and
without ZIP64, so that the size of the directory is known before any library reads it.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from provisioning.packets.layout import MAX_FILE_BYTES, MAX_FILES, is_known, most_bytes
from wording.harmless import harmless
from wording.messages import Said, said

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

MAX_ZIP_BYTES: Final = 256_000_000
MAX_TOTAL_BYTES: Final = 256_000_000
MAX_DIRECTORY_BYTES: Final = 256_000
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR_BYTES, _LOCATOR_SIGNATURE = 20, b"PK\x06\x07"
"""Of ZIP64, before the end: who heeds it reads another directory than the end tells of (APPNOTE 6.3, 4.3.15)."""
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What the library raises at a zip that is none, or not as it should be."""


class NotReadError(ValueError):
    """A file is no packet that can be read: nothing in it was looked at."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a zip holds.

    Attributes:
        files: Content of every file that a packet may have and that could be read, by its name.
        refused: Why the others were not read, by their names as they may be shown.
    """

    files: dict[str, bytes]
    refused: dict[str, Said]


def read(path: Path) -> Contents:
    """Read all of a packet.

    Raises:
        NotReadError: It is no zip, or larger than a packet may be.
        OSError: The file cannot be read.
    """
    with path.open("rb") as opened:
        size = opened.seek(0, 2)
        _refuse_end(opened, size)
        opened.seek(0)
        try:
            with zipfile.ZipFile(opened) as archive:
                return _contents(archive)
        except _BROKEN as error:
            raise NotReadError(
                said("not a zip that can be read: {reason}", reason=harmless(str(error), 200))
            ) from error


def _refuse_end(opened: IO[bytes], size: int) -> None:
    """Refuse what is no zip, and one with more in its directory than a packet has."""
    if size > MAX_ZIP_BYTES:
        raise NotReadError(
            said("{size} bytes; a packet has {most} at most", size=size, most=MAX_ZIP_BYTES)
        )
    if size < _END.size:
        raise NotReadError(said("not a zip: it has {size} bytes", size=size))
    opened.seek(-_END.size, 2)
    signature, disk, first_disk, here, entries, directory, begins, comment = _END.unpack(
        opened.read(_END.size)
    )
    if signature != _END_SIGNATURE or comment or disk or first_disk or here != entries:
        raise NotReadError(
            said("not a zip, or one that was cut off or has something behind its end")
        )
    if entries > MAX_FILES or directory > MAX_DIRECTORY_BYTES:
        raise NotReadError(
            said("{count} entries; a packet has {most} at most", count=entries, most=MAX_FILES)
        )
    if begins + directory + _END.size != size:
        raise NotReadError(said("a zip with something before its beginning, or one of 64 bits"))
    opened.seek(max(0, size - _END.size - _LOCATOR_BYTES))
    if opened.read(_LOCATOR_BYTES).startswith(_LOCATOR_SIGNATURE):
        raise NotReadError(said("a zip with something before its beginning, or one of 64 bits"))


def _contents(archive: zipfile.ZipFile) -> Contents:
    files: dict[str, bytes] = {}
    refused: dict[str, Said] = {}
    entries = archive.infolist()
    twice = {
        name for name, count in Counter(each.filename for each in entries).items() if count > 1
    }
    total = 0
    for entry in entries:
        name = entry.filename
        reason = said("it stands there twice") if name in twice else _refusal(entry)
        if reason is None and total + entry.file_size > MAX_TOTAL_BYTES:
            reason = said("all files together are larger than {most} bytes", most=MAX_TOTAL_BYTES)
        if reason is None:
            total += entry.file_size
            try:
                with archive.open(entry) as opened:
                    files[name] = opened.read(MAX_FILE_BYTES)
                    continue
            except _BROKEN as error:
                reason = said("it cannot be read: {reason}", reason=harmless(str(error), 200))
        if not _is_folder(entry):
            refused[harmless(name, 100)] = reason
    return Contents(files, refused)


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    """An empty folder that another program put there; it holds nothing."""
    return entry.filename in {"manifests/", "pictures/", "originals/"} and entry.file_size == 0


def _refusal(entry: zipfile.ZipInfo) -> Said | None:
    if not is_known(entry.filename):
        return said("no packet has a file of this name")
    if stat.S_ISLNK(entry.external_attr >> 16):
        return said("it is a link")
    if entry.flag_bits & _ENCRYPTED:
        return said("it is encrypted")
    if entry.compress_type not in _METHODS:
        return said("it is compressed in a way that is not taken")
    most = most_bytes(entry.filename)
    if entry.file_size > most:
        return said(
            "{size} bytes; a file of a packet has {most} at most", size=entry.file_size, most=most
        )
    return None
