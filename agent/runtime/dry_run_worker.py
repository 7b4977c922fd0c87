"""The process of a dry run: judges stored tracks beside the agent, at a quarter of one core, and ends with it.

``python -m agent.runtime.dry_run_worker`` takes its job on standard input and says on standard output how far it
is, one JSON document a line (:mod:`agent.runtime.dry_runs`). A process of its own: its judging takes no turn of the
interpreter from the analysis, its memory is given back, and when memory is short it goes first.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agent.config.loading import from_tables
from agent.control.dry_run_report import recent_report
from agent.control.messages.base import Words
from agent.control.stored_dry_run import StoredTracks, dry_run
from agent.runtime.ring_frames import RingFrame
from wording.known_errors import words_of

if TYPE_CHECKING:
    from agent.analysis.track_records import TrackMoment
    from agent.config.schema import Configuration
    from agent.control.messages.dry_run import RecentResult

LENGTH = struct.Struct("<Q")
DUTY = 0.25
"""Of one core."""
STEP_S = 0.05
"""It rests after so much work."""
AFTER_TRACKS = 0.4
"""How far it is when the tracks are judged and the frames are not."""
GOES_FIRST = 1000
"""To the kernel, where memory runs out."""
NICE = 10


class Pace:
    """Rests, says how far it is, and ends when nobody wants the result any more.

    Args:
        begins_at, ends_at: Of what is judged.
        stdin: Closed by the agent when it ends, or gives the run up.
        shares: From which share of the whole to which this goes.
    """

    def __init__(
        self,
        begins_at: datetime | None,
        ends_at: datetime | None,
        stdin: BinaryIO,
        shares: tuple[float, float],
    ) -> None:
        self._begins_at, self._ends_at, self._stdin = begins_at, ends_at, stdin
        self._first, self._last = shares
        self._began_s, self._told = time.process_time(), self._first

    def __call__(self, moment: TrackMoment) -> None:
        """Called after each moment."""
        spent_s = time.process_time() - self._began_s
        if spent_s < STEP_S:
            return
        begins, ends = self._begins_at, self._ends_at
        if begins is not None and ends is not None:
            share = min(1.0, (moment.at - begins) / max(ends - begins, ends.resolution))
            self._told = max(self._told, self._first + share * (self._last - self._first))
            tell({"share": round(self._told, 3)})
        given_up, _, _ = select.select([self._stdin], [], [], spent_s * (1 / DUTY - 1))
        if given_up:
            sys.exit(1)
        self._began_s = time.process_time()


def tell(told: dict[str, Any]) -> None:
    """Tell the agent."""
    print(json.dumps(told, ensure_ascii=False), flush=True)


def give_way() -> None:
    """Let everything else go first. The agent's unit allows the second of both only."""
    with suppress(OSError):
        os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(GOES_FIRST), encoding="ascii")


def main() -> None:
    """Do one job."""
    give_way()
    stdin = sys.stdin.buffer
    head = json.loads(_exactly(stdin, LENGTH.unpack(_exactly(stdin, LENGTH.size))[0]))
    tails = {camera_id: _exactly(stdin, length) for camera_id, length in head["tails"].items()}
    frames = {
        camera_id: (one["known"], [_frame(stdin, *each) for each in one["frames"]])
        for camera_id, one in head["recent"].items()
    }
    tracks = StoredTracks(Path(head["tracks"]), head["hours"], tails)
    try:
        now, then = (from_tables(head[name]) for name in ("now", "then"))
        of_tracks = (0.0, AFTER_TRACKS if frames else 0.99)
        pace = Pace(tracks.begins_at, tracks.ends_at, stdin, of_tracks)
        result = dry_run(now, then, tracks, pace)
        if frames:
            result = result.model_copy(update={"recent": _recent(then, frames, stdin)})
    except (OSError, ValueError) as error:
        words = words_of(error) if isinstance(error, OSError) else str(error)
        tell({"failed": Words.of(words).model_dump()})
        return
    tell({"result": result.model_dump(mode="json")})


def _recent(
    then: Configuration, frames: dict[str, tuple[dict[str, Any], list[RingFrame]]], stdin: BinaryIO
) -> RecentResult | None:
    """What the frames give; None where a network cannot be used: the tracks' result stands by itself."""
    # Only who has frames pays for the networks.
    from agent.inference import ModelError  # noqa: PLC0415
    from agent.runtime.ring_dry_run import ring_dry_run  # noqa: PLC0415

    times = [each.at for _, kept in frames.values() for each in kept]
    pace = Pace(min(times, default=None), max(times, default=None), stdin, (AFTER_TRACKS, 0.99))
    try:
        return recent_report(*ring_dry_run(then, frames, pace))
    except ModelError as error:
        print(error, file=sys.stderr)
        return None


def _frame(stdin: BinaryIO, now_s: float, at: str, bgr_bytes: int, luma_bytes: int) -> RingFrame:
    at_utc = datetime.fromisoformat(at)
    return RingFrame(now_s, at_utc, _exactly(stdin, bgr_bytes), _exactly(stdin, luma_bytes))


def _exactly(stdin: BinaryIO, length: int) -> bytes:
    content = stdin.read(length)
    if len(content) != length:
        sys.exit(1)
    return content


if __name__ == "__main__":
    main()
