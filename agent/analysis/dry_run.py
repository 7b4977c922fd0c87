"""What other zones would have given: the stored tracks of the last hours, judged again.

Stays, scenarios and cases are those of the agent (:mod:`agent.analysis.zone_judging`,
:mod:`agent.domain.case_lifecycle`); only what a frame shows comes from records instead of a camera. What needs
pixels is answered by what was answered then: the verifier's word on a candidate at the same place, a classifier's
on a zone of the same shape. Where there is no such answer, that is said of the zone, and not guessed.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agent import scenarios
from agent.analysis.near_misses import NearMisses
from agent.analysis.stored_answers import StoredAnswers
from agent.analysis.track_records import moments_of, shape_of
from agent.analysis.zone_judging import ZoneJudging
from agent.domain.case_lifecycle import Cases
from agent.domain.scene import MASK, Unseen
from agent.domain.zones import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from agent.analysis.near_misses import NearMiss
    from agent.analysis.track_records import TrackMoment
    from agent.analysis.zone_judging import Shown
    from agent.config.schema import Configuration
    from agent.domain.case_lifecycle import Change
    from agent.domain.scene import Case, Finding, Zone
    from agent.storage.track_log import StoredBlock

SEEN_ENOUGH = 0.5
"""A zone of which less is unseen can be judged; the view guard's own share is close to it."""
PROBES = 5
"""A zone's polygon is probed at so many points in each direction."""
LONGEST_STEP_S = 60.0
"""Between two frames further apart nothing was judged."""


@dataclass(slots=True)
class DryCase:
    """One case that would have opened.

    Attributes:
        case: As it was last.
        opened_at: When, by the clock of then.
        began_at: Since when the problem stood.
        ended_at: When it would have been cleared; None: it stayed open to the end.
        reason: What the rule went by when it opened.
        unverified: Whether the verifier would have been asked, and nobody knows what it would have said.
    """

    case: Case
    opened_at: datetime
    began_at: datetime
    ended_at: datetime | None = None
    reason: Mapping[str, Any] = field(default_factory=dict)
    unverified: bool = False


@dataclass(slots=True)
class Watched:
    """How often a zone could be judged.

    ``frames`` in which there was a picture of its camera, ``looked``: the network had looked at its middle,
    ``unseen``: the view did not show it, ``unanswered``: a classifier would have been asked about it, and nobody
    knows what it would have said.
    """

    frames: int = 0
    looked: int = 0
    unseen: int = 0
    unanswered: int = 0

    @property
    def looked_share(self) -> float:
        return self.looked / self.frames if self.frames else 0.0


@dataclass(slots=True)
class Source:
    """What was judged of one camera: frames, seconds between them, the first and the last."""

    begins_at: datetime
    ends_at: datetime
    frames: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class DryRun:
    """What a configuration would have given.

    Attributes:
        cases: By the time of their opening.
        near: What came near to a case and was none.
        watched: Zone → how often it could be judged.
        sources: Camera → what was judged of it.
    """

    cases: list[DryCase] = field(default_factory=list)
    near: list[NearMiss] = field(default_factory=list)
    watched: dict[str, Watched] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        return sum(each.frames for each in self.sources.values())

    @property
    def ends_at(self) -> datetime | None:
        """The last frame; None: there was none."""
        return max((each.ends_at for each in self.sources.values()), default=None)


