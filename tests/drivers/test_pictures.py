"""Promises about pictures from outside: their header is read, and only then are they decoded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.pictures import (
    MAX_ASPECT,
    MAX_PX,
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    Picture,
    PictureError,
    PictureSizeError,
    decoded,
    frame_fault,
    read,
    size_of,
)
from tests.support.decompression_bombs import claiming, png_bomb
from tests.support.paths import ROOT

FORMATS = (".jpg", ".png", ".webp", ".bmp")


def encoded(suffix: str, picture: Picture, *options: int) -> Picture:
    done, content = cv2.imencode(suffix, picture, options)
    assert done
    return np.asarray(content, np.uint8).reshape(-1)


def paved(width: int, height: int, channels: int = 3) -> Picture:
    return np.random.default_rng(1).integers(256, size=(height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("suffix", FORMATS)
@given(width=st.integers(1, 300), height=st.integers(1, 300))
def test_a_header_tells_the_size_that_decoding_gives(suffix: str, width: int, height: int) -> None:
    content = encoded(suffix, paved(width, height))
    assert size_of(content.tobytes()) == (width, height)
    assert decoded(content).shape == (height, width, 3)


@pytest.mark.parametrize(
    ("suffix", "picture", "options"),
    [
        (".webp", paved(50, 41), (cv2.IMWRITE_WEBP_QUALITY, 60)),
        (".webp", paved(50, 41, 4), (cv2.IMWRITE_WEBP_QUALITY, 60)),
        (".webp", paved(50, 41), (cv2.IMWRITE_WEBP_QUALITY, 101)),
        (".jpg", paved(50, 41), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        (".jpg", paved(50, 41, 1), ()),
        (".png", paved(50, 41, 1), ()),
        (".png", paved(50, 41, 4), ()),
        (".png", paved(50, 41).astype(np.uint16) * 256, ()),
        (".bmp", paved(50, 41, 1), ()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_grey_alpha_and_16_bits_come_out_as_8_bits_of_colour(
    suffix: str, picture: Picture, options: tuple[int, ...]
) -> None:
    content = encoded(suffix, picture, *options)
    assert size_of(content.tobytes()) == (50, 41)
    bgr = decoded(content)
    assert bgr.shape == (41, 50, 3)
    assert bgr.dtype == np.uint8
    grey = decoded(content, cv2.IMREAD_GRAYSCALE)
    assert grey.shape == (41, 50)
    assert grey.dtype == np.uint8


def test_what_stands_before_a_jpegs_frame_does_not_hide_its_size() -> None:
    """Comments, fill bytes, and a thumbnail of another size inside an application's segment."""
    jpeg = encoded(".jpg", paved(60, 50)).tobytes()
    thumbnail = encoded(".jpg", paved(8, 8)).tobytes()
    inside = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    padded = jpeg[:2] + inside + b"\xff\xfe\x00\x04hi" + b"\xff\xff" + jpeg[2:]
    assert size_of(padded) == (60, 50)
    assert decoded(np.frombuffer(padded, np.uint8)).shape == (50, 60, 3)


@given(st.binary(max_size=300), st.sampled_from(FORMATS), st.integers(0, 299))
def test_what_is_no_picture_is_refused_and_never_crashes(
    content: bytes, suffix: str, cut: int
) -> None:
    torn = encoded(suffix, paved(40, 40)).tobytes()[:cut]
    for each in (content, torn[:12] + content, torn + content):
        try:
            decoded(np.frombuffer(each + b"\0", np.uint8))
        except PictureError:
            continue


def test_formats_whose_header_is_not_read_here_are_not_decoded() -> None:
    for suffix in (".tiff", ".jp2", ".ppm", ".hdr", ".gif"):
        with pytest.raises(PictureError, match="no JPEG, PNG, WebP or BMP"):
            decoded(encoded(suffix, paved(50, 50)))


@pytest.mark.parametrize("side", [12_000, 65_535])
def test_a_claim_of_too_many_pixels_is_refused_by_its_numbers(side: int) -> None:
    jpeg = claiming(encoded(".jpg", paved(64, 64)).tobytes(), side, side)
    with pytest.raises(PictureSizeError, match=f"{side} × {side} pixels is too large"):
        decoded(np.frombuffer(jpeg, np.uint8))
    with pytest.raises(PictureSizeError):
        decoded(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)


def test_a_bomb_is_not_decoded_into_memory(tmp_path: Path) -> None:
    """12000 × 12000 pixels would be 432 MB; refusing them takes none of it."""
    (tmp_path / "bomb.png").write_bytes(png_bomb(12_000))
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import resource, sys; from pathlib import Path; from drivers import pictures\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "try: pictures.read(Path(sys.argv[1]))\n"
            "except pictures.PictureSizeError: pass\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)",
            str(tmp_path / "bomb.png"),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert int(told.stdout) < 20_000  # KiB


def test_a_file_that_is_not_there_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="No such file"):
        read(tmp_path / "nowhere.png")
    with (tmp_path / "long.jpg").open("wb") as opened:
        opened.truncate(80 << 20)
    with pytest.raises(PictureSizeError, match="larger than 64 MiB"):
        read(tmp_path / "long.jpg")


@pytest.mark.parametrize(
    "size",
    [
        *((1, 1), (2, 2), (16, 2), (1, 4000), (4000, 1), (39, 39), (40, 641), (1281, 80), (0, 0)),
        *((-1, 40), (8193, 2000), (12_000, 12_000), (48_000, 27_000), (5000, 5000)),
    ],
)
def test_frames_of_absurd_sizes_are_refused_with_what_is_allowed(size: tuple[int, int]) -> None:
    fault = frame_fault(*size)
    assert fault is not None
    assert f"{size[0]} × {size[1]}" in fault


@given(st.integers(MIN_SIDE_PX, MAX_SIDE_PX), st.integers(MIN_SIDE_PX, MAX_SIDE_PX))
def test_every_other_size_is_taken(width: int, height: int) -> None:
    narrow = max(width, height) > MAX_ASPECT * min(width, height)
    assert (frame_fault(width, height) is None) == (width * height <= MAX_PX and not narrow)
