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
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from agent.config.loading import from_tables
from agent.control.messages.base import Words
from agent.control.stored_dry_run import StoredTracks, dry_run
from wording.known_errors import words_of

if TYPE_CHECKING:
    from agent.analysis.track_records import TrackMoment

LENGTH = struct.Struct("<Q")
DUTY = 0.25
"""Of one core."""
STEP_S = 0.05
"""It rests after so much work."""
GOES_FIRST = 1000
"""To the kernel, where memory runs out."""
NICE = 10


class Pace:
    """Rests, says how far it is, and ends when nobody wants the result any more.

    Args:
        tracks: What is judged.
        stdin: Closed by the agent when it ends, or gives the run up.
    """

    def __init__(self, tracks: StoredTracks, stdin: BinaryIO) -> None:
        self._tracks, self._stdin = tracks, stdin
        self._began_s, self._told = time.process_time(), 0.0

    def __call__(self, moment: TrackMoment) -> None:
        """Called after each moment."""
        spent_s = time.process_time() - self._began_s
        if spent_s < STEP_S:
            return
        begins, ends = self._tracks.begins_at, self._tracks.ends_at
        if begins is not None and ends is not None:
            share = (moment.at - begins) / max(ends - begins, ends.resolution)
            self._told = max(self._told, min(0.99, share))
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
    tracks = StoredTracks(Path(head["tracks"]), head["hours"], tails)
    try:
        now, then = (from_tables(head[name]) for name in ("now", "then"))
        result = dry_run(now, then, tracks, Pace(tracks, stdin))
    except (OSError, ValueError) as error:
        tell(
            {
                "failed": Words.of(
                    words_of(error) if isinstance(error, OSError) else str(error)
                ).model_dump()
            }
        )
        return
    tell({"result": result.model_dump(mode="json")})


def _exactly(stdin: BinaryIO, length: int) -> bytes:
    content = stdin.read(length)
    if len(content) != length:
        sys.exit(1)
    return content


if __name__ == "__main__":
    main()
