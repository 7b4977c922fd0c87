"""The analysis of all cameras of one device: frame in, committed events out."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from agent.trace import Traces
from agent.views import BestViews

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.casebook import CaseBook
    from agent.cases import Cases, Change
    from agent.collection import Collection
    from agent.evidence import Evidence
    from agent.pipeline import Pipeline
    from agent.scene import Finding
    from drivers.cameras import Frame


class Analysis:
    """Goes from frame to case and commits. For one thread.

    Args:
        pipeline_for: Builds a camera's pipeline once the size (width, height) of its picture is
            known, which is at its first frame.
        kinds: Scenario's name → its kind of case.
        cases: The open cases of the device.
        book: Where they are written down.
        evidence: Keeps first pictures of what may become a case.
        collection: Keeps crops of what a scenario is not sure of.
        boot_id: The clock's: within one boot, time goes on across a restart.
    """

    def __init__(
        self,
        *,
        pipeline_for: Callable[[str, tuple[int, int]], Pipeline],
        kinds: Mapping[str, str],
        cases: Cases,
        book: CaseBook,
        evidence: Evidence,
        collection: Collection,
        boot_id: str,
    ) -> None:
        self.pipelines: dict[str, Pipeline] = {}
        self._pipeline_for = pipeline_for
        self.cases = cases
        self._kinds = dict(kinds)
        self._book = book
        self._evidence = evidence
        self._collection = collection
        self._boot_id = boot_id
        self._last_frames: dict[str, Frame] = {}
        self._traces: defaultdict[str, Traces] = defaultdict(Traces)
        self._views: defaultdict[str, BestViews] = defaultdict(BestViews)

    def take(self, frame: Frame) -> list[Change]:
        """Take one frame of any camera; what it changes is on the disk when this returns.

        Raises:
            EvidenceError: A picture could not be written.
            StorageError: The database did not take it.
        """
        if frame.camera_id not in self.pipelines:
            self.pipelines[frame.camera_id] = self._begin(frame)
        pipeline = self.pipelines[frame.camera_id]
        frame = pipeline.masked(frame)  # what nobody may see is in no picture either
        self._last_frames[frame.camera_id] = frame
        findings = pipeline.step(frame)
        return pipeline.timed("recording", lambda: self._record(frame, pipeline, findings))

    def _record(self, frame: Frame, pipeline: Pipeline, findings: list[Finding]) -> list[Change]:
        self._await_cases(frame, pipeline)
        if pipeline.looked:  # only then is the picture's colour at hand and anything new seen
            self._views[frame.camera_id].take(frame, pipeline.tracks)
        self._note(frame, pipeline)
        for name, doubts in pipeline.doubts().items():
            self._collection.consider(self._kinds[name], doubts, frame)
        changes = self.cases.update(frame.camera_id, findings, frame.monotonic_s, frame.captured_at)
        if changes:
            traces = self._traces[frame.camera_id]
            views = self._views[frame.camera_id]
            self._book.record(
                changes, frame, lambda: self._snapshot(frame, pipeline), traces, views
            )
        else:
            self._book.keep(frame, lambda: self._snapshot(frame, pipeline))
        return changes

    def rest(self) -> None:
        """Write down where every camera stands; called before a planned stop."""
        for camera_id, frame in self._last_frames.items():
            self._book.save(frame, self._snapshot(frame, self.pipelines[camera_id]))

    def _await_cases(self, frame: Frame, pipeline: Pipeline) -> None:
        open_zones = {(case.kind, case.zone_id) for case in self.cases.open}
        for name, zones in pipeline.pending().items():
            kind = self._kinds[name]
            waiting = {zone: s for zone, s in zones.items() if (kind, zone) not in open_zones}
            self._evidence.await_cases(kind, waiting, frame)

    def _note(self, frame: Frame, pipeline: Pipeline) -> None:
        """Remember what the rules went by, for who asks why a case opened."""
        looked = pipeline.looked_zones()
        for name, measured in pipeline.measures().items():
            kind = self._kinds[name]
            opened = [case.zone_id for case in self.cases.open if case.kind == kind]
            traces = self._traces[frame.camera_id]
            traces.note(kind, frame.monotonic_s, measured, looked, opened)

    def _snapshot(self, frame: Frame, pipeline: Pipeline) -> dict[str, Any]:
        return {
            "boot_id": self._boot_id,
            "now_s": frame.monotonic_s,
            "pipeline": pipeline.snapshot(),
            "traces": self._traces[frame.camera_id].snapshot(),
        }

    def _begin(self, frame: Frame) -> Pipeline:
        """Build a camera's pipeline, and go on where the last run stopped.

        Within one boot the clock went on while the agent was away. After another boot it began
        anew, and the time between adds nothing.
        """
        height, width = frame.bgr().shape[:2]
        pipeline = self._pipeline_for(frame.camera_id, (width, height))
        saved = self._book.last_snapshot(frame.camera_id)
        if saved is not None:
            saved_s = float(saved["now_s"])
            same_clock = saved["boot_id"] == self._boot_id and frame.monotonic_s >= saved_s
            shift_s = 0.0 if same_clock else frame.monotonic_s - saved_s
            pipeline.restore(saved["pipeline"], shift_s)
            self._traces[frame.camera_id].restore(saved.get("traces", ()), shift_s)
            self.cases.shift(frame.camera_id, shift_s)
        return pipeline