class Site:
    """All cameras of a site, judged by one configuration.

    Args:
        configuration: Its zones and scenarios count.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._cameras: dict[str, _Camera] = {}
        self._configuration = configuration
        numbers = itertools.count(1)
        analysis = configuration.analysis
        self._cases = Cases(
            lambda _: f"dry-{next(numbers)}",
            analysis.persist_every_s,
            change_every_s=analysis.change_every_s,
        )
        self._kinds = {
            name: module.KIND for name, (module, _) in configuration.chosen_scenarios.items()
        }
        self._near = NearMisses(self._kinds)
        self._found: dict[str, DryCase] = {}
        self._result = DryRun()

    def has(self, camera_id: str) -> bool:
        """Whether it has such a camera."""
        return any(camera.camera_id == camera_id for camera in self._configuration.cameras)

    def take(self, camera_id: str, block: BlockOf, moment: TrackMoment) -> None:
        """Judge one stored moment."""
        camera = self._camera(camera_id, block, moment)
        source = self._result.sources.setdefault(camera_id, Source(moment.at, moment.at))
        source.ends_at = moment.at
        source.frames += 1
        source.seconds += camera.passed_s(moment.now_s)
        findings, unseen = camera.judge(moment)
        blind = {zone: Unseen("view", moment.now_s) for zone in unseen}
        changes = self._cases.abstain(camera.zone_ids, blind)
        changes += self._cases.update(camera_id, findings, moment.now_s, moment.at)
        for change in changes:
            self._note(change, moment, camera)
        held = {(case.zone_id, case.kind) for case in self._cases.open}
        self._near.take(camera.judging.judgements, moment.at, held)

    def _camera(self, camera_id: str, block: BlockOf, moment: TrackMoment) -> _Camera:
        camera = self._cameras.get(camera_id)
        if camera is not None and camera.goes_on(block, moment.now_s):
            return camera
        fresh = _Camera(self._configuration, camera_id, block)
        if camera is not None:  # another boot: the time between adds nothing, as on the device
            shift_s = moment.now_s - camera.now_s
            fresh.judging.restore(camera.judging.snapshot(), shift_s)
            fresh.watched = camera.watched
            self._cases.shift(camera_id, shift_s)
        self._cameras[camera_id] = fresh
        return fresh

    def _note(self, change: Change, moment: TrackMoment, camera: _Camera) -> None:
        case = change.case
        if change.type == "case.opened":
            at, began_s = moment.at, moment.now_s - case.began_s
            reason = {} if change.finding is None else dict(change.finding.reason)
            unverified = any(camera.answers.unknown(each.box) for each in case.members)
            began_at = at - timedelta(seconds=began_s)
            self._found[case.case_id] = DryCase(case, at, began_at, None, reason, unverified)
        found = self._found[case.case_id]
        found.case = case
        if case.state != "open":
            found.ended_at = moment.at

    def result(self) -> DryRun:
        """What came of it."""
        result = self._result
        result.cases = sorted(self._found.values(), key=lambda each: each.opened_at)
        result.near = self._near.end()
        for camera in self._cameras.values():
            result.watched |= camera.watched
        return result


@dataclass(frozen=True, slots=True)
class BlockOf:
    """What the header of a block says of its moments."""

    boot_id: str
    shapes: frozenset[str]
    verified: bool


class _Camera:
    """One camera, judged by one configuration."""

    def __init__(self, configuration: Configuration, camera_id: str, block: BlockOf) -> None:
        self.zones = configuration.drawn(camera_id)
        chosen = configuration.chosen_scenarios
        self.judging = ZoneJudging(
            self.zones,
            {
                name: module.build(settings, self.zones)
                for name, (module, settings) in chosen.items()
            },
            scenarios.needs_of([module for module, _ in chosen.values()], self.zones),
            ZoneInfo(configuration.site.timezone),
        )
        self.answers = StoredAnswers(verified=block.verified)
        self.watched = {zone.zone_id: Watched() for zone in self.zones if zone.kind != MASK}
        self.zone_ids = frozenset(self.watched)
        self.now_s = float("-inf")
        self._boot_id = block.boot_id
        self._block = block
        self._shapes = {zone.zone_id: shape_of(zone) for zone in self.zones}
        self._unseen_since_s: dict[str, float] = {}

    def goes_on(self, block: BlockOf, now_s: float) -> bool:
        """Whether what comes now is on the same clock."""
        self._block = block
        return block.boot_id == self._boot_id and now_s >= self.now_s

    def passed_s(self, now_s: float) -> float:
        """The time since the moment before, if nothing lies between."""
        passed_s = now_s - self.now_s
        return passed_s if 0.0 <= passed_s <= LONGEST_STEP_S else 0.0

    def judge(self, moment: TrackMoment) -> tuple[list[Finding], frozenset[str]]:
        """What is found at one moment, and what could not be seen."""
        self.now_s = moment.now_s
        unseen = self._unseen(moment)
        self._count(moment.shown, unseen)
        if moment.shown is None or self.judging.is_blind(unseen):
            self.judging.wait()
            return [], unseen
        scores = self.answers.at(moment, self._shapes)
        findings = self.judging.judge(moment.shown, scores, unseen)
        for zone_id in scores.unanswered:
            self.watched[zone_id].unanswered += 1
        return findings, unseen

    def _unseen(self, moment: TrackMoment) -> frozenset[str]:
        """Zones that cannot be seen; those that can be again go on."""
        unseen = frozenset(
            zone.zone_id for zone in self.zones if zone.kind != MASK and self._hidden(zone, moment)
        )
        for zone_id in unseen:
            self._unseen_since_s.setdefault(zone_id, moment.now_s)
        shapes = {shape: zone_id for zone_id, shape in self._shapes.items()}
        told = {shapes[shape]: s for shape, s in moment.resumed.items() if shape in shapes}
        for zone_id in sorted(self._unseen_since_s.keys() - unseen):
            unseen_s = moment.now_s - self._unseen_since_s.pop(zone_id)
            self.judging.resume(zone_id, told.get(zone_id, unseen_s), moment.now_s)
        return unseen

    def _hidden(self, zone: Zone, moment: TrackMoment) -> bool:
        """Whether a zone cannot be seen: as it was told then, else by what of the picture was unseen."""
        if (shape := self._shapes[zone.zone_id]) in self._block.shapes:
            return shape in moment.unseen
        if moment.shown is None:
            return True
        parts = moment.shown.observation.unseen
        if not parts:
            return False
        points = _probes(zone)
        hidden = sum(any(box.contains(point) for box in parts) for point in points)
        return hidden > SEEN_ENOUGH * len(points)

    def _count(self, shown: Shown | None, unseen: frozenset[str]) -> None:
        for zone in self.zones:
            if zone.kind == MASK:
                continue
            one = self.watched[zone.zone_id]
            one.frames += 1
            one.unseen += zone.zone_id in unseen
            one.looked += shown is not None and shown.observation.looked_at(zone.box.centre)


def _probes(zone: Zone) -> list[tuple[float, float]]:
    """Points of a zone; one at least."""
    box = zone.box
    steps = [(index + 0.5) / PROBES for index in range(PROBES)]
    grid = [(box.left + x * box.width, box.top + y * box.height) for x in steps for y in steps]
    return [point for point in grid if inside(point, zone)] or [box.centre]


Stored = tuple[str, BlockOf, "TrackMoment"]
"""A moment of a camera, and what its block says of it."""


def stored_moments(camera_id: str, blocks: Iterable[StoredBlock]) -> Iterator[Stored]:
    """A camera's moments, the oldest first; a block that cannot be understood is left out."""
    for block in blocks:
        try:
            about = BlockOf(
                block.header["boot_id"],
                frozenset(block.header["shapes"]),
                block.header["verified"],
            )
            for moment in moments_of(block.header, block.records):
                yield camera_id, about, moment
        except (KeyError, TypeError, ValueError, IndexError):
            continue


def judged(
    configurations: Sequence[Configuration],
    streams: Iterable[Iterable[Stored]],
    pace: Callable[[TrackMoment], None] = lambda _: None,
) -> list[DryRun]:
    """What each of some configurations would have given.

    Args:
        configurations: Each is judged by itself; the tracks are read once.
        streams: Each camera's moments (:func:`stored_moments`).
        pace: Called after each moment.
    """
    sites = [Site(configuration) for configuration in configurations]
    merged = heapq.merge(*streams, key=lambda stored: stored[2].at)
    for camera_id, about, moment in merged:
        for site in sites:
            if site.has(camera_id):
                site.take(camera_id, about, moment)
        pace(moment)
    return [site.result() for site in sites]
