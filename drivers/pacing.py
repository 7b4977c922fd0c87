"""Drops frames to a lower rate, evenly spaced in time."""

from __future__ import annotations

from dataclasses import dataclass, field

_MARGIN = 1e-6


@dataclass(slots=True)
class Thinning:
    """Keeps the first frame of every ``1 / frames_per_s`` seconds; None keeps them all.

    It goes by the frames' times and not by their count, so that recordings whose rate varies
    come out even, and on a fixed grid, so that a late frame delays no other.
    """

    frames_per_s: float | None
    _first_s: float | None = field(default=None, init=False)
    _slot: int = field(default=-1, init=False)

    def keeps(self, at_s: float) -> bool:
        """Whether the frame taken at ``at_s`` is kept. Must be asked once of every frame."""
        if self.frames_per_s is None:
            return True
        if self._first_s is None:
            self._first_s = at_s
        slot = int((at_s - self._first_s) * self.frames_per_s + _MARGIN)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True
