"""Whether a recording is cut off, by the length in its container's header.

How many frames a container promises is no measure. In most of them it is computed from the
duration, which sound may lengthen and a falling rate belies, and a piece that was cut out without
recoding it holds frames that are not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HEAD_BYTES = 1024
_TS_PACKET_BYTES = 188
_EBML = b"\x1a\x45\xdf\xa3"
_ELEMENT_HEAD_BYTES = 12
_BOXES = frozenset(
    b"ftyp styp pdin moov moof mfra mdat free skip wide uuid meta udta sidx ssix prft emsg junk pnot PICT".split()
)
"""What may lie outermost in an MP4 or QuickTime file; what else follows is somebody's own (cameras append
their position, programs their marks), and promises nothing."""
_ELEMENTS = frozenset(
    bytes.fromhex(each)
    for each in [
        "1a45dfa3",
        "18538067",
        "114d9b74",
        "1549a966",
        "1f43b675",
        "1654ae6b",
        "1c53bb6b",
        "1941a469",
        "1043a770",
        "1254c367",
        "ec",
        "bf",
        "e7",
        "a7",
        "ab",
        "a3",
        "a0",
        "58d7",
    ]
)
"""The same of Matroska: header, segment, what lies in a segment or cluster of unknown length, void, CRC."""
_FLV_TAGS, _FLV_SIZE_BYTES = frozenset({8, 9, 18}), 4


def missing_bytes(path: Path) -> int:
    """How many bytes are missing at the end, by the recording's own header.

    MP4 and QuickTime, Matroska and WebM, AVI, FLV and MPEG transport streams are known.

    Returns:
        0 if it is whole, or of a container that says nothing about it.

    Raises:
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
        end = next((find(opened, size) for knows, find in _KNOWN if knows(head)), size)
    return max(0, end - size)


def _is_mp4(head: bytes) -> bool:
    return head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}


def _mp4_end(opened: BinaryIO, size: int) -> int:
    """Box after box (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= size:
        opened.seek(at)
        head = opened.read(16)
        if head[4:8] not in _BOXES:
            return size
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file
            return size
        at += length
    return at


def _riff_end(opened: BinaryIO, size: int) -> int:
    """One RIFF chunk after the other: a long AVI has several."""
    at = 0
    while at + 8 <= size:
        opened.seek(at)
        head = opened.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or length in {0, 0xFFFF_FFFF}:  # never finished, or an index behind
            return size
        at += 8 + length + length % 2
    return at


def _matroska_end(opened: BinaryIO, size: int) -> int:
    """The EBML header, then the segment (RFC 8794, RFC 9559); within one of no length, each element."""
    at = 0
    while at < size:
        opened.seek(at)
        head = opened.read(_ELEMENT_HEAD_BYTES)
        if head[: _width(head[:1], 4)] not in _ELEMENTS and size - at >= _ELEMENT_HEAD_BYTES:
            return size
        length = _element_bytes(head)
        if length is None:  # no element at all, unless the end cuts its head
            return size + 1 if 0 < size - at < _ELEMENT_HEAD_BYTES else size
        at += length
    return at


def _element_bytes(head: bytes) -> int | None:
    """How long an EBML element is with its head; of one without a length, its head alone."""
    first = _width(head[:1], 4)
    second = _width(head[first : first + 1], 8)
    if first == 0 or second == 0 or len(head) < first + second:
        return None
    told = int.from_bytes(head[first : first + second], "big") & ((1 << 7 * second) - 1)
    unknown = told == (1 << 7 * second) - 1  # what is within it follows
    return first + second + (0 if unknown else told)


def _width(first: bytes, most: int) -> int:
    """How many bytes an EBML number has, by the zeros that its first one begins with."""
    width = 9 - first[0].bit_length() if first else 0
    return width if 0 < width <= most else 0


def _flv_end(opened: BinaryIO, size: int) -> int:
    """Tag after tag, each with its own length behind it (Adobe's FLV 10.1, annex E.3)."""
    at = 9 + 4
    while at + 11 <= size:
        opened.seek(at)
        head = opened.read(4)
        if head[0] & 0x1F not in _FLV_TAGS:
            return size
        at += 11 + int.from_bytes(head[1:], "big") + _FLV_SIZE_BYTES
    # Some writers leave out the size behind the last tag.
    return max(0, at - _FLV_SIZE_BYTES)


def _ts_end(opened: BinaryIO, size: int) -> int:
    begin = size // _TS_PACKET_BYTES * _TS_PACKET_BYTES
    opened.seek(begin)
    return begin + _TS_PACKET_BYTES if opened.read(1) == b"G" else size


def _is_ts(head: bytes) -> bool:
    marks = range(0, min(len(head), 5 * _TS_PACKET_BYTES), _TS_PACKET_BYTES)
    return len(marks) > 1 and all(head[at] == ord("G") for at in marks)


_KNOWN: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, int], int]], ...] = (
    (_is_mp4, _mp4_end),
    (lambda head: head[:4] == b"RIFF", _riff_end),
    (lambda head: head[:4] == _EBML, _matroska_end),
    (lambda head: head[:3] == b"FLV", _flv_end),
    (_is_ts, _ts_end),
)
