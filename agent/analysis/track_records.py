"""What a dry run needs of each frame, as short records: tracks and figures, no picture.

A record says only what has changed since the one before; the first one of a block says everything. So a quiet
street costs next to nothing, and every block can be read without the others. What is written:

- ``t``: milliseconds since the record before (of the first: since the block's ``at_s``), ``x``: the moment itself,
  where a recording's misses the millisecond by a rounding, ``a``: what the wall clock was set by since then, in
  milliseconds;
- ``o``: regions looked at, what the network saw there by which rules go, and what is unseen;
- ``k``: tracks by their numbers, and ``g``: those that are gone;
- ``n``: what is new on the ground; ``r``: it was looked at again, and is the same;
- ``c``: regions that had changed; ``u``: zones that were unseen; ``e``: those that are seen again;
- ``s``: what a classifier said of a zone; ``v``: what the verifier said of a candidate.

Boxes are in ten-thousandths of the frame, times in milliseconds from the block's ``at_s``. Of people and
vehicles there is a box, a number and a label: nothing by which anybody could be recognised.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.analysis.zone_judging import Shown
from agent.domain.labels import GOODS
from agent.domain.scene import Box, Detection, Observation, Track
from agent.perception.background_model import NewThing, Novelty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.domain.scene import Zone

VERSION = 1
COUNTED = GOODS | {"rubbish"}
"""Labels of detections by which scenarios go; of the others they go by the tracks."""
FINE, COARSE = 10_000, 1_000
"""Parts of the frame in which boxes of what stands, and of what moves, are told."""
A_ROUNDING_S = 1e-6
"""Rules compare differences of times: what is ten seconds by one rounding is a little less by another."""
CLOCK_SET_MS = 50
"""Less is the wall clock's drift."""

Record = dict[str, Any]
Answer = tuple[Box, Mapping[str, float] | None]


@dataclass(frozen=True, slots=True)
class TrackMoment:
    """One frame of one camera, as far as rules go by it.

    Attributes:
        shown: What it shows; None: no zone could be seen.
        now_s: On the frames' clock.
        at: The same moment in UTC.
        unseen: Drawn zones that could not be seen, by their shapes (:func:`shape_of`).
        resumed: Those that are seen again, and for how many seconds they were not.
        probabilities: Answers of classifiers about zones: classifier, meaning, the zone's shape, 0 to 1.
        candidates: Answers of the verifier.
    """

    shown: Shown | None
    now_s: float
    at: datetime
    unseen: frozenset[str] = frozenset()
    resumed: Mapping[str, float] = field(default_factory=dict)
    probabilities: tuple[tuple[str, str, str, float], ...] = ()
    candidates: tuple[Answer, ...] = ()


def shape_of(zone: Zone) -> str:
    """A name of what is drawn, whatever the zone is called: its kind and its polygon."""
    drawn = ";".join(f"{x:.4f},{y:.4f}" for x, y in zone.polygon)
    return f"{zone.kind.name}-{hashlib.sha256(drawn.encode()).hexdigest()[:10]}"


