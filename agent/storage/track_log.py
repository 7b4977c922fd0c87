"""The tracks of the last hours on the disk: what a dry run of other zones is made of. No pictures.

One file a camera and hour in the folder ``tracks`` of the state. A file is a row of blocks, each of some minutes
and by itself: its length and checksum, then compressed JSON lines, the first of which says what the others are
about (:mod:`agent.analysis.track_records`). A power cut tears the last block at most, and nothing is lost with it that a case needs:
what cannot be read is left out.
"""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from drivers.disk import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = struct.Struct("<4sIII")
"""What it is, the block's bytes, their CRC-32, and how many bytes they are when unpacked."""
_MAGIC = b"KWT1"
SUFFIX = ".tracks"
FILE_S = 3600.0
"""A file begins anew after so long."""
MOST_BLOCK_BYTES = 64_000_000
"""A block that would be larger when unpacked is none of ours."""
MOST_HEADER_BYTES = 200_000
_NAME = re.compile(r"(?P<number>\d{10})-(?P<camera_id>.+)\.tracks")


class StoredBlock(NamedTuple):
    """One block: what it is about, and its records."""

    header: dict[str, Any]
    records: list[dict[str, Any]]


class BlockPacker:
    """Packs the lines of one block as they come: they are not held unpacked."""

    def __init__(self, header: dict[str, Any]) -> None:
        self._packer = zlib.compressobj(6)
        self._packed = bytearray()
        self.unpacked_bytes = 0
        self.add(header)

    def add(self, record: dict[str, Any]) -> None:
        """Take one line."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        self.unpacked_bytes += len(line)
        self._packed += self._packer.compress(line)

    def packed(self) -> bytes:
        """The block up to now, as it is in a file; more may be added afterwards."""
        packed = bytes(self._packed) + self._packer.copy().flush()
        head = _HEAD.pack(_MAGIC, len(packed), zlib.crc32(packed), self.unpacked_bytes)
        return head + packed


class TrackLog:
    """The files of all cameras of a device.

    Args:
        folder: Theirs.
        most_bytes: What they may take together; then the oldest go.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        self._number: int | None = None
        self._open: dict[str, tuple[Path, float]] = {}

    def append(self, camera_id: str, block: bytes, now_s: float) -> None:
        """Write a block, and delete the oldest files if there is no room for it.

        Args:
            camera_id: The camera.
            block: As :meth:`BlockPacker.packed` gives it.
            now_s: On the monotonic clock: a file that was begun long ago is gone on with no more.

        Raises:
            OSError: The disk did not take it.
        """
        make_folder(self._folder)
        path, since_s = self._open.get(camera_id, (None, 0.0))
        if path is None or not 0.0 <= now_s - since_s < FILE_S or not path.exists():
            path = self._folder / f"{self._next():010d}-{camera_id}{SUFFIX}"
            self._open[camera_id] = path, now_s
        self._make_room(len(block), path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, block)
        finally:
            os.close(descriptor)

    def forget(self) -> None:
        """Delete all files.

        Raises:
            OSError: One could not be deleted.
        """
        self._open = {}
        for _, _, path in _files(self._folder):
            path.unlink(missing_ok=True)

    def _next(self) -> int:
        if self._number is None:
            self._number = max((number for number, _, _ in _files(self._folder)), default=0)
        self._number += 1
        return self._number

    def _make_room(self, for_bytes: int, but: Path) -> None:
        sizes = [(path, path.stat().st_size) for _, _, path in _files(self._folder)]
        taken = sum(size for _, size in sizes) + for_bytes
        for path, size in sizes:
            if taken <= self._most_bytes:
                return
            if path != but:
                path.unlink(missing_ok=True)
                taken -= size


def blocks_of(folder: Path, camera_id: str, *, headers_only: bool = False) -> Iterator[StoredBlock]:
    """A camera's blocks, the oldest first; what is torn or cannot be read is left out.

    Args:
        folder: The folder of all files.
        camera_id: The camera.
        headers_only: Leave the records out.
    """
    for _, of, path in _files(folder):
        if of == camera_id:
            try:
                content = path.read_bytes()
            except OSError:  # its time was up meanwhile
                continue
            yield from read_blocks(content, headers_only=headers_only)


def cameras_of(folder: Path) -> list[str]:
    """The cameras of which there are tracks."""
    return sorted({camera_id for _, camera_id, _ in _files(folder)})


def read_blocks(content: bytes, *, headers_only: bool = False) -> Iterator[StoredBlock]:
    """The whole blocks of a file's content, as :func:`blocks_of` gives them."""
    place = 0
    while place + _HEAD.size <= len(content):
        magic, length, checksum, unpacked_bytes = _HEAD.unpack_from(content, place)
        begin = place + _HEAD.size
        packed = content[begin : begin + length]
        whole = magic == _MAGIC and len(packed) == length and zlib.crc32(packed) == checksum
        if not whole:  # torn by a power cut: the next whole one goes on
            place = content.find(_MAGIC, place + 1)
            if place < 0:
                return
            continue
        place = begin + length
        if unpacked_bytes <= MOST_BLOCK_BYTES:
            most_bytes = min(unpacked_bytes, MOST_HEADER_BYTES) if headers_only else unpacked_bytes
            lines = zlib.decompressobj().decompress(packed, most_bytes).splitlines()
            records = [] if headers_only else [json.loads(line) for line in lines[1:]]
            yield StoredBlock(json.loads(lines[0]), records)


def names(folder: Path) -> set[str]:
    """The names of all files."""
    return {path.name for _, _, path in _files(folder)}


def size_bytes(folder: Path) -> int:
    """What they take together."""
    return sum(path.stat().st_size for _, _, path in _files(folder))


def _files(folder: Path) -> list[tuple[int, str, Path]]:
    """Number, camera and path of each file, the oldest first."""
    return sorted(
        (int(name["number"]), name["camera_id"], path)
        for path in folder.glob(f"*{SUFFIX}")
        if (name := _NAME.fullmatch(path.name)) is not None
    )
