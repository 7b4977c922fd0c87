"""Sharpness and noise of each camera's picture, for the status file: by the frames that the analysis took last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.perception.picture_quality import noise, sharpness

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.cameras import Frame, Picture


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one camera's picture, in grey levels; None while it is not known."""

    sharpness: float | None = None
    noise: float | None = None


class PictureFigures:
    """Measures each camera's newest frame, and compares it with the one that was measured before.

    Args:
        last_frame: A camera's last frame; None: there was none yet. Asked from the caller's thread.
    """

    def __init__(self, last_frame: Callable[[str], Frame | None]) -> None:
        self._last_frame = last_frame
        self._measured: dict[
            str, tuple[int, Picture]
        ] = {}  # not the frame: its colour picture is large
        self._known: dict[str, Figures] = {}

    def of(self, camera_id: str) -> Figures:
        """A camera's figures now; for one thread."""
        frame = self._last_frame(camera_id)
        if frame is None:
            return Figures()
        sequence, before = self._measured.get(camera_id, (None, None))
        if sequence != frame.sequence:
            self._measured[camera_id] = frame.sequence, frame.luma
            found = None if before is None else noise(before, frame.luma)
            self._known[camera_id] = Figures(
                round(sharpness(frame.luma), 2), None if found is None else round(found, 2)
            )
        return self._known[camera_id]
