"""A slow background model: finds what is new and stands on ground that should be empty. Pure.

Textures that no change of light touches (:mod:`agent.perception.texture`) are compared with those of the
background, cell by cell. A cell is *novel* when its structure is not the
background's, and *standing* when that novel structure has stayed as it is for a while. What
people or vehicles cover is not judged. The background takes up what is not novel slowly, and
what is novel only after ``absorb_s``.
"""

from __future__ import annotations

import base64
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

from agent.domain.scene import Box
from agent.perception.surroundings import KEPT_S, Difference
from agent.perception.texture import CELL_PX, amount, texture, unlikeness

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]
    Times: TypeAlias = NDArray[np.float64]
    Mask: TypeAlias = NDArray[np.bool_]
    Luma: TypeAlias = NDArray[np.uint8]

EVERY_S = 0.9
"""The ground is looked at this often at most: what stands for minutes need not be met at once."""
NOVEL_ABOVE = 0.6
"""Relative distance from the background above which a cell is novel."""
STEADY_BELOW = 0.5
"""Relative distance from its own recent past below which a novel cell is steady."""
ABSORB_S = 4 * 3600.0
"""After this time even what is new becomes background, unless somebody needs it longer."""
LEARN_S = 4.0
"""The first seconds in which the background is learned from nothing."""
FOLLOW_S = 300.0
"""Time constant with which the background follows what is not novel."""
OWN_PAST_S = 3.0
"""Time constant of a novel cell's own past."""
STEADY_AFTER_S = 1.0
"""A novel cell that has been steady this long stands."""
LIGHT_SHARE = 0.3
"""More of the free cells than this novel within ``LIGHT_S`` is the light or the camera."""
LIGHT_S = 12.0
DIFFERS_AT_MOST = 0.6
"""More of the frame than this unlike the background, and it is no background of this frame."""
LIGHT_CALM_S = 8.0
"""For so long after a change of light, what is freshly novel is taken to be more of it."""


@dataclass(frozen=True, slots=True)
class NewThing:
    """Neighbouring cells that stand and are new.

    ``since_s`` is when they came to stand, ``last_s`` when they were last seen unhidden.
    ``structure`` is how much there is to see in them for what the bare ground shows: what was put down
    has more than the ground, and where something was taken away there is less.
    """

    box: Box
    cells: int
    since_s: float
    last_s: float
    structure: float = 1.0


@dataclass(frozen=True, slots=True)
class Novelty:
    """What is new at one moment. ``learned`` is False until there is a background."""

    learned: bool
    things: tuple[NewThing, ...]
    standing: Mask
    """(rows, columns) of cells; what stands and is new."""

    def share_new(self, box: Box) -> float:
        """The share of the box's cells that stand and are new."""
        rows, columns = self.standing.shape
        part = self.standing[_cells(box, rows, columns)]
        return float(part.mean()) if part.size else 0.0


@dataclass(slots=True)
class _Ground:
    """What is remembered of every cell.

    ``background`` and ``own`` (a cell's own recent past) are (rows, columns, 8); the others are
    (rows, columns). A cell that is not novel, or not steady, has infinity for its time;
    ``seen_s`` is when nothing last hid it.
    """

    background: Floats
    own: Floats
    learned_s: Floats
    novel_since_s: Times
    steady_since_s: Times
    seen_s: Times

    @classmethod
    def of(cls, features: Floats) -> _Ground:
        cells = features.shape[:2]
        never = np.full(cells, np.inf)
        return cls(
            background=features.copy(),
            own=features.copy(),
            learned_s=np.zeros(cells, np.float32),
            novel_since_s=never,
            steady_since_s=never.copy(),
            seen_s=np.full(cells, -np.inf),
        )

    @property
    def ready(self) -> Mask:
        return np.asarray(self.learned_s >= LEARN_S)

    @property
    def novel(self) -> Mask:
        return np.isfinite(self.novel_since_s)


