"""Annotated pictures of what a replay sees: ``kerbwatch replay --show DIR``.

They show people as the camera saw them: they are for the technician beside the device, in bounded
number, and are sent nowhere.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from drivers.disk import make_folder
from provisioning.rendering import drawing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.analysis.camera_pipeline import Pipeline
    from agent.domain.case_lifecycle import Change
    from drivers.cameras import Frame, Picture

MAX_PICTURES = 500


class Show:
    """Writes one picture per change of a case, and one now and then.

    Args:
        folder: Where they go.
        every_s: At most one picture in this time of footage, changes of cases apart.
    """

    def __init__(self, folder: Path, every_s: float) -> None:
        make_folder(folder)
        self._folder, self._every_s = folder, every_s
        self._last_s: dict[str, float] = {}
        self._written: deque[Path] = deque()

    def take(self, frame: Frame, pipeline: Pipeline, changes: Sequence[Change]) -> None:
        """Look at one analysed frame.

        Raises:
            OSError: A picture could not be written.
        """
        last_s = self._last_s.get(frame.camera_id, float("-inf"))
        if not changes and frame.monotonic_s - last_s < self._every_s:
            return
        self._last_s[frame.camera_id] = frame.monotonic_s
        what = "".join(f"-{each.type.removeprefix('case.')}-{each.case.kind}" for each in changes)
        name = f"{frame.camera_id}-{frame.monotonic_s:010.1f}{what}.jpg"
        path = self._folder / name
        drawing.save(path, annotated(frame, pipeline, changes))
        self._written.append(path)
        while len(self._written) > MAX_PICTURES:
            self._written.popleft().unlink(missing_ok=True)


def annotated(frame: Frame, pipeline: Pipeline, changes: Sequence[Change]) -> Picture:
    """The frame with zones, looked-at regions, tracks and what changed.

    Returns:
        uint8 (H, W, 3), a copy.
    """
    picture = frame.bgr().copy()
    for zone in pipeline.zones:
        drawing.outline(picture, zone.polygon, drawing.CYAN)
        x, y = zone.box.left, zone.box.top
        at_px = (int(x * picture.shape[1]) + 4, int(y * picture.shape[0]) + 16)
        drawing.write(picture, f"{zone.zone_id} ({zone.kind.name})", at_px, drawing.CYAN)
    drawing.frame(picture, pipeline.looked, drawing.GREY)
    for track in pipeline.tracks:
        label = f"{track.label} {track.track_id} {track.confidence:.2f}"
        if track.still_since_s is not None:
            label += f" stands {frame.monotonic_s - track.still_since_s:.0f} s"
        colour = drawing.GREEN if track.seen_now else drawing.YELLOW
        drawing.frame(picture, [track.box], colour, label)
    lines = [f"{frame.camera_id}  {frame.monotonic_s:.1f} s"]
    for change in changes:
        drawing.frame(picture, [member.box for member in change.case.members], drawing.RED)
        lines.append(f"{change.type} {change.case.kind} in {change.case.zone_id}")
    for row, line in enumerate(lines):
        drawing.write(picture, line, (8, 20 + 20 * row), (255, 255, 255))
    return picture
