"""Replay: runs recorded footage through the whole analysis in event time, hours in minutes.

Identifiers, epoch and times come from the site and the recording, so that the same replay on one
kind of machine gives byte-identical events. The base of every behavioural test.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from agent.capture.frame_faults import FrameError
from agent.domain.ids import DerivedIds, RandomIds
from agent.evidence.manifest import ManifestWriter
from agent.identity.signing_key import Signer
from agent.protocol.base import ClockReading
from agent.protocol.events import Event
from agent.runtime.composition import assemble
from agent.runtime.evidence_worker import packets_of
from agent.runtime.instance_lock import alone, refuse_foreign
from agent.storage import outbox_queries
from agent.storage.paths import EVIDENCE, KEYS, TRACKS
from drivers import cameras
from drivers.clock import SystemClock
from drivers.disk import replace_file
from drivers.pacing import Thinning
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.analysis.camera_pipeline import Pipeline
    from agent.config.schema import Configuration
    from agent.domain.case_lifecycle import Change
    from agent.runtime.composition import Parts
    from drivers.cameras import Camera, Frame

_events: TypeAdapter[Event] = TypeAdapter(Event)


class LiveCameraError(ValueError):
    """Replay was asked to read a camera that does not wait for its reader."""

    def __init__(self, camera_id: str) -> None:
        super().__init__(
            said(
                "camera {camera_id!r} is live; replay reads recordings"
                ' (for a video file: pace = "fast")',
                camera_id=camera_id,
            )
        )
        self.camera_id = camera_id


@dataclass(slots=True)
class ReplayReport:
    """The result of a replay: events, counts, and times.

    ``lines`` are the events as they are on the wire, one JSON text each. ``stage_s`` and
    ``session_s`` are processor-wall seconds of this machine; ``footage_s`` is event time. ``remarks``
    are what is odd about recordings that are whole, or why there was no verifier.
    """

    events: list[Event] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    frames: int = 0
    frames_not_judged: int = 0
    runs: int = 0
    footage_s: float = 0.0
    total_s: float = 0.0
    session_s: float = 0.0
    stage_s: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    tracks_by_label: dict[str, int] = field(default_factory=dict)

    @property
    def opened_by_kind(self) -> dict[str, int]:
        """How many cases were opened, by kind."""
        return dict(
            Counter(event.body.kind for event in self.events if event.type == "case.opened")
        )


def replay(
    configuration: Configuration,
    *,
    base: Path,
    out: Path | None = None,
    state: Path | None = None,
    frames_per_s: float | None = None,
    from_s: float = 0.0,
    until_s: float | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_progress: Callable[[float, float | None], None] | None = None,
    on_frame: Callable[[Frame, Pipeline, list[Change]], None] | None = None,
    packets: bool = False,
) -> ReplayReport:
    """Run recorded footage through detection, judgement and outbox.

    Args:
        configuration: The site; its cameras must not be live.
        base: The folder that relative paths in the camera settings start from.
        out: Where ``events.jsonl`` and ``evidence/`` go, and a fresh database in ``state/`` unless
            ``state`` says another place; None keeps none of them.
        state: Where the database lies; one that is there already is gone on with, as after a
            restart. None: a fresh one.
        frames_per_s: Analysed frames a second; None: as configured.
        from_s: Skip frames before this time of the recording.
        until_s: Stop at this time of the recording.
        on_event: Called with each event as it is committed.
        on_progress: Called with the recording's time and, where known, its length.
        on_frame: Called with each analysed frame without what is masked, its camera's pipeline, and
            what it changed.
        packets: Whether the packets of the cases are made as on a device, each at once after its event:
            redacted copies beside the pictures, and manifests, signed by a key of the state folder.

    Raises:
        CameraError: A recording cannot be read, or several of its frames in a row cannot be judged.
        ModelError: A model cannot be used.
        LiveCameraError: A camera does not wait for its reader.
        ForeignStateError: ``state`` belongs to another user.
        NotAloneError: An agent works on ``state``.
    """
    rate = frames_per_s or configuration.analysis.frames_per_s
    with ExitStack() as stack:
        if state is not None:
            refuse_foreign(state)
            state.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone(state))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kerbwatch-")))
        opened = _open_all(configuration, base, rate, stack)
        seed = _seed(configuration, opened)
        state_dir = state or (scratch if out is None else _fresh(out / "state"))
        evidence_dir = (out or scratch) / EVIDENCE
        parts = _assembled(configuration, state_dir, evidence_dir, seed, from_s)
        stack.callback(parts.close)
        report = ReplayReport()
        listener = _Listener(parts, report, out, on_event)
        pack = _packer(configuration, parts, state_dir, evidence_dir) if packets else None
        began_s = time.perf_counter()
        for frame in _frames(opened, rate, from_s, until_s):
            if report.frames == report.frames_not_judged == 0:
                listener.hear(parts.withdraw_unwatched(frame.captured_at))
            report.footage_s = frame.monotonic_s
            changes = _judged(frame, parts, report)
            if changes is None:
                continue
            listener.hear(changes)
            if pack is not None and changes:
                pack()
            if on_frame is not None:
                pipeline = parts.analysis.pipelines[frame.camera_id]
                on_frame(pipeline.masked(frame), pipeline, changes)
            if on_progress is not None:
                on_progress(frame.monotonic_s, until_s)
        parts.rest()
        report.remarks += _remarks(opened, parts)
        report.total_s = time.perf_counter() - began_s
        _sum_up(parts, report)
    return report


def _assembled(
    configuration: Configuration, state_dir: Path, evidence_dir: Path, seed: str, from_s: float
) -> Parts:
    """The parts of a replay, in which nothing is random and no clock is asked."""
    return assemble(
        configuration,
        state_dir=state_dir,
        evidence_dir=evidence_dir,
        ids=DerivedIds(f"{seed} {from_s}"),
        clock=lambda frame: ClockReading(
            state="replay", boot_id=seed[:16], monotonic_s=round(frame.monotonic_s, 3)
        ),
        boot_id=seed[:16],
        epoch=seed[16:32],
    )


def _remarks(opened: dict[str, Camera], parts: Parts) -> Iterator[str]:
    """What is odd about recordings that are whole, and why there was no verifier."""
    yield from filter(None, (getattr(one, "remark", None) for one in opened.values()))
    verifier = parts.networks.verifier
    if verifier is not None and verifier.reason is not None:
        yield said("judged without the verifier: {reason}", reason=verifier.reason)


def _packer(
    configuration: Configuration, parts: Parts, state_dir: Path, evidence_dir: Path
) -> Callable[[], None]:
    """Makes the packets that are due."""
    manifests = ManifestWriter(
        configuration,
        database=parts.database,
        outbox=parts.outbox,
        signer=Signer(state_dir / KEYS),
        clock=SystemClock(),
        ids=RandomIds(),  # the derived ones are the cases'
        evidence_dir=evidence_dir,
    )
    made = packets_of(parts.database, evidence_dir, manifests)

    def pack() -> None:
        while made.do_next():
            pass

    return pack


def _judged(frame: Frame, parts: Parts, report: ReplayReport) -> list[Change] | None:
    """What a frame changed; None if it cannot be judged, as a single one among good ones."""
    try:
        changes = parts.analysis.take(frame)
    except FrameError as error:
        if error.blames_camera:
            raise
        report.frames_not_judged += 1
        return None
    report.frames += 1
    if parts.tracks is not None:
        parts.tracks.write()
    return changes


def _fresh(folder: Path) -> Path:
    """The folder without the database and the tracks of an earlier replay."""
    for path in folder.glob("kerbwatch.sqlite3*"):
        path.unlink()
    shutil.rmtree(folder / TRACKS, ignore_errors=True)
    return folder


class _Listener:
    """Reads back from the outbox what was committed, as the platform would receive it."""

    def __init__(
        self,
        parts: Parts,
        report: ReplayReport,
        out: Path | None,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self._parts, self._report, self._on_event = parts, report, on_event
        self._last = max((row.key for row in self._rows(0)), default=0)
        self._path = None if out is None else out / "events.jsonl"
        if self._path is not None:
            replace_file(self._path, "")

    def _rows(self, after: int) -> list[outbox_queries.Row]:
        with closing(self._parts.database.read()) as connection:
            return outbox_queries.waiting(
                connection,
                outbox_queries.Lane.CASE,
                first=after + 1,
                limit=1_000_000,
                limit_bytes=1 << 40,
            )

    def hear(self, changes: list[Change]) -> None:
        if not changes:
            return
        for row in self._rows(self._last):
            self._last = row.key
            event = _events.validate_json(row.event)
            self._report.events.append(event)
            self._report.lines.append(row.event)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as opened:
                    opened.write(row.event + "\n")
                    opened.flush()
                    os.fsync(opened.fileno())
            if self._on_event is not None:
                self._on_event(event)


def _open_all(
    configuration: Configuration, base: Path, rate: float, stack: ExitStack
) -> dict[str, Camera]:
    opened: dict[str, Camera] = {}
    for section in configuration.cameras:
        settings = section.driver_settings(base)
        # A driver that can leave frames out by itself need not decode them.
        if "frames_per_s" in type(settings).model_fields and not settings.model_dump().get(
            "frames_per_s"
        ):
            settings = settings.model_copy(update={"frames_per_s": rate})
        camera = cameras.load_driver(section.driver).open_camera(section.camera_id, settings)
        stack.callback(camera.close)
        if camera.live:
            raise LiveCameraError(section.camera_id)
        opened[section.camera_id] = camera
    return opened


def _seed(configuration: Configuration, opened: dict[str, Camera]) -> str:
    sources = [f"{camera_id}={camera.source}" for camera_id, camera in sorted(opened.items())]
    text = "\n".join([configuration.sha256(), *sources])
    return hashlib.sha256(text.encode()).hexdigest()


def _frames(
    opened: dict[str, Camera], rate: float, from_s: float, until_s: float | None
) -> Iterator[Frame]:
    """The frames of all cameras in the order of their times."""
    streams = (_thinned(camera, rate, from_s, until_s) for camera in opened.values())
    return heapq.merge(*streams, key=lambda frame: (frame.monotonic_s, frame.camera_id))


def _thinned(camera: Camera, rate: float, from_s: float, until_s: float | None) -> Iterator[Frame]:
    thinning = Thinning(rate)
    while (frame := camera.read()) is not None:
        if until_s is not None and frame.monotonic_s >= until_s:
            return
        if frame.monotonic_s >= from_s and thinning.keeps(frame.monotonic_s):
            yield frame


def _sum_up(parts: Parts, report: ReplayReport) -> None:
    stages: dict[str, float] = defaultdict(float)
    tracks: Counter[str] = Counter()
    for pipeline in parts.analysis.pipelines.values():
        for stage, seconds in pipeline.stage_s.items():
            stages[stage] += seconds
        tracks.update(pipeline.tracks_by_label)
        report.runs += pipeline.runs
    report.stage_s = dict(stages)
    report.tracks_by_label = dict(tracks)
    report.session_s = parts.networks.session_s