class NoveltyModel:
    """The background of one camera.

    Args:
        absorb_s: After this time even what is new becomes background.
    """

    def __init__(self, absorb_s: float = ABSORB_S) -> None:
        self._absorb_s = absorb_s
        self._ground: _Ground | None = None
        self._taken_up = False
        self._last_s: float | None = None
        self._last: Novelty | None = None
        self._light_until_s = -np.inf
        self._recent: deque[tuple[float, Floats]] = deque()

    def update(self, luma: Luma, now_s: float, covered: Sequence[Box]) -> Novelty:
        """Take one frame; within ``EVERY_S`` of the last one taken, say what was said of that.

        Args:
            luma: Brightness (h, w).
            now_s: The frame's ``monotonic_s``.
            covered: Boxes of people and vehicles; their cells are left as they were.
        """
        recent = self._last_s is not None and 0 <= now_s - self._last_s < EVERY_S
        if self._last is None or not recent:
            self._last = self._take(luma, now_s, covered)
        return self._last

    def _take(self, luma: Luma, now_s: float, covered: Sequence[Box]) -> Novelty:
        features = texture(luma)
        rows, columns = features.shape[:2]
        free = np.ones((rows, columns), np.bool_)
        for box in covered:
            free[_cells(box.grown(0.1), rows, columns)] = False
        since_s = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        self._recent.append((now_s, features))
        while not 0 <= now_s - self._recent[0][0] <= KEPT_S or features.shape != (
            self._recent[0][1].shape
        ):
            self._recent.popleft()
        ground = self._ground
        if ground is None or ground.background.shape != features.shape:
            ground = self._ground = _Ground.of(features)
        if self._taken_up:  # what stood before the restart is taken to be what stands now
            ground.own, self._taken_up = features.copy(), False
        _learn(ground, features, free, since_s)
        self._judge(ground, features, free, now_s)
        _remember(ground, features, free, now_s, since_s)
        ground.seen_s[free] = now_s
        standing = ground.novel & (now_s - ground.steady_since_s >= STEADY_AFTER_S)
        things = _things(standing, ground)
        return Novelty(bool(ground.ready.mean() > 0.5), things, standing)

    def difference(self, luma: Luma) -> Difference | None:
        """Where a frame differs from the background, and what of that has not stayed as it is.

        What is not known yet differs. Nothing is learned from it. None: there is no background yet, or none of this frame.

        Args:
            luma: Brightness (h, w).
        """
        ground, features = self._ground, texture(luma)
        if ground is None or ground.background.shape != features.shape:
            return None
        unlike = (unlikeness(features, ground.background) > NOVEL_ABOVE) | ~ground.ready
        if unlike.mean() > DIFFERS_AT_MOST:
            return None
        # Held against the frames themselves: what is known of a cell stands still while a bike covers it.
        moving = np.zeros_like(unlike)
        for _, before in self._recent:
            moving |= unlikeness(features, before) >= STEADY_BELOW
        moving &= unlike
        shape = luma.shape[0], luma.shape[1]
        return Difference(_rectangles(unlike & ~moving, shape), _rectangles(moving, shape))

    def _judge(self, ground: _Ground, features: Floats, free: Mask, now_s: float) -> None:
        """Which cells have become novel, and which are background again."""
        able = free & ground.ready
        unlike = unlikeness(features, ground.background) > NOVEL_ABOVE
        fresh = able & unlike & ~ground.novel
        ground.novel_since_s[fresh] = now_s
        recent = able & ground.novel & (now_s - ground.novel_since_s <= LIGHT_S)
        if recent.sum() > LIGHT_SHARE * able.sum() and able.mean() > 0.3:
            self._light_until_s = now_s + LIGHT_CALM_S
        if now_s <= self._light_until_s:
            ground.background[recent] = features[recent]
            ground.novel_since_s[recent] = np.inf
            unlike &= ~recent
        absorbed = now_s - ground.novel_since_s > self._absorb_s
        ground.background[absorbed] = features[absorbed]
        ground.novel_since_s[(free & ~unlike) | absorbed] = np.inf

    def snapshot(self) -> dict[str, Any] | None:
        """The state to keep over a restart, as JSON; None before there is a background."""
        if self._ground is None:
            return None
        return {
            "shape": list(self._ground.background.shape),
            "background": _pack(self._ground.background.astype(np.float16)),
            "novel_since_s": _pack(self._ground.novel_since_s),
            "steady_since_s": _pack(self._ground.steady_since_s),
            "learned_s": _pack(self._ground.learned_s),
        }

    def restore(self, snapshot: Mapping[str, Any] | None, shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        if snapshot is None:
            return
        shape = tuple(snapshot["shape"])
        background = _unpack(snapshot["background"], np.float16).reshape(shape)
        ground = _Ground.of(background.astype(np.float32))
        for name in ("novel_since_s", "steady_since_s"):
            times = _unpack(snapshot[name], np.float64).reshape(shape[:2]) + shift_s
            setattr(ground, name, times)
        ground.learned_s = _unpack(snapshot["learned_s"], np.float32).reshape(shape[:2]).copy()
        self._ground, self._taken_up = ground, True


def _learn(ground: _Ground, features: Floats, free: Mask, since_s: float) -> None:
    """Average while a cell is young, follow slowly afterwards; never what is novel."""
    known = free & ~ground.novel
    step = max(since_s, 1e-3)
    young = ground.learned_s < LEARN_S
    rate = np.where(young, step / (ground.learned_s + step), min(1.0, step / FOLLOW_S))
    rate = np.where(known, rate, 0.0).astype(np.float32)[..., None]
    ground.background += rate * (features - ground.background)
    ground.learned_s[known] += step


def _remember(ground: _Ground, features: Floats, free: Mask, now_s: float, since_s: float) -> None:
    """Hold each cell against its own recent past: is what is there staying as it is?"""
    alike = unlikeness(features, ground.own) < STEADY_BELOW
    ground.steady_since_s[free & ~alike] = np.inf
    begins = free & alike & ~np.isfinite(ground.steady_since_s)
    ground.steady_since_s[begins] = now_s
    rate = np.float32(1.0 if since_s <= 0 else min(1.0, since_s / OWN_PAST_S))
    follow = free & alike
    ground.own[follow] += rate * (features[follow] - ground.own[follow])
    anew = free & ~alike
    ground.own[anew] = features[anew]


def _cells(box: Box, rows: int, columns: int) -> tuple[slice, slice]:
    top, bottom = int(box.top * rows), int(np.ceil(box.bottom * rows))
    left, right = int(box.left * columns), int(np.ceil(box.right * columns))
    return slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right))


