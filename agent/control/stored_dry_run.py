"""A dry run over the tracks in a folder: for the agent's worker and for ``kerbwatch dry-run``, the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.analysis.dry_run import judged, stored_moments
from agent.control.dry_run_report import report
from agent.storage.track_log import blocks_of, cameras_of, read_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from agent.analysis.track_records import TrackMoment
    from agent.config.schema import Configuration
    from agent.control.messages.dry_run import DryRunResult
    from agent.storage.track_log import StoredBlock


class StoredTracks:
    """The tracks of all cameras, of the last hours.

    Args:
        folder: Their files.
        hours: How far to go back from the newest.
        tails: Camera → blocks that are not on the disk yet.
    """

    def __init__(self, folder: Path, hours: float, tails: Mapping[str, bytes]) -> None:
        self._folder, self._tails = folder, dict(tails)
        self.cameras = sorted({*cameras_of(folder), *tails})
        self.shapes: set[str] = set()
        """Of all zones that were drawn while those were noted that have been read."""
        newest = [at for each in self.cameras if (at := self._newest(each)) is not None]
        self.ends_at = max(newest, default=None)
        self.begins_at = None if self.ends_at is None else self.ends_at - timedelta(hours=hours)

    def _newest(self, camera_id: str) -> datetime | None:
        """When its last block began."""
        last = None
        for block in self._all(camera_id, headers_only=True):
            last = _began(block) or last
        return last

    def _all(self, camera_id: str, *, headers_only: bool = False) -> Iterator[StoredBlock]:
        yield from blocks_of(self._folder, camera_id, headers_only=headers_only)
        yield from read_blocks(self._tails.get(camera_id, b""), headers_only=headers_only)

    def blocks(self, camera_id: str) -> Iterator[StoredBlock]:
        """A camera's blocks of these hours, the oldest first."""
        for block in self._all(camera_id):
            at = _began(block)
            if at is not None and self.begins_at is not None and at >= self.begins_at:
                self.shapes.update(block.header.get("shapes", ()))
                yield block


def _began(block: StoredBlock) -> datetime | None:
    try:
        return datetime.fromisoformat(block.header["at"])
    except (KeyError, TypeError, ValueError):
        return None


def dry_run(
    now: Configuration,
    then: Configuration,
    tracks: StoredTracks,
    pace: Callable[[TrackMoment], None] = lambda _: None,
) -> DryRunResult:
    """Judge stored tracks by two configurations.

    Args:
        now: Today's.
        then: The proposal.
        tracks: What is judged.
        pace: Called after each moment.
    """
    streams = [stored_moments(each, tracks.blocks(each)) for each in tracks.cameras]
    first, second = judged([now, then], streams, pace)
    return report(first, second, then, tracks.shapes)
