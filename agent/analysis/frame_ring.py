"""A ring of recent frames in memory: by them a dry run judges what tracks cannot tell, as whether a bin overflows.

Small JPEGs with what the site masks blackened, in memory only, bounded in bytes, none while memory is short. With
them what the analysis knew before the oldest of them: the ground, and what stood already.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2

if TYPE_CHECKING:
    from datetime import datetime

    from agent.analysis.camera_pipeline import Pipeline
    from drivers.cameras import Frame, Picture

EVERY_S = 1.0
"""A frame whose colour is at hand is kept this often at most,"""
QUIET_S = 10.0
"""and one in which nothing has changed this often."""
KNOWN_EVERY_S = 60.0
"""What the analysis knows is kept this often."""
LONGEST_S = 180.0
"""What is older would cost a dry run more time than it is worth."""
QUALITY, LUMA_QUALITY = 75, 95


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """One frame: both its pictures as JPEG."""

    now_s: float
    at: datetime
    bgr: bytes
    luma: bytes


@dataclass(frozen=True, slots=True)
class Recent:
    """The frames of one camera, the oldest first, and what was known before them."""

    known: dict[str, Any]
    frames: tuple[KeptFrame, ...]


class FrameRing:
    """The recent frames of all cameras.

    Args:
        most_bytes: What they may take together; 0: none are kept.
        cameras: How many there are.
    """

    def __init__(self, most_bytes: int, cameras: int) -> None:
        self._most_bytes = most_bytes // max(1, cameras)
        self._lock = threading.Lock()
        self._frames: dict[str, deque[KeptFrame]] = {}
        self._known: dict[str, deque[tuple[float, dict[str, Any]]]] = {}

    def take(self, frame: Frame, pipeline: Pipeline) -> None:
        """Keep a judged frame if it is time for one. For the analysis.

        Args:
            frame: With the site's masks applied.
            pipeline: What was made of it.
        """
        if not self._most_bytes:
            return
        frames = self._frames.setdefault(frame.camera_id, deque())
        known = self._known.setdefault(frame.camera_id, deque())
        since_s = frame.monotonic_s - frames[-1].now_s if frames else QUIET_S
        if 0 <= since_s < (EVERY_S if pipeline.looked else QUIET_S):
            return
        kept = KeptFrame(
            frame.monotonic_s,
            frame.captured_at,
            _encoded(frame.bgr(), QUALITY),
            _encoded(frame.luma, LUMA_QUALITY),
        )
        # Of the moment before the frames that come: this one's own is in it already.
        due = not known or not 0 <= frame.monotonic_s - known[-1][0] < KNOWN_EVERY_S
        snapshot = pipeline.snapshot() if due else None
        with self._lock:
            if since_s < 0:  # another clock
                frames.clear()
                known.clear()
            if snapshot is not None:
                known.append((frame.monotonic_s, snapshot))
            frames.append(kept)
            self._forget(frames, known)

    def _forget(self, frames: deque[KeptFrame], known: deque[tuple[float, dict[str, Any]]]) -> None:
        size = sum(len(each.bgr) + len(each.luma) for each in frames)
        while frames and (
            size > self._most_bytes or frames[-1].now_s - frames[0].now_s > LONGEST_S
        ):
            gone = frames.popleft()
            size -= len(gone.bgr) + len(gone.luma)
        while len(known) > 1 and frames and known[1][0] < frames[0].now_s:
            known.popleft()

    def recent(self) -> dict[str, Recent]:
        """The frames of each camera after the oldest moment at which it is known what was there; from any thread."""
        with self._lock:
            return {
                camera_id: Recent(
                    known[0][1], tuple(each for each in frames if each.now_s > known[0][0])
                )
                for camera_id, frames in self._frames.items()
                if (known := self._known[camera_id]) and frames
            }


def _encoded(picture: Picture, quality: int) -> bytes:
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes() if done else b""
