"""A video file as a camera: replays hours of footage in minutes, or at the pace it was taken.

``pace = "fast"`` gives every frame as soon as it is asked for; frames carry the file's own times.
``pace = "real_time"`` behaves as a live camera does: frames come when they are due on the real
clock, and those the reader is too late for are dropped.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import Field, field_validator

from drivers.cameras import CameraError, CameraSettings, Frame, Picture
from drivers.cameras._containers import missing_bytes
from drivers.cameras._ffmpeg import FORMATS, announced_size_px, open_stream
from drivers.cameras._recorded import (
    DEFAULT_STARTS_AT,
    StartsAt,
    assert_shows_a_street,
    content_hash,
    fitted,
    luma_of,
    shared,
)
from drivers.pacing import Thinning
from drivers.pictures import size_of
from wording.known_errors import reason_of
from wording.messages import said
from wording.validation import no_address

_ASSUMED_RATE = 25.0
_HEAD_BYTES = 1 << 20
_MISSING_SHARE = 0.02
"""Containers round their frame count; more than this share missing is worth a word."""


class Settings(CameraSettings):
    """Settings of a video file.

    Attributes:
        path: The file: a film that OpenCV's FFmpeg reads, or a single picture.
        pace: ``fast`` or ``real_time``.
        starts_at: The wall-clock time of the first frame. Left out: 2026-01-01T10:00:00+08:00
            when fast, so that replays agree; the moment of opening in real time.
        loop: Begin again at the end, time going on.
        frames_per_s: Keep frames at this rate only, by their times; the others are not decoded
            to colour. Left out: all of them.
    """

    path: Path
    pace: Literal["fast", "real_time"] = "fast"
    starts_at: StartsAt | None = None
    loop: bool = False
    frames_per_s: float | None = Field(default=None, gt=0)

    @field_validator("path", mode="before")
    @classmethod
    def _no_address(cls, path: object) -> object:
        return no_address(path)


def open_camera(camera_id: str, settings: Settings) -> VideoFile:
    """Open a video file.

    Raises:
        CameraError: There is no such file, or no picture in it.
    """
    return VideoFile(camera_id, settings)


class _Reel:
    """One pass through the file: frames with times that always increase."""

    def __init__(self, camera_id: str, path: Path) -> None:
        self._camera_id, self._path = camera_id, path
        only = {"protocol_whitelist": "file", "format_whitelist": f"{FORMATS},image2"}
        self._capture = open_stream(str(path), only)
        if not self._capture.isOpened():
            raise CameraError(
                camera_id, said("{file} is not a video that can be read", file=path.name)
            )
        if size_px := announced_size_px(self._capture):  # before anything so large is decoded
            assert_shows_a_street(camera_id, *size_px)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.interval_s = 1 / (rate if math.isfinite(rate) and rate > 0 else _ASSUMED_RATE)
        self._promised = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._grabbed = 0
        self.at_s = -1.0
        """The time of the frame grabbed last, on the file's own clock."""

    def grab(self) -> bool:
        """Move on to the next frame; False at the end.

        Raises:
            CameraError: The file is cut off: its container has more than there is.
        """
        if not self._capture.grab():
            self._assert_whole()
            return False
        stamp_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if not math.isfinite(stamp_s) or stamp_s <= self.at_s:
            # Some containers give no times, or the same one twice: count on from the last.
            stamp_s = self.at_s + self.interval_s if self._grabbed else 0.0
        self.at_s = stamp_s
        self._grabbed += 1
        return True

    def _assert_whole(self) -> None:
        try:
            missing = missing_bytes(self._path)
        except OSError as error:
            raise CameraError(self._camera_id, reason_of(error)) from error
        if missing == 0:
            return
        if self._grabbed < self._promised:
            reason = said(
                "the file is damaged: broke off after {grabbed} of {promised} frames",
                grabbed=self._grabbed,
                promised=self._promised,
            )
        else:
            reason = said(
                "the file is damaged: it is cut off after frame {grabbed}", grabbed=self._grabbed
            )
        raise CameraError(self._camera_id, reason)

    @property
    def remark(self) -> str | None:
        """What is odd about a whole file: frames that its container promises and has not got."""
        if self._grabbed >= self._promised * (1 - _MISSING_SHARE) - 1:
            return None
        return said(
            "{file} was read to its end: {grabbed} frames, where its container estimates {promised}",
            file=self._path.name,
            grabbed=self._grabbed,
            promised=self._promised,
        )

    def first_picture(self) -> Picture:
        """Grab and decode the first frame; a file without one is closed again."""
        try:
            if self.grab():
                return self.picture()
        except CameraError:
            self.close()
            raise
        self.close()
        raise CameraError(self._camera_id, said("there is no picture in the file"))

    def picture(self) -> Picture:
        """Decode the frame that was grabbed."""
        read, bgr = self._capture.retrieve()
        if not read or bgr is None or bgr.ndim != 3:
            raise CameraError(
                self._camera_id, said("frame {number} cannot be decoded", number=self._grabbed - 1)
            )
        return np.asarray(bgr, dtype=np.uint8)

    def close(self) -> None:
        self._capture.release()


