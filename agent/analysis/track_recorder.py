"""Keeps what a dry run needs of every judged frame: noted by the analysis, written by whoever may wait for a disk."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.analysis.track_records import TrackMoment, Writer, shape_of
from agent.storage.track_log import BlockPacker
from wording.known_errors import words_of

if TYPE_CHECKING:
    from agent.analysis.camera_pipeline import Pipeline
    from agent.perception.view_health.visibility import VisibleZones
    from agent.storage.track_log import TrackLog
    from drivers.cameras import Frame

BLOCK_S = 300.0
"""A block is of so long: a card wears by what is written, and a power cut costs the last block."""
MOST_UNPACKED_BYTES = 16_000_000
"""Or ends when it is so large."""
MOST_WAITING = 12
"""Blocks that wait for a disk; then the oldest are dropped."""
WRITE_EVERY_S = 5.0
TELL_EVERY = 20
"""Of the blocks that the disk did not take, every so many is said in the log."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Block:
    """The block of one camera that goes on."""

    pipeline: Pipeline
    writer: Writer
    packer: BlockPacker
    began_s: float


class TrackRecorder:
    """Notes the tracks of all cameras.

    Args:
        log: Where they are kept.
        boot_id: Of the boot on whose clock the frames are.
        verified: Whether there is a verifier that can be asked.
    """

    def __init__(self, log: TrackLog, boot_id: str, *, verified: bool) -> None:
        self._log, self._boot_id, self._verified = log, boot_id, verified
        self._lock = threading.Lock()
        self._blocks: dict[str, _Block] = {}
        self._waiting: deque[tuple[str, bytes, float]] = deque(maxlen=MOST_WAITING)
        self._refused = 0

    def take(self, frame: Frame, pipeline: Pipeline, seeing: VisibleZones) -> None:
        """Note one judged frame. For the analysis: it waits for no disk.

        Args:
            frame: Now.
            pipeline: What was made of it.
            seeing: What of its zones could be seen.
        """
        shapes = {zone.zone_id: shape_of(zone) for zone in pipeline.zones}
        scores = pipeline.scores
        moment = TrackMoment(
            pipeline.shown,
            frame.monotonic_s,
            frame.captured_at,
            frozenset(shapes[zone_id] for zone_id in seeing.unseen),
            {shapes[zone_id]: unseen_s for zone_id, unseen_s in seeing.resumed.items()},
            ()
            if scores is None
            else tuple((a, b, shapes[zone.zone_id], p) for a, b, zone, p in scores.probabilities),
            () if scores is None else tuple(scores.candidates),
        )
        with self._lock:
            block = self._block(frame, pipeline)
            block.packer.add(block.writer.record(moment))

    def _block(self, frame: Frame, pipeline: Pipeline) -> _Block:
        """The camera's block; another once it is long enough, or other zones are drawn."""
        block = self._blocks.get(frame.camera_id)
        if (
            block is not None
            and block.pipeline is pipeline
            and 0.0 <= frame.monotonic_s - block.began_s < BLOCK_S
            and block.packer.unpacked_bytes < MOST_UNPACKED_BYTES
        ):
            return block
        if block is not None:
            self._end(frame.camera_id, block)
        writer = Writer(
            frame.camera_id,
            self._boot_id,
            pipeline.zones,
            frame.monotonic_s,
            frame.captured_at,
            verified=self._verified,
        )
        block = _Block(pipeline, writer, BlockPacker(writer.header), frame.monotonic_s)
        self._blocks[frame.camera_id] = block
        return block

    def _end(self, camera_id: str, block: _Block) -> None:
        self._waiting.append((camera_id, block.packer.packed(), block.began_s))

    def tails(self) -> dict[str, bytes]:
        """What is not on the disk yet, by camera, as whole blocks; from any thread."""
        with self._lock:
            tails = dict.fromkeys(self._blocks, b"")
            for camera_id, packed, _ in self._waiting:
                tails[camera_id] += packed
            for camera_id, block in self._blocks.items():
                tails[camera_id] += block.packer.packed()
        return tails

    def forget(self) -> None:
        """Delete what is kept of a street that is watched no more.

        Raises:
            OSError: A file could not be deleted.
        """
        with self._lock:
            self._blocks, self._waiting = {}, deque(maxlen=MOST_WAITING)
        self._log.forget()

    def rest(self) -> None:
        """End every block, before a planned stop."""
        with self._lock:
            for camera_id, block in self._blocks.items():
                self._end(camera_id, block)
            self._blocks = {}
        self.write()

    def write(self) -> None:
        """Write the blocks that have ended. One that the disk does not take is given up: it proves nothing."""
        while True:
            with self._lock:
                if not self._waiting:
                    return
                camera_id, packed, began_s = self._waiting[0]
            try:
                self._log.append(camera_id, packed, began_s)
            except OSError as error:
                if self._refused % TELL_EVERY == 0:
                    _log.warning("tracks of the last hours are not kept: %s", words_of(error))
                self._refused += 1
            with self._lock:
                if self._waiting and self._waiting[0][1] is packed:
                    self._waiting.popleft()

    def run(self, stop: threading.Event) -> None:
        """Write in a thread of its own, until stopped."""
        while not stop.wait(WRITE_EVERY_S):
            self.write()