class Writer:
    """Makes the records of one block.

    Args:
        camera_id: The camera.
        boot_id: Of the boot on whose clock the frames are.
        zones: Those that are drawn.
        verified: Whether there is a verifier that can be asked.
        now_s: When the block begins.
        at: The same moment in UTC.
    """

    def __init__(
        self,
        camera_id: str,
        boot_id: str,
        zones: Sequence[Zone],
        now_s: float,
        at: datetime,
        *,
        verified: bool,
    ) -> None:
        self._at_s, self._at = now_s, at
        self._then_ms = self._clock_ms = 0
        self._said: Record = {}
        self._seen: Observation | None = None
        self._tracks: dict[int, list[Any]] = {}
        self._novelty: Novelty | None = None
        self.header: Record = {
            "version": VERSION,
            "camera_id": camera_id,
            "boot_id": boot_id,
            "at_s": now_s,
            "at": at.isoformat(),
            "shapes": [shape_of(zone) for zone in zones],
            "verified": verified,
        }

    def record(self, moment: TrackMoment) -> Record:
        """One frame's record."""
        now_ms = round((moment.now_s - self._at_s) * 1000)
        told: Record = {"t": now_ms - self._then_ms}
        self._then_ms = now_ms
        if 0 < abs(moment.now_s - _moment(self._at_s, now_ms)) < A_ROUNDING_S:
            told["x"] = moment.now_s
        clock_ms = round((moment.at - self._at).total_seconds() * 1000) - now_ms
        if abs(clock_ms - self._clock_ms) > CLOCK_SET_MS:
            told["a"], self._clock_ms = clock_ms - self._clock_ms, clock_ms
        if moment.shown is None:
            self._tell(told, "o", None)
            self._seen = None
        else:
            self._tell_shown(told, moment.shown, now_ms)
        self._tell(told, "u", sorted(moment.unseen))
        if moment.resumed:
            told["e"] = {shape: round(s, 3) for shape, s in moment.resumed.items()}
        if moment.probabilities:
            told["s"] = [[*names, round(found, 4)] for *names, found in moment.probabilities]
        if moment.candidates:
            told["v"] = [
                [_box(box), None if said is None else {k: round(p, 4) for k, p in said.items()}]
                for box, said in moment.candidates
            ]
        return told

    def _tell(self, told: Record, key: str, value: Any) -> None:
        """Say what is not as it was."""
        if key not in self._said or self._said[key] != value:
            told[key] = self._said[key] = value

    def _tell_shown(self, told: Record, shown: Shown, now_ms: int) -> None:
        if shown.observation is not self._seen:  # as long as it is the same, so is what it says
            self._seen = shown.observation
            self._tell(told, "o", _observation(shown.observation))
        self._tell(told, "c", [_box(box) for box in shown.changed])
        tracks = {each.track_id: self._track(each, shown.now_s) for each in shown.tracks}
        if gone := sorted(self._tracks.keys() - tracks.keys()):
            told["g"] = gone
        if news := {str(n): one for n, one in tracks.items() if self._tracks.get(n) != one}:
            told["k"] = news
        self._tracks = tracks
        if shown.novelty is not None and shown.novelty is not self._novelty:
            self._novelty = shown.novelty
            named = any(each.label in GOODS for each in shown.tracks)
            before = self._said.get("n")
            self._tell(told, "n", self._new(shown.novelty, now_ms, cells=named))
            if before == self._said["n"]:
                told["r"] = 1

    def _ms(self, moment_s: float | None) -> int | None:
        return None if moment_s is None else round((moment_s - self._at_s) * 1000)

    def _track(self, track: Track, now_s: float) -> list[Any]:
        parts = COARSE if track.still_since_s is None else FINE
        last = None if track.last_seen_s == now_s else self._ms(track.last_seen_s)
        return [
            track.label,
            _box(track.box, parts),
            round(track.confidence, 3),
            self._ms(track.first_seen_s),
            last,
            self._ms(track.still_since_s),
            int(track.seen_now),
            round(track.support, 3),
            self._ms(track.missed_since_s),
        ]

    def _new(self, novelty: Novelty, now_ms: int, *, cells: bool) -> list[Any]:
        things = []
        for each in novelty.things:
            last_ms, since_ms = self._ms(each.last_s), self._ms(each.since_s)
            assert last_ms is not None
            things.append(
                [_box(each.box), each.cells, since_ms, now_ms - last_ms, round(each.structure, 2)]
            )
        shape = list(novelty.standing.shape)
        packed = np.packbits(novelty.standing).tobytes() if cells else b""
        return [int(novelty.learned), things, shape, base64.b64encode(packed).decode()]


@dataclass(slots=True)
class _State:
    """What a block's records have said up to one of them."""

    at_s: float
    exact_s: dict[int, float] = field(default_factory=dict)
    """Milliseconds → the moment itself, where it is not a whole one."""
    observation: Observation | None = None
    changed: tuple[Box, ...] = ()
    tracks: dict[int, list[Any]] = field(default_factory=dict)
    novelty: Novelty | None = None
    new: list[Any] | None = None
    unseen: frozenset[str] = frozenset()

    def moment(self, ms: int) -> float:
        """A moment of the frames' clock."""
        return self.exact_s.get(ms) or _moment(self.at_s, ms)


