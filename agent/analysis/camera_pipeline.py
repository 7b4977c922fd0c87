"""From a frame to what is known of the street: the story of Kerbwatch, top to bottom."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import cv2
import numpy as np

from agent.analysis.zone_judging import Shown, ZoneJudging
from agent.domain.labels import PASSING
from agent.domain.scene import MASK, Observation, crop
from agent.domain.zones import inside
from agent.perception.background_model import ABSORB_S, Novelty, NoveltyModel
from agent.perception.region_scheduler import Detector as LookingDetector
from agent.perception.region_scheduler import InferenceRateLimit, RegionScheduler, Scan
from agent.perception.surroundings import RecentSights, Surroundings
from agent.perception.tracking.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from agent.analysis.verifier import VerifierBudget
    from agent.domain.scene import Box, Finding, Track, Zone
    from agent.perception.surroundings import View
    from agent.scenarios import Judgement, Needs, Scenario
    from drivers.cameras import Frame, Picture

T = TypeVar("T")
MASK_LINE_PX = 3
"""Around a mask: every pixel that the mask touches is black."""


class Classifier(Protocol):
    """What the pipeline needs of a model that judges a zone's crop."""

    def probabilities(self, bgr: Picture) -> dict[str, float]:
        """The probability of each meaning for a crop."""


