"""What can happen to a camera's view, put into footage: for tests and for `benchmarks.viewguard`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Fault = Callable[[Picture], Picture]


def covered(share: float, brightness: int = 60) -> Fault:
    """Something opaque before the right part of the lens."""

    def fault(bgr: Picture) -> Picture:
        result = bgr.copy()
        result[:, round(bgr.shape[1] * (1 - share)) :] = brightness
        return result

    return fault


def moved(share: float) -> Fault:
    """The post was hit: what was in the middle is aside, by a share of the width."""

    def fault(bgr: Picture) -> Picture:
        height, width = bgr.shape[:2]
        by = np.array([[1, 0, share * width], [0, 1, 0.3 * share * width]], np.float32)
        shifted = cv2.warpAffine(bgr, by, (width, height), borderMode=cv2.BORDER_REFLECT)
        return shifted.astype(np.uint8)

    return fault


def turned(degrees: float) -> Fault:
    """The camera hangs askew."""

    def fault(bgr: Picture) -> Picture:
        height, width = bgr.shape[:2]
        by = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        turned = cv2.warpAffine(bgr, by, (width, height), borderMode=cv2.BORDER_REFLECT)
        return turned.astype(np.uint8)

    return fault


def blurred(sigma_px: float) -> Fault:
    """Out of focus; the sigma is that of a picture 1280 pixels wide."""

    def fault(bgr: Picture) -> Picture:
        sigma = sigma_px * bgr.shape[1] / 1280
        return cv2.GaussianBlur(bgr, (0, 0), sigma).astype(np.uint8)

    return fault


def darkened(gamma: float) -> Fault:
    table = (255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return lambda bgr: table[bgr]


def over_exposed(gain: float) -> Fault:
    return lambda bgr: np.clip(bgr * float(gain), 0, 255).astype(np.uint8)


def frozen() -> Fault:
    """The first picture again and again."""
    first: list[Picture] = []

    def fault(bgr: Picture) -> Picture:
        first.append(bgr)
        return first[0]

    return fault


Overlay = Callable[[Picture, int], Picture]
"""What a camera writes into a picture at a second."""
CORNERS = {"top left": (0.01, 0.06), "top right": (0.56, 0.06), "bottom left": (0.01, 0.97), "bottom right": (0.56, 0.97)}  # fmt: skip


def clock(corner: str = "top left", *, seconds: bool = True, lines: int = 1) -> Overlay:
    """Date and time; with a second line, the camera's name stands still beside it."""

    def overlay(bgr: Picture, second: int) -> Picture:
        at = f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}"
        texts = [f"2026-03-01 {at}" + (f":{second % 60:02d}" if seconds else ""), "CAM 01"]
        x, y = CORNERS[corner]
        result = bgr.copy()
        for line, text in enumerate(texts[:lines]):
            step = 0.055 if y < 0.5 else -0.055
            _text(result, text, x, y + line * step)
        return result

    return overlay


def recording_dot() -> Overlay:
    """A red dot that blinks, two seconds on and one off."""

    def overlay(bgr: Picture, second: int) -> Picture:
        result = bgr.copy()
        if second % 3:
            height, width = bgr.shape[:2]
            cv2.circle(
                result, (int(0.96 * width), int(0.06 * height)), height // 50, (0, 0, 255), -1
            )
        return result

    return overlay


def ticker() -> Overlay:
    """A text that runs along the lower edge."""

    def overlay(bgr: Picture, second: int) -> Picture:
        result = bgr.copy()
        for begin in range(-2, 3):
            _text(
                result, "NO PARKING HERE - TRAFFIC POLICE", begin * 0.9 - 0.07 * second % 0.9, 0.97
            )
        return result

    return overlay


def _text(bgr: Picture, text: str, x: float, y: float) -> None:
    height, width = bgr.shape[:2]
    at = (int(x * width), int(y * height))
    scale = height / 700
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        cv2.putText(bgr, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)


def film(
    source: Path,
    to: Path,
    fault: Fault,
    *,
    from_s: float,
    until_s: float,
    frames_per_s: float = 2,
    width: int = 640,
    ends_s: float = 1e9,
) -> Path:
    """Write footage again, without loss, with a fault between two times."""
    pictures = _thinned(source, frames_per_s, width, ends_s)
    size = (width, pictures[0].shape[0])
    writer = cv2.VideoWriter(str(to), cv2.VideoWriter.fourcc(*"FFV1"), frames_per_s, size)
    assert writer.isOpened()
    for number, picture in enumerate(pictures):
        inside = from_s <= number / frames_per_s < until_s
        writer.write(fault(picture.copy()) if inside else picture)
    writer.release()
    return to


@lru_cache(maxsize=1)
def _thinned(source: Path, frames_per_s: float, width: int, ends_s: float) -> list[Picture]:
    """A film's pictures, smaller and fewer; read once for all the faults that are put into it."""
    video = cv2.VideoCapture(str(source))
    every = round(video.get(cv2.CAP_PROP_FPS) / frames_per_s)
    aspect = video.get(cv2.CAP_PROP_FRAME_HEIGHT) / video.get(cv2.CAP_PROP_FRAME_WIDTH)
    size = (width, round(width * aspect))
    pictures, number = [], 0
    while number / every / frames_per_s < ends_s and video.grab():
        if number % every == 0:
            picture = cv2.resize(video.retrieve()[1], size, interpolation=cv2.INTER_AREA)
            pictures.append(picture.astype(np.uint8))
        number += 1
    video.release()
    return pictures
