"""Whether bytes are a picture that may be shown: a JPEG, whole, of a size that a camera has.

Everything that arrives is hostile. The format is given, not guessed; the size is read from the header before anything
is unpacked; how often the picture may be painted over is bounded, as each scan of a progressive JPEG costs as much as
a whole picture (a few kilobytes could keep a processor busy for hours).
"""

from __future__ import annotations

import io
import warnings

from PIL import Image

MOST_PIXELS = 25_000_000
MOST_SCANS = 20
"""A usual progressive JPEG has 10."""
_SCAN = b"\xff\xda"
"""Start of a scan (ITU-T T.81, B.1.1.3). Within a scan a byte FF is followed by 00 or a restart marker."""
_MODES = {"L", "RGB"}


class NoPictureError(ValueError):
    """Bytes that may not be shown; ``code`` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def checked(content: bytes) -> tuple[int, int]:
    """Width and height in pixels of a JPEG that can be read to its end.

    Raises:
        NoPictureError: ``no_jpeg``, ``too_large`` (in pixels), ``too_many_scans`` or ``damaged``.
    """
    if not content.startswith(b"\xff\xd8\xff"):
        raise NoPictureError("no_jpeg")
    if content.count(_SCAN) > MOST_SCANS:
        raise NoPictureError("too_many_scans")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # also the one about decompression bombs
            return _read(content)
    except NoPictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NoPictureError("too_large") from error
    except Exception as error:  # a reader of hostile bytes may stumble over them in any way
        raise NoPictureError("damaged") from error


def _read(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise NoPictureError("too_large")
        if picture.mode not in _MODES:
            raise NoPictureError("no_jpeg")
        picture.load()
    return width, height
