"""Files that are long: written aside first, so that what goes wrong is still said, then sent piece by piece."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

from starlette.responses import Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kerbwatch_platform.web.desk import Desk

_PART_BYTES = 262_144
_IN_MEMORY_BYTES = 1_048_576


def kept_aside(desk: Desk) -> BinaryIO:
    """An empty file without a name, on the disk of the evidence; what is short stays in memory. It goes when it is closed."""
    folder = desk.settings.evidence_folder
    place = str(folder) if folder.is_dir() else None
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=place))


def file_answer(file: BinaryIO, name: str, media_type: str) -> Response:
    """A file to be kept, from its beginning; it is closed once it was sent.

    Args:
        file: What is in it.
        name: ASCII.
        media_type: What it is.
    """
    size_bytes = file.seek(0, 2)
    file.seek(0)
    told = {
        "content-disposition": f'attachment; filename="{name}"',
        "content-length": str(size_bytes),
    }
    return StreamingResponse(_parts(file), media_type=media_type, headers=told)


def _parts(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while part := file.read(_PART_BYTES):
            yield part
