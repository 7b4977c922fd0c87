"""Warn first (温情执法): somebody is told by lamp or buzzer before a case opens. No pin, no clock, no disk.

Who parks for a minute and goes after a warning is no case. What is reported does not change by it: a case opens
after the same time as ever, and says when was warned. Warned is once of each zone and kind of case for as long as
something stands there that would be a case but for the time; only of what the scenario is sure of.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.scenarios import VERIFIED_BY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from agent.domain.measure import Measure
    from agent.scenarios import Judgement

Key = tuple[str, str]
"""Zone and kind of case."""
GONE_AFTER_S = 30.0
"""What was warned of and has not stood there for so long has left."""


class Happened(NamedTuple):
    """What came of one frame, by zone and kind: who was warned, and who left after it."""

    warned: Counter[Key]
    left: Counter[Key]


@dataclass(slots=True)
class _Warned:
    """When was warned, and when what was meant was last there."""

    at_s: float
    last_s: float


class WarnFirst:
    """The warnings of one camera.

    Args:
        after_s: Zone and kind → how long it must have stood; where there is none, nobody is warned.
        must_hold: Kind → the measures besides the time that must hold.
    """

    def __init__(
        self, after_s: Mapping[Key, float], must_hold: Mapping[str, Collection[str]]
    ) -> None:
        self._after_s, self._must_hold = dict(after_s), dict(must_hold)
        self._warned: dict[Key, _Warned] = {}

    def warned_s(self, zone_id: str, kind: str) -> float | None:
        """When was warned of what stands in a zone now; None: nobody was."""
        found = self._warned.get((zone_id, kind))
        return None if found is None else found.at_s

    def take(
        self,
        now_s: float,
        judgements: Iterable[tuple[str, Judgement]],
        *,
        silent: Collection[Key],
        unseen: Collection[str],
        signal: Callable[[], bool],
    ) -> Happened:
        """Take one frame, and warn if it is time to.

        Args:
            now_s: On the frames' clock.
            judgements: Kind of case, and what its scenario says.
            silent: Where nobody is warned: a case is open, or it is held back.
            unseen: Zones that cannot be seen: what stands there may stand there still.
            signal: Gives the signal, and says whether anybody could notice it.
        """
        standing = {
            (zone_id, kind): measures
            for kind, judgement in judgements
            for zone_id, measures in judgement.measures.items()
            if measures and measures[0].value >= self._after_s.get((zone_id, kind), float("inf"))
        }
        for key in silent:
            self._warned.pop(key, None)
        for key, one in self._warned.items():
            if key in standing or key[0] in unseen:
                one.last_s = now_s
        left = [key for key, one in self._warned.items() if now_s - one.last_s >= GONE_AFTER_S]
        for key in left:
            del self._warned[key]
        due = [
            key
            for key, measures in standing.items()
            if key not in self._warned and key not in silent and key[0] not in unseen
            if self._is_sure(key[1], measures)
        ]
        if not due or not signal():
            return Happened(Counter(), Counter(left))
        self._warned |= {key: _Warned(now_s, now_s) for key in due}
        return Happened(Counter(due), Counter(left))

    def _is_sure(self, kind: str, measures: tuple[Measure, ...]) -> bool:
        """Whether it would be a case but for the time, as far as its measures say."""
        holding = {each.name for each in measures if each.fulfilled}
        refused = any(each.name == VERIFIED_BY and not each.fulfilled for each in measures)
        return not refused and holding.issuperset(self._must_hold.get(kind, ()))

    def snapshot(self) -> list[Any]:
        """The state to keep over a restart, as JSON."""
        return [[*key, one.at_s, one.last_s] for key, one in sorted(self._warned.items())]

    def restore(self, saved: Iterable[Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        self._warned = {
            (zone_id, kind): _Warned(at_s + shift_s, last_s + shift_s)
            for zone_id, kind, at_s, last_s in saved
        }
