"""The analysis of all cameras of one device: frame in, committed events out."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter, defaultdict
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.analysis import withdrawal
from agent.analysis.decision_trace import Traces
from agent.analysis.held_back import HeldBack
from agent.analysis.warn_first import WarnFirst
from agent.analysis.zone_minutes import ZoneMinutes
from agent.capture.frame_faults import FaultyFrames, FrameError
from agent.perception.best_shot import BestShots
from agent.perception.likeness import look_at
from agent.perception.surroundings import Surroundings
from agent.storage.errors import StorageError
from drivers.cameras import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, tzinfo

    from agent.analysis.camera_pipeline import Pipeline
    from agent.analysis.case_recorder import CaseRecorder
    from agent.analysis.rules import Rules
    from agent.analysis.sample_collection import SampleCollection
    from agent.config.schema import Configuration
    from agent.domain.case_lifecycle import Cases, Change
    from agent.domain.picture import Picture
    from agent.domain.scene import Case, Finding, Vantage
    from agent.evidence.pictures import Evidence
    from agent.perception.view_health.visibility import VisibleZones
    from agent.storage.day_counters import Place


class SiteAnalysis:
    """Goes from frame to case and commits. For one thread.

    Args:
        rules: By what is judged.
        cases: The open cases of the device.
        book: Where they are written down.
        evidence: Keeps first pictures of what may become a case.
        collection: Keeps crops of what a scenario is not sure of.
        boot_id: The clock's: within one boot, time goes on across a restart.
        timezone: The site's, for schedules.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        cases: Cases,
        book: CaseRecorder,
        evidence: Evidence,
        collection: SampleCollection,
        boot_id: str,
        timezone: tzinfo = UTC,
    ) -> None:
        self.pipelines: dict[str, Pipeline] = {}
        self._rules = rules
        self.cases = cases
        self._book = book
        self._evidence = evidence
        self._collection = collection
        self._boot_id = boot_id
        self.sights = dict(rules.sights)
        self._faulty = FaultyFrames(rules.sights)
        self.on_view_change: Callable[[], None] = _nothing
        """Called when a camera's view goes bad or is good again."""
        self.on_frame: Callable[[Frame, Callable[[], Surroundings]], None] = lambda *_: None
        """Called with each frame that was analysed, masked, and what else there is in it."""
        self.on_judged: Callable[[Frame, Pipeline, VisibleZones], None] = lambda *_: None
        """Called with each frame that was judged, what was made of it, and what of its zones could be seen."""
        self.suppressed: Counter[Place] = Counter()
        """Of this run: zone, kind of case and what it was seen as → how many candidates that were no case by
        the verifier's word. A new one is put in its place whenever it grows: it may be read from any thread."""
        self.held_back: Counter[tuple[str, str]] = Counter()
        """Of this run: zone and kind of case → how many candidates were held back after a false alarm. As above."""
        self._held = self._held_back(rules)
        self._warnings = _warnings(rules)
        self._timezone = timezone
        self.signal: Callable[[datetime], bool] = _no_signal
        """Gives the signal that warns, at a time of the site's clock, and says whether anybody could notice it."""
        self._minutes = {each: ZoneMinutes(timezone) for each in self.sights}
        self._told: dict[str, tuple[object, ...]] = {}
        self._last_frames: dict[str, Frame] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._colour_shapes: dict[str, tuple[int, ...]] = {}
        self._begun: set[str] = set()
        self._traces: defaultdict[str, Traces] = defaultdict(Traces)
        self._views: defaultdict[str, BestShots] = defaultdict(BestShots)

    def _held_back(self, rules: Rules) -> dict[str, HeldBack]:
        return {
            each: HeldBack(each, rules.hold_back_s, self._book.held_places) for each in rules.sights
        }

    def go_on_with(self, rules: Rules) -> None:
        """Judge by other rules from the next frame on, for the same cameras; what is known of the street goes on.

        Everything is built before anything is put in its place: what cannot be built changes nothing.
        """
        pipelines = dict(self.pipelines)
        for camera_id, old in self.pipelines.items():
            height, width = self._colour_shapes[camera_id][:2]
            pipelines[camera_id] = new = rules.pipeline_for(camera_id, (width, height))
            new.take_over(old)
        held, warnings = self._held_back(rules), _warnings(rules)
        for camera_id, sight in rules.sights.items():
            sight.restore(self.sights[camera_id].snapshot(), 0.0)
            held[camera_id].restore(self._held[camera_id].snapshot(), 0.0)
            warnings[camera_id].restore(self._warnings[camera_id].snapshot(), 0.0)
        self.cases.report_every(rules.persist_every_s, rules.change_every_s)
        self._held, self._warnings, self._rules = held, warnings, rules
        self.sights, self.pipelines = dict(rules.sights), pipelines

    def take(self, frame: Frame) -> list[Change]:
        """Take one frame of any camera; what it changes is on the disk when this returns.

        Raises:
            FrameError: It cannot be judged, and that is the camera's fault; it has changed no case.
            StorageError: The database did not take it.
        """
        before = self.cases.remembered()
        try:
            with self._faulty.judging(frame.camera_id):
                return self._take(frame)
        except FrameError as error:
            self.cases.go_back(before)
            if error.blames_memory:  # the last snapshot is gone on with
                self.pipelines.pop(frame.camera_id, None)
            raise

    def _take(self, frame: Frame) -> list[Change]:
        pipeline = self._pipeline(frame)
        masked = pipeline.masked(frame)  # what nobody may see is in no picture either
        changes = self._judge(masked, pipeline)
        self._last_frames[frame.camera_id] = masked
        if pipeline.looked and frame.bgr().shape != self._colour_shapes[frame.camera_id]:
            self._shapes.pop(frame.camera_id)  # another size of the same aspect
        return changes

    def _judge(self, frame: Frame, pipeline: Pipeline) -> list[Change]:
        sight = self.sights[frame.camera_id]
        seeing = pipeline.timed("view", lambda: sight.take(frame.luma, frame.monotonic_s))
        for zone_id, unseen_s in seeing.resumed.items():
            pipeline.resume(zone_id, unseen_s, frame.monotonic_s)
        findings = pipeline.step(frame, seeing.unseen, seeing.parts)
        pipeline.timed("noting", lambda: self.on_judged(frame, pipeline, seeing))
        return pipeline.timed("recording", lambda: self._record(frame, pipeline, findings))

    def last_frame(self, camera_id: str) -> Frame | None:
        """A camera's last frame, with the site's masks applied; from any thread."""
        return self._last_frames.get(camera_id)

    def look_from(self, camera_id: str, reference: Picture, vantage: Vantage) -> None:
        """Compare a camera with another commissioning picture from the next frame on.

        Args:
            camera_id: The camera's.
            reference: Its luma.
            vantage: From where it looks now.
        """
        self.sights[camera_id].guard.commission(reference)
        self.cases.look_from(camera_id, vantage)

    def abstain(
        self, camera_id: str, because: str, *, silent_s: float, at: datetime
    ) -> list[Change]:
        """Take that a camera gives no frames; its zones abstain until they come again.

        May be called again and again while that lasts.

        Args:
            camera_id: Which one.
            because: One of :data:`agent.protocol.base.Blindness`.
            silent_s: For how long it has given none.
            at: The wall clock now.

        Raises:
            StorageError: The database did not take it.
        """
        frame = self._without_picture(camera_id, silent_s, at)
        sight = self.sights[camera_id]
        if not sight.lose(because, frame.monotonic_s - silent_s):
            return []
        changes = self._see(camera_id)
        if changes:
            pipeline = self.pipelines.get(camera_id)
            snapshot = None if pipeline is None else lambda: self._snapshot(frame, pipeline)
            views, traces = self._views[camera_id], self._traces[camera_id]
            self._book.record(changes, frame, snapshot, traces, views, Surroundings())
        return changes

    def _without_picture(self, camera_id: str, silent_s: float, at: datetime) -> Frame:
        """A moment of a camera that shows nothing, on the clock of its frames."""
        last = self._last_frames.get(camera_id)
        if last is not None:
            now_s = last.monotonic_s + silent_s
            return dataclasses.replace(last, monotonic_s=now_s, captured_at=at)
        # Before its first frame the clock is that of the last run, with which its cases are dated.
        saved = self._book.last_snapshot(camera_id)
        now_s = silent_s + (0.0 if saved is None else float(saved["now_s"]))
        black = np.zeros((1, 1), np.uint8)
        return Frame(camera_id, 0, black, lambda: black[..., None].repeat(3, 2), now_s, at)

    def _see(self, camera_id: str) -> list[Change]:
        """Let cases abstain whose place cannot be seen, and say so if a view has changed."""
        sight = self.sights[camera_id]
        view = sight.view
        told = (view.state, tuple(sorted((z, u.because) for z, u in view.abstaining.items())))
        if self._told.setdefault(camera_id, ("good", ())) != told:
            self._told[camera_id] = told
            self.on_view_change()
        return self.cases.abstain(sight.zone_ids, view.abstaining)

    def _record(self, frame: Frame, pipeline: Pipeline, findings: list[Finding]) -> list[Change]:
        around = self._around(frame, pipeline)
        self.on_frame(frame, around)
        pending = self._await_cases(frame, pipeline, around)
        views, seen = self._views[frame.camera_id], pipeline.observation
        if (
            pipeline.looked and seen
        ):  # only then is the picture's colour at hand and anything new seen
            views.take(frame, pipeline.tracks, pipeline.places(), seen.detections, around)
        self._note(frame, pipeline)
        self._count_suppressed(frame, pipeline)
        for name, judgement in pipeline.judgements.items():
            self._collection.consider(self._rules.kinds[name], judgement.doubts, frame)
        withdrawn = self._withdraw_false(frame)
        changes = self._see(frame.camera_id)
        findings = self._sifted(findings, frame)
        changes += self.cases.update(
            frame.camera_id, findings, frame.monotonic_s, frame.captured_at
        )
        changes = [self._filed(self._with_operators(change, views)) for change in changes]
        self._meet_members(frame.camera_id, views)
        changes = [self._with_looks(change, frame) for change in changes]
        changes = [self._with_warning(change, frame.camera_id) for change in changes]
        self._warn(frame, pipeline)
        self._note_minute(frame, pipeline)
        if changes:
            traces = self._traces[frame.camera_id]
            self._book.record(
                changes, frame, lambda: self._snapshot(frame, pipeline), traces, views, around()
            )
        else:
            cases = self._open_cases(frame.camera_id)
            self._book.keep(frame, lambda: self._snapshot(frame, pipeline), cases, pending=pending)
        return withdrawn + changes

    def _withdraw_false(self, frame: Frame) -> list[Change]:
        """End the open cases that a reviewer found to be false alarms; their places are held back from now on.

        A full disk does not take that: then they stay open until it does.
        """
        held = self._held[frame.camera_id]
        if over := held.refresh(frame.monotonic_s):
            self._book.release(over)
        found = [case for case in self.cases.open if case.case_id in held.case_ids]
        if not found:
            return []
        before = self.cases.remembered()
        changes = self.cases.withdraw({case.case_id: "judged_false" for case in found})
        try:
            self._book.withdraw(changes, frame)
        except StorageError as error:
            if not error.full:
                raise
            self.cases.go_back(before)
            return []
        return changes

    def _around(self, frame: Frame, pipeline: Pipeline) -> Callable[[], Surroundings]:
        """What else there is in a frame; found out when it is first asked for."""
        view = self.sights[frame.camera_id].guard.direction
        return functools.cache(lambda: pipeline.surroundings(frame, view))

    def _sifted(self, findings: list[Finding], frame: Frame) -> list[Finding]:
        """What the scenarios say, without what looks like a false alarm at the same place."""
        open_places = {(case.place_id, case.kind) for case in self.cases.open}
        left, new = self._held[frame.camera_id].sift(findings, open_places, frame)
        if new:
            self.held_back = self.held_back + new
            self._book.count_held_back(frame, new)
        return left

    @property
    def held_places(self) -> Counter[tuple[str, str]]:
        """Zone and kind of case → how many false alarms are held back now; from any thread."""
        return sum((Counter(each.places) for each in self._held.values()), Counter())

    def _with_looks(self, change: Change, frame: Frame) -> Change:
        """A change of an open case, with how its members look: a reviewer may find it to be a false alarm."""
        case = change.case
        if case.state != "open" or case.camera_id != frame.camera_id:
            return change
        looks = {
            member.member_id: look
            for member in case.members
            if member.look is None and (look := look_at(frame, member.box)) is not None
        }
        if not looks:
            return change
        return dataclasses.replace(change, case=self.cases.note_looks(case, looks))

    def _open_cases(self, camera_id: str) -> list[Case]:
        return [case for case in self.cases.open if case.camera_id == camera_id]

    def _with_operators(self, change: Change, views: BestShots) -> Change:
        """A change of an open case, with whose bikes its members are by the best pictures up to now."""
        if change.case.state != "open":
            return change
        operators = self._book.operators_of(change.case.members, views)
        if not operators:
            return change
        case = self.cases.name_operators(change.case, operators)
        return dataclasses.replace(change, case=case)

    def _meet_members(self, camera_id: str, views: BestShots) -> None:
        """Note whose bikes new members are while they are in sight: they may go before the next event."""
        for case in self._open_cases(camera_id):
            new = [member for member in case.members if member.operator is None]
            if found := self._book.operators_of(new, views):
                self.cases.name_operators(case, found)

    def withdraw_unwatched(
        self, configuration: Configuration, vantages: Mapping[str, Vantage], at: datetime
    ) -> list[Change]:
        """End the open cases with which a configuration does not go on; before its first frame is taken.

        Args:
            configuration: The one that holds from now on.
            vantages: From where its cameras look.
            at: The wall clock now.

        Raises:
            StorageError: The database did not take it; the cases are open as before.
        """
        before = self.cases.remembered()
        changes = self.cases.withdraw(withdrawal.reasons(self.cases.open, configuration, vantages))
        if changes:
            try:
                self._book.withdraw(
                    changes, self._without_picture(changes[0].case.camera_id, 0, at)
                )
            except StorageError:
                self.cases.go_back(before)
                raise
        return changes

    def forget_street(self, at: datetime) -> list[Change]:
        """End every open case as moved, and forget who stands where: the unit is at another place.

        Args:
            at: The wall clock now.

        Raises:
            StorageError: The database did not take it; what is known is as before.
        """
        before = self.cases.remembered()
        changes = self.cases.withdraw({case.case_id: "unit_moved" for case in self.cases.open})
        try:
            if changes:
                nothing = self._without_picture(changes[0].case.camera_id, 0, at)
                self._book.withdraw(changes, nothing)
            self._book.forget(list(self.sights))
        except StorageError:
            self.cases.go_back(before)
            raise
        self.pipelines.clear()
        self._traces.clear()
        self._views.clear()
        self._held, self._warnings = self._held_back(self._rules), _warnings(self._rules)
        return changes

    def _filed(self, change: Change) -> Change:
        """A change, with what the city is told of a case that has just opened."""
        if change.type != "case.opened":
            return change
        matter = self._book.matter_of(change.case)
        if matter == change.case.kind:
            return change
        return dataclasses.replace(change, case=self.cases.file_as(change.case, matter))

    @property
    def sizes_px(self) -> dict[str, tuple[int, int]]:
        """Width and height of each camera's picture, as it came; from any thread."""
        shapes = dict(self._colour_shapes)
        return {camera_id: (shape[1], shape[0]) for camera_id, shape in shapes.items()}

    def rest(self) -> None:
        """Write down where every camera stands; called before a planned stop."""
        for camera_id, frame in self._last_frames.items():
            self._book.keep_minutes(self._minutes[camera_id].rest())
            if pipeline := self.pipelines.get(camera_id):
                snapshot = self._snapshot(frame, pipeline)
                self._book.save(frame, snapshot, self._open_cases(camera_id))

    def _await_cases(
        self, frame: Frame, pipeline: Pipeline, around: Callable[[], Surroundings]
    ) -> bool:
        """Keep first pictures of what may become a case; whether anything may."""
        pending = False
        open_zones = {(case.kind, case.zone_id) for case in self.cases.open}
        for name, judgement in pipeline.judgements.items():
            kind = self._rules.kinds[name]
            waiting = {
                zone: since_s
                for zone, since_s in judgement.pending.items()
                if (kind, zone) not in open_zones
            }
            self._evidence.await_cases(kind, waiting, frame, around)
            pending = pending or bool(waiting)
        return pending

    def _note(self, frame: Frame, pipeline: Pipeline) -> None:
        """Remember what the rules went by, for who asks why a case opened."""
        looked = pipeline.looked_zones()
        for name, judgement in pipeline.judgements.items():
            kind = self._rules.kinds[name]
            opened = [case.zone_id for case in self.cases.open if case.kind == kind]
            traces = self._traces[frame.camera_id]
            traces.note(kind, frame.monotonic_s, judgement.measures, looked, opened)

    def _with_warning(self, change: Change, camera_id: str) -> Change:
        """A case that has just opened, with when somebody was warned of it."""
        case = change.case
        at_s = self._warnings[camera_id].warned_s(case.zone_id, case.kind)
        if change.type != "case.opened" or at_s is None:
            return change
        return dataclasses.replace(change, case=self.cases.note_warned(case, at_s))

    def _warn(self, frame: Frame, pipeline: Pipeline) -> None:
        """Warn of what stands there and is no case yet."""
        camera_id, local = frame.camera_id, frame.captured_at.astimezone(self._timezone)
        open_zones = {(case.zone_id, case.kind) for case in self.cases.open}
        happened = self._warnings[camera_id].take(
            frame.monotonic_s,
            [(self._rules.kinds[name], one) for name, one in pipeline.judgements.items()],
            silent=open_zones | self._held[camera_id].now.keys(),
            unseen=self.sights[camera_id].view.abstaining.keys(),
            signal=lambda: self.signal(local),
        )
        self._book.count_warned(frame, happened)

    def _note_minute(self, frame: Frame, pipeline: Pipeline) -> None:
        """Note what was made of the zones, for who asks why no case opened."""
        minutes, view = self._minutes[frame.camera_id], self.sights[frame.camera_id].view
        open_zones = {(case.zone_id, case.kind) for case in self.cases.open}
        held = self._held[frame.camera_id].now
        minutes.note(frame, pipeline, self._rules.kinds, view.abstaining, open_zones, held)
        self._book.keep_minutes(minutes.due(frame))

    def _count_suppressed(self, frame: Frame, pipeline: Pipeline) -> None:
        """Count what the verifier's word kept from being a case."""
        found = Counter(
            (each.zone_id, self._rules.kinds[name], each.seen_as)
            for name, judgement in pipeline.judgements.items()
            for each in judgement.suppressed
        )
        if found:
            self.suppressed = self.suppressed + found
            self._book.suppress(frame, found)

    def _snapshot(self, frame: Frame, pipeline: Pipeline) -> dict[str, Any]:
        return {
            "boot_id": self._boot_id,
            "now_s": frame.monotonic_s,
            "pipeline": pipeline.snapshot(),
            "traces": self._traces[frame.camera_id].snapshot(),
            "sight": self.sights[frame.camera_id].snapshot(),
            "held_back": self._held[frame.camera_id].snapshot(),
            "warned": self._warnings[frame.camera_id].snapshot(),
        }

    def _pipeline(self, frame: Frame) -> Pipeline:
        """The camera's pipeline; a new one that knows what the old one did once its size changes.

        A camera has one size until it is opened anew. The shape of the grey picture tells of another
        aspect at once; of another size, the colour picture when it is looked at.
        """
        camera_id = frame.camera_id
        pipeline = self.pipelines.get(camera_id)
        if pipeline is None:
            pipeline = self._begin(frame)
        elif self._shapes.get(camera_id) != frame.luma.shape:
            known, pipeline = pipeline.snapshot(), self._built(frame)
            pipeline.restore(known, 0.0)
        self.pipelines[camera_id] = pipeline
        self._shapes[camera_id] = frame.luma.shape
        return pipeline

    def _built(self, frame: Frame) -> Pipeline:
        shape = self._colour_shapes[frame.camera_id] = frame.bgr().shape
        return self._rules.pipeline_for(frame.camera_id, (shape[1], shape[0]))

    def _begin(self, frame: Frame) -> Pipeline:
        """Build a camera's pipeline, and go on where the last run stopped.

        Within one boot the clock went on while the agent was away. After another boot it began
        anew, and the time between adds nothing.
        """
        pipeline = self._built(frame)
        saved = self._book.last_snapshot(frame.camera_id)
        if saved is not None:
            saved_s = float(saved["now_s"])
            same_clock = saved["boot_id"] == self._boot_id and frame.monotonic_s >= saved_s
            shift_s = 0.0 if same_clock else frame.monotonic_s - saved_s
            if frame.camera_id not in self._begun:  # the cases came from the last run, too
                self.cases.shift(frame.camera_id, shift_s)
            sight = self.sights[frame.camera_id]
            sight.restore(saved.get("sight", {"since_s": {}, "guard": {}}), shift_s)
            if sight.blind:  # nothing was seen, and nothing has aged, while the agent was away
                sight.postpone(frame.monotonic_s - saved_s - shift_s)
                shift_s = frame.monotonic_s - saved_s
            pipeline.restore(saved["pipeline"], shift_s)
            self._traces[frame.camera_id].restore(saved.get("traces", ()), shift_s)
            self._held[frame.camera_id].restore(saved.get("held_back", {}), shift_s)
            self._warnings[frame.camera_id].restore(saved.get("warned", ()), shift_s)
        self._begun.add(frame.camera_id)
        return pipeline


def _warnings(rules: Rules) -> dict[str, WarnFirst]:
    """Who is warned first, by camera; of others nobody is."""
    return {each: rules.warnings.get(each) or WarnFirst({}, {}) for each in rules.sights}


def _no_signal(_: datetime) -> bool:
    """Nobody can be warned."""
    return False


def _nothing() -> None:
    """What is called when a view changes and nobody wants to know."""