def moments_of(header: Record, records: Iterable[Record]) -> Iterator[TrackMoment]:
    """The moments of a block.

    Args:
        header: As :attr:`Writer.header` has it.
        records: Its records, in their order.

    Raises:
        ValueError: It is no such block, or one of a later agent.
    """
    if header.get("version") != VERSION:
        raise ValueError(f"tracks of version {header.get('version')!r}")
    at_s, at = float(header["at_s"]), datetime.fromisoformat(header["at"])
    state, now_ms, clock_ms = _State(at_s), 0, 0
    for told in records:
        now_ms += told["t"]
        clock_ms += told.get("a", 0)
        if "x" in told:
            state.exact_s[now_ms] = float(told["x"])
        now_s = state.moment(now_ms)
        _take(state, told, now_ms)
        moment = TrackMoment(
            None,
            now_s,
            at + timedelta(milliseconds=now_ms + clock_ms),
            state.unseen,
            told.get("e", {}),
            tuple((a, b, c, d) for a, b, c, d in told.get("s", ())),
            tuple((_boxed(box), said) for box, said in told.get("v", ())),
        )
        if state.observation is None:
            yield moment
            continue
        tracks = tuple(_tracked(n, one, state, now_s) for n, one in state.tracks.items())
        shown = Shown(now_s, moment.at, state.observation, tracks, state.novelty, state.changed)
        yield replace(moment, shown=shown)


def _take(state: _State, told: Record, now_ms: int) -> None:
    if "o" in told:
        state.observation = None if told["o"] is None else _observed(told["o"])
    if "c" in told:
        state.changed = tuple(map(_boxed, told["c"]))
    if "u" in told:
        state.unseen = frozenset(told["u"])
    for gone in told.get("g", ()):
        state.tracks.pop(gone, None)
    state.tracks.update({int(n): one for n, one in told.get("k", {}).items()})
    if "n" in told:
        state.new = told["n"]
    if state.new is not None and ("n" in told or "r" in told):
        state.novelty = _novelty(state.new, state, now_ms)


def _moment(at_s: float, ms: int) -> float:
    """A moment to the millisecond: of two such moments the difference is what it was when they were noted."""
    return round(at_s + ms / 1000, 3)


def _box(box: Box, parts: int = FINE) -> list[int]:
    each = FINE // parts
    return [each * round(side * parts) for side in (box.left, box.top, box.right, box.bottom)]


def _boxed(sides: Sequence[int]) -> Box:
    left, top, right, bottom = sides
    return Box(left / FINE, top / FINE, right / FINE, bottom / FINE)


def _observation(seen: Observation) -> list[Any]:
    return [
        [_box(box) for box in seen.regions_looked],
        [
            [each.label, round(each.confidence, 3), _box(each.box)]
            for each in seen.detections
            if each.label in COUNTED
        ],
        [_box(box) for box in seen.unseen],
    ]


def _observed(told: Sequence[Any]) -> Observation:
    looked, found, unseen = told
    return Observation(
        tuple(map(_boxed, looked)),
        tuple(Detection(label, confidence, _boxed(box)) for label, confidence, box in found),
        tuple(map(_boxed, unseen)),
    )


def _tracked(number: int, told: Sequence[Any], state: _State, now_s: float) -> Track:
    label, box, confidence, first, last, still, seen, support, missed = told

    def moment(ms: int | None) -> float | None:
        return None if ms is None else state.moment(ms)

    return Track(
        number,
        label,
        _boxed(box),
        confidence,
        state.moment(first),
        now_s if last is None else state.moment(last),
        moment(still),
        bool(seen),
        support,
        moment(missed),
    )


def _novelty(told: Sequence[Any], state: _State, now_ms: int) -> Novelty:
    learned, things, (rows, columns), packed = told
    bits = np.frombuffer(base64.b64decode(packed), np.uint8)
    standing = np.unpackbits(bits, count=rows * columns) if bits.size else np.zeros(rows * columns)
    found = (
        NewThing(_boxed(box), cells, state.moment(since), state.moment(now_ms - ago), structure)
        for box, cells, since, ago, structure in things
    )
    return Novelty(bool(learned), tuple(found), standing.reshape(rows, columns).astype(np.bool_))