def _rectangles(cells: Mask, shape_px: tuple[int, int]) -> tuple[Box, ...]:
    """Some cells of a picture as boxes: runs of a row, and runs that are alike below each other in one.

    The last row and column go on to the picture's edge, where some pixels fill no cell.
    """
    height, width = shape_px
    rows, columns = cells.shape
    open_: dict[tuple[int, int], int] = {}
    found: list[tuple[int, int, int, int]] = []
    for row in range(rows + 1):
        steps = np.diff(cells[row].astype(np.int8), prepend=0, append=0) if row < rows else ()
        ends = np.flatnonzero(steps)
        runs = set(zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True))
        ended = open_.keys() - runs
        found += [(run[0], open_.pop(run), run[1], row) for run in ended]
        for run in runs:
            open_.setdefault(run, row)

    def edge(cell: int, of: int, px: int) -> float:
        return 1.0 if cell == of else cell * CELL_PX / px

    return tuple(
        Box(
            edge(left, columns, width),
            edge(top, rows, height),
            edge(right, columns, width),
            edge(bottom, rows, height),
        )
        for left, top, right, bottom in sorted(found)
    )


def _things(standing: Mask, ground: _Ground) -> tuple[NewThing, ...]:
    """Connected cells, gaps of one cell bridged, at least four of them."""
    if not standing.any():
        return ()
    rows, columns = standing.shape
    bridged = cv2.morphologyEx(
        standing.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)
    )
    count, labels = cv2.connectedComponents(bridged, connectivity=8)
    found = []
    for index in range(1, count):
        mine = (labels == index) & standing
        ys, xs = np.nonzero(mine)
        if len(ys) >= 4:
            box = Box(
                float(xs.min()) / columns,
                float(ys.min()) / rows,
                float(xs.max() + 1) / columns,
                float(ys.max() + 1) / rows,
            )
            # What rolls in is new before it stands; what stands is steady.
            came_s = np.maximum(ground.novel_since_s[mine], ground.steady_since_s[mine])
            # Nothing is older than its last sight: what is hidden since a restart was seen to come.
            seen_s = np.maximum(ground.seen_s[mine], came_s)
            since_s, last_s = _ranked(came_s, 0.5), _ranked(seen_s, 0.75)
            structure = amount(ground.own[mine]) / amount(ground.background[mine])
            found.append(NewThing(box, len(ys), since_s, last_s, structure))
    return tuple(found)


def _ranked(times: Times, share: float) -> float:
    """The time that this share of the times does not pass."""
    rank = int(share * (times.size - 1))
    return float(np.partition(times, rank)[rank])


def _pack(values: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 1)).decode("ascii")


def _unpack(text: str, kind: type[np.float16 | np.float32 | np.float64]) -> NDArray[Any]:
    packed = base64.b64decode(text)
    with suppress(zlib.error):  # an older agent did not pack it
        packed = zlib.decompress(packed)
    return np.frombuffer(packed, kind)