class Pipeline:
    """Everything that is known about one camera's street.

    Args:
        zones: The camera's zones.
        size_px: Width and height of its colour picture.
        detector: Finds things in crops.
        birth_confidence: Per label, the confidence that begins a track.
        classifiers: Those that are needed, by their key in ``[models]``.
        verifier: Says what a candidate is; None: nobody does.
        scenarios: By their names.
        needs: What must be prepared for them.
        budget: What looking may cost.
        timezone: The site's, for schedules.
        pace: What is left of the budget now, 0 to 1; asked at every frame.
    """

    def __init__(
        self,
        *,
        zones: Sequence[Zone],
        size_px: tuple[int, int],
        detector: LookingDetector,
        birth_confidence: Mapping[str, float],
        classifiers: Mapping[str, Classifier],
        verifier: VerifierBudget | None = None,
        scenarios: Mapping[str, Scenario],
        needs: Needs,
        budget: InferenceRateLimit,
        timezone: tzinfo,
        pace: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self.zones = tuple(zones)
        self._masks = [zone for zone in zones if zone.kind == MASK]
        self._looking = RegionScheduler(zones, size_px, detector, budget, pace)
        self._tracker = Tracker(birth_confidence)
        self._judging = ZoneJudging(zones, scenarios, needs, timezone)
        # Also where no rule goes by it: what moved before it must be known of every picture.
        self._background = NoveltyModel(needs.background_s or ABSORB_S)
        self._novelty: Novelty | None = None
        self._recent, self._scan = RecentSights(), Scan(Observation((), ()), (), ())
        self._classifiers, self._verifier = dict(classifiers), verifier
        self._track_ids: dict[str, set[int]] = defaultdict(set)
        self.pace = pace
        self.stage_s: defaultdict[str, float] = defaultdict(float)
        self.frames = 0
        self.now_s = 0.0
        self.gated = 0
        self.runs = 0
        self.tracks: list[Track] = []
        self.observation: Observation | None = None
        self.looked: tuple[Box, ...] = ()
        self.shown: Shown | None = None
        """What the last frame showed; None: it showed no zone."""
        self.scores: _Scores | None = None
        """What was asked of classifiers at that frame."""

    def masked(self, frame: Frame) -> Frame:
        """Black out what must never be seen, before anything else."""
        return blacked_out(frame, self._masks)

    def step(
        self,
        frame: Frame,
        unseen: frozenset[str] = frozenset(),
        unseen_parts: tuple[Box, ...] = (),
    ) -> list[Finding]:
        """Take one frame and return what every scenario has to say of its places.

        Args:
            frame: As :meth:`masked` gives it.
            unseen: Zones of which nothing can be said now, because the view does not show them.
            unseen_parts: Where in the frame that is so.
        """
        self.now_s = now_s = frame.monotonic_s
        self.shown = self.scores = None
        if self._judging.is_blind(unseen):
            self._tracker.hold(now_s)
            self.looked = ()
            self._judging.wait()
            self._count([], Observation((), ()), 0)
            return []
        look = self._scan = self.timed("looking", lambda: self._looking.look(frame, unseen_parts))
        self._recent.take(now_s, look.faint_now)
        tracks = self.timed(
            "tracking", lambda: self._tracker.update(look.observation, now_s, frame.luma)
        )
        self._novelty = self.timed("novelty", lambda: self._new(frame, look.observation, tracks))
        scores = self.scores = _Scores(frame, self._classifiers, self._verifier)
        shown = self.shown = Shown(
            now_s, frame.captured_at, look.observation, tracks, self._novelty, look.changed
        )
        findings = self.timed("judging", lambda: self._judging.judge(shown, scores, unseen))
        self.looked = look.looked
        self._count(tracks, look.observation, look.runs + scores.runs)
        return findings

    @property
    def judgements(self) -> dict[str, Judgement]:
        """Scenario → what it said of the last frame; of a frame that shows no zone, that things wait on."""
        return self._judging.judgements

    def surroundings(self, frame: Frame, view: View) -> Surroundings:
        """What else there is in the frame that was taken last, for who redacts a picture of it later.

        Args:
            frame: As :meth:`masked` gives it.
            view: Whether the camera looks where it should.
        """
        return Surroundings(
            seen=self._recent.seen(self._scan.faint),
            difference=self._background.difference(frame.luma),
            view=view,
            masks_applied=True,
        )

    def places(self) -> list[Box]:
        """Where things stand that have no name of their own and may become a case's: bins, goods, rubbish."""
        found = [zone.box for zone in self.zones if zone.kind.around_a_thing]
        found += [
            track.box
            for track in self.tracks
            if track.label not in PASSING and track.still_since_s is not None
        ]
        if self._judging.judges_novelty and self._novelty is not None:
            judged = [zone for zone in self.zones if zone.kind.judged]
            found += [
                thing.box
                for thing in self._novelty.things
                if any(inside(thing.box.foot, zone) for zone in judged)
            ]
        return found

    def resume(self, zone_id: str, unseen_s: float, now_s: float) -> None:
        """A zone is seen again after ``unseen_s``; that time adds to no stay."""
        self._judging.resume(zone_id, unseen_s, now_s)

    def looked_zones(self) -> frozenset[str]:
        """Zones whose middle the network looked at in the last frame."""
        return frozenset(
            zone.zone_id
            for zone in self.zones
            if any(box.contains(zone.box.centre) for box in self.looked)
        )

    @property
    def tracks_by_label(self) -> dict[str, int]:
        """How many different things were followed, by label."""
        return {label: len(ids) for label, ids in sorted(self._track_ids.items())}

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart, as JSON."""
        return {
            "tracker": self._tracker.snapshot(),
            "novelty": self._background.snapshot(),
            **self._judging.snapshot(),
        }

    def restore(self, snapshot: Mapping[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        self._tracker.restore(snapshot["tracker"], shift_s)
        self._background.restore(snapshot["novelty"], shift_s)
        self._judging.restore(snapshot, shift_s)

    def take_over(self, old: Pipeline) -> None:
        """Go on with what another pipeline of the same camera knows, between two frames.

        Of a zone that is of another kind now, nobody has stood there yet.
        """
        known, kinds = old.snapshot(), {zone.zone_id: zone.kind for zone in old.zones}
        same = {zone.zone_id for zone in self.zones if kinds.get(zone.zone_id) == zone.kind}
        known["dwell"] = {name: one for name, one in known["dwell"].items() if name in same}
        self.restore(known, 0.0)
        self._recent, self._scan = old._recent, old._scan  # who was about still has to be redacted
        self._judging.wait_as(old._judging, same)
        self._track_ids, self.stage_s = old._track_ids, old.stage_s
        self.frames, self.gated, self.runs = old.frames, old.gated, old.runs
        self.now_s, self.tracks, self.observation = old.now_s, old.tracks, old.observation

    def _new(self, frame: Frame, seen: Observation, tracks: Sequence[Track]) -> Novelty:
        # What passes covers the ground for a while, and is no new goods on it.
        covered = [found.box for found in seen.detections if found.label in PASSING]
        covered += [track.box for track in tracks if track.label in PASSING]
        covered += seen.unseen
        return self._background.update(frame.luma, frame.monotonic_s, covered)

    def _count(self, tracks: list[Track], seen: Observation, runs: int) -> None:
        self.frames += 1
        self.gated += runs == 0
        self.runs += runs
        self.tracks, self.observation = tracks, seen
        for track in tracks:
            self._track_ids[track.label].add(track.track_id)

    def timed(self, stage: str, work: Callable[[], T]) -> T:
        """Do a stage's work and add its time to the stage's."""
        began_s = time.perf_counter()
        result = work()
        self.stage_s[stage] += time.perf_counter() - began_s
        return result


class _Scores:
    """The classifiers on one frame, each asked only when a zone's turn has come."""

    def __init__(
        self,
        frame: Frame,
        classifiers: Mapping[str, Classifier],
        verifier: VerifierBudget | None,
    ) -> None:
        self._frame, self._classifiers = frame, classifiers
        self._verifier = verifier
        self.runs = 0
        self.probabilities: list[tuple[str, str, Zone, float]] = []
        """Every answer about a zone: by which classifier, for which meaning."""
        self.candidates: list[tuple[Box, Mapping[str, float] | None]] = []
        """Every answer about a candidate; None: nobody could say."""

    def probability(self, classifier: str, meaning: str, zone: Zone) -> float:
        if classifier not in self._classifiers:
            raise ValueError(f"a scenario asks the {classifier} model and declares no need of it")
        self.runs += 1
        shown = crop(self._frame.bgr(), zone.box)
        found = self._classifiers[classifier].probabilities(shown)[meaning]
        self.probabilities.append((classifier, meaning, zone, found))
        return found

    def candidate(self, box: Box) -> Mapping[str, float] | None:
        if self._verifier is None:
            return None
        found = self._verifier.of(self._frame, box)
        self.runs += found is not None
        self.candidates.append((box, found))
        return found


def blacked_out(frame: Frame, masks: Sequence[Zone]) -> Frame:
    """The frame without what the masks cover."""
    if not masks:
        return frame
    luma, bgr = _blacked_out(frame.luma, masks), frame.bgr
    return dataclasses.replace(frame, luma=luma, bgr=lambda: _blacked_out(bgr(), masks))


def _blacked_out(picture: Picture, masks: Sequence[Zone]) -> Picture:
    height, width = picture.shape[:2]
    polygons = [
        np.array([(x * width, y * height) for x, y in zone.polygon], np.int32) for zone in masks
    ]
    copy = picture.copy()
    cv2.fillPoly(copy, polygons, (0, 0, 0))
    # Corners are rounded to pixels: the line around takes what the rounding left of a slanted edge.
    cv2.polylines(copy, polygons, isClosed=True, color=(0, 0, 0), thickness=MASK_LINE_PX)
    return copy
