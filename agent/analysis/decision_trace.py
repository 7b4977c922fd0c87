"""Why a case opened: what its rule went by, moment by moment, in a few kilobytes. Pure.

While something may become a case, each scenario says what it measures against which threshold. The
trace keeps the moments at which something was learned: the first and the last, those at which a
measure passed its threshold, and of the others as many as there is room for, evenly spaced. What
led to the opening is frozen when the case opens: however long it stays open, that is not thinned.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any

from agent.domain.finite import finite
from agent.domain.measure import Measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_MOMENTS = 40
MAX_PASSINGS = 24
"""Of those that passed a threshold; one that trembles around it must not push out the others."""
FIRST_SPACING_S = 0.2


@dataclass(frozen=True, slots=True)
class TracedMoment:
    """What was known at one moment.

    Attributes:
        at_s: On the frames' clock.
        looked: Whether the network looked at the place then; else its picture had not changed, or
            its turn had not come.
        values: Of the measures, in their order; None where there was no figure.
        passing: Whether a measure passed its threshold here.
    """

    at_s: float
    looked: bool
    values: tuple[float | None, ...]
    passing: bool = False


@dataclass(slots=True)
class Trace:
    """The trace of one place while something is pending there or a case is open."""

    measures: tuple[Measure, ...] = ()
    moments: list[TracedMoment] = field(default_factory=list)
    frames: int = 0
    looks: int = 0
    spacing_s: float = FIRST_SPACING_S
    noted_s: float | None = None
    frozen: list[TracedMoment] = field(default_factory=list)
    """Up to the opening of the case."""
    opened_by: tuple[Measure, ...] = ()
    """What the case opened by; what is measured afterwards may be of something else."""

    def note(self, at_s: float, measures: tuple[Measure, ...], *, looked: bool) -> None:
        """Take one frame's measures."""
        self.frames += 1
        self.looks += looked
        passing = [(each.name, each.fulfilled) for each in measures] != [
            (each.name, each.fulfilled) for each in self.measures
        ]
        self.measures, self.noted_s = measures, at_s
        values = tuple(finite(each.value, 4) for each in measures)
        everything = self.moments or self.frozen
        last = everything[-1] if everything else None
        near = last is not None and at_s - last.at_s < self.spacing_s
        if last is not None and near and not passing:
            return
        self.moments.append(TracedMoment(at_s, looked, values, passing))
        if len(self.moments) > MAX_MOMENTS:
            self._thin()

    def close(self, at_s: float) -> None:
        """Keep what was noted at this moment, whatever the spacing says."""
        everything = self.moments or self.frozen
        if self.noted_s == at_s and everything[-1].at_s < at_s:
            values = tuple(finite(each.value, 4) for each in self.measures)
            self.moments.append(TracedMoment(at_s, looked=False, values=values))
            if len(self.moments) > MAX_MOMENTS:
                self._thin()

    def freeze(self) -> None:
        """The case opens: what led here stays; what follows begins with room of its own."""
        self.frozen, self.moments = self.frozen + self.moments, []
        self.opened_by = self.measures
        self.spacing_s = FIRST_SPACING_S

    def _thin(self) -> None:
        """Make room: of the ordinary moments every second one goes, of the passings the oldest."""
        self.spacing_s *= 2
        passings = [moment for moment in self.moments[1:-1] if moment.passing]
        kept = {id(moment) for moment in passings[-MAX_PASSINGS:]}
        ordinary = [moment for moment in self.moments[1:-1] if id(moment) not in kept]
        kept |= {id(moment) for moment in ordinary[1::2]}
        first, *middle, last = self.moments
        self.moments = [first, *(moment for moment in middle if id(moment) in kept), last]

    def document(self, now_s: float) -> dict[str, Any]:
        """The trace as JSON; times are seconds before ``now_s``, as negative numbers.

        Its thresholds are those that the case opened by, or before that the newest.
        """
        return {
            "measures": [
                {"name": each.name, "needs": each.needs, "threshold": finite(each.threshold)}
                for each in self.opened_by or self.measures
            ],
            "frames": self.frames,
            "looks": self.looks,
            "moments": [
                [round(each.at_s - now_s, 3), int(each.looked), *each.values]
                for each in (*self.frozen, *self.moments)
            ],
        }

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart, as JSON."""
        return {
            "measures": [astuple(each) for each in self.measures],
            "opened_by": [astuple(each) for each in self.opened_by],
            "moments": _packed(self.moments),
            "frozen": _packed(self.frozen),
            "frames": self.frames,
            "looks": self.looks,
            "spacing_s": self.spacing_s,
        }

    @classmethod
    def restored(cls, saved: Mapping[str, Any], shift_s: float) -> Trace:
        """A trace from its snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        return cls(
            measures=tuple(Measure(*each) for each in saved["measures"]),
            opened_by=tuple(Measure(*each) for each in saved.get("opened_by", ())),
            moments=_unpacked(saved["moments"], shift_s),
            frozen=_unpacked(saved.get("frozen", ()), shift_s),
            frames=saved["frames"],
            looks=saved["looks"],
            spacing_s=saved["spacing_s"],
        )


def _packed(moments: Iterable[TracedMoment]) -> list[Any]:
    return [[each.at_s, each.looked, list(each.values), each.passing] for each in moments]


def _unpacked(saved: Iterable[Any], shift_s: float) -> list[TracedMoment]:
    return [
        TracedMoment(at_s + shift_s, looked, tuple(values), passing)
        for at_s, looked, values, passing in saved
    ]


class Traces:
    """The traces of one camera's places, by kind of case and zone."""

    def __init__(self) -> None:
        self._traces: dict[tuple[str, str], Trace] = {}

    def note(
        self,
        kind: str,
        at_s: float,
        measured: Mapping[str, tuple[Measure, ...]],
        looked_zones: frozenset[str],
        open_zones: Iterable[str],
    ) -> None:
        """Take what a scenario measures at one frame.

        Args:
            kind: Its kind of case.
            at_s: The frame's ``monotonic_s``.
            measured: Its measures, by zone; zones that are not named have nothing pending.
            looked_zones: Zones that the network looked at in this frame.
            open_zones: Zones with an open case of this kind; their traces are kept.
        """
        kept = {*measured, *open_zones}
        for key in [key for key in self._traces if key[0] == kind and key[1] not in kept]:
            del self._traces[key]
        for zone_id, measures in measured.items():
            trace = self._traces.setdefault((kind, zone_id), Trace())
            trace.note(at_s, measures, looked=zone_id in looked_zones)

    def of(self, kind: str, zone_id: str) -> Trace | None:
        """The trace of a place; None where nothing is or was pending."""
        return self._traces.get((kind, zone_id))

    def snapshot(self) -> list[Any]:
        """The state to keep over a restart, as JSON."""
        return [[*key, trace.snapshot()] for key, trace in sorted(self._traces.items())]

    def restore(self, saved: Iterable[Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times."""
        self._traces = {
            (kind, zone_id): Trace.restored(trace, shift_s) for kind, zone_id, trace in saved
        }