class VideoFile:
    """An open video file. See :class:`drivers.cameras.Camera`."""

    def __init__(self, camera_id: str, settings: Settings) -> None:
        self._camera_id, self._settings = camera_id, settings
        path = settings.path
        try:
            self.source = f"{path.name} sha256:{content_hash([path])}"
            with path.open("rb") as opened:
                claimed = size_of(opened.read(_HEAD_BYTES))
        except OSError as error:
            reason = said("{file}: {reason}", file=path, reason=reason_of(error))
            raise CameraError(camera_id, reason) from error
        if claimed is not None:  # a single picture will do, but FFmpeg decodes it when it opens it
            assert_shows_a_street(camera_id, *claimed)
        self._reel = _Reel(camera_id, path)
        # The first frame is grabbed here: its size is the truth, the container's is a claim.
        self._first_picture: Picture | None = self._reel.first_picture()
        height, width = self._first_picture.shape[:2]
        assert_shows_a_street(camera_id, width, height)
        self.size_px = (width, height)
        self._thinning = Thinning(settings.frames_per_s)
        self._sequence = -1
        self._first_s = self._reel.at_s
        self._passed_s = 0.0
        """How much time earlier passes of a loop took."""
        self._began_s: float | None = None
        self.remark: str | None = None
        """What is to be said of the file, once it has come to its end."""
        self._starts_at = self._first_moment()

    @property
    def live(self) -> bool:
        return self._settings.pace == "real_time"

    def read(self) -> Frame | None:
        """Give the next frame that is kept; in real time, wait until it is due."""
        while self._advance():
            at_s = self._passed_s + self._reel.at_s
            if not self._thinning.keeps(at_s):
                continue
            self._sequence += 1
            if not self.live:
                return self._frame(at_s, at_s)
            due_s = self._due_s(at_s)
            if self._worth_showing(due_s):
                return self._frame(at_s, due_s)
        return None

    def close(self) -> None:
        self._reel.close()

    def _first_moment(self) -> datetime:
        if self._settings.starts_at is not None:
            return self._settings.starts_at
        return datetime.now(UTC) if self.live else DEFAULT_STARTS_AT

    def _advance(self) -> bool:
        if self._sequence < 0 and self._first_picture is not None:
            return True  # grabbed when the file was opened
        self._first_picture = None
        if self._reel.grab():
            return True
        self.remark = self._reel.remark
        if not self._settings.loop:
            return False
        self._passed_s += self._reel.at_s + self._reel.interval_s - self._first_s
        self._reel.close()
        self._reel = _Reel(self._camera_id, self._settings.path)
        return self._reel.grab()

    def _due_s(self, at_s: float) -> float:
        if self._began_s is None:
            self._began_s = time.monotonic()
        return self._began_s + at_s - self._first_s

    def _worth_showing(self, due_s: float) -> bool:
        """Wait for a frame that is early; refuse one whose successor is due already."""
        if self._sequence == 0:
            return True  # the clock began with it
        rate = self._settings.frames_per_s
        interval_s = max(self._reel.interval_s, 1 / rate if rate else 0.0)
        ahead_s = due_s - time.monotonic()
        if ahead_s > 0:
            time.sleep(ahead_s)
        return ahead_s > -interval_s

    def _frame(self, at_s: float, monotonic_s: float) -> Frame:
        decoded = self._first_picture if self._first_picture is not None else self._reel.picture()
        picture = shared(fitted(decoded, self.size_px))
        captured_at = self._starts_at + timedelta(seconds=at_s - self._first_s)
        return Frame(
            camera_id=self._camera_id,
            sequence=self._sequence,
            luma=luma_of(picture),
            bgr=lambda: picture,
            monotonic_s=monotonic_s,
            captured_at=captured_at.astimezone(UTC),
        )
