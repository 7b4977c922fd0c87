"""Looks at the parts of a running agent from beside them: for the heartbeat, the status and the light.

It reads values that other threads write, without locks: one figure may be a moment older than
another.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, cast

from agent.domain.finite import finite
from agent.protocol.base import MAX_PLACES
from agent.protocol.heartbeat import (
    MAX_JUDGED,
    AppliedHealth,
    CameraHealth,
    ConfigurationHealth,
    HeldBackHere,
    Looking,
    RecoveryHealth,
    StorageHealth,
    SuppressedHere,
    UplinkHealth,
    VerifierHealth,
    ViewHealth,
)
from agent.runtime.indicators import Sign, Situation
from agent.telemetry.analysis_rates import AnalysisRates, Counted
from agent.telemetry.gauges import gauge
from agent.telemetry.picture_figures import PictureFigures
from agent.telemetry.status_file import (
    AcceptanceStatus,
    CameraStatus,
    CaseStatus,
    MeasureStatus,
    PendingStatus,
    Software,
    Status,
    UplinkStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from agent.analysis.camera_pipeline import Pipeline
    from agent.capture.camera_reader import CameraReader
    from agent.capture.mailbox import Mailbox
    from agent.config.schema import Configuration
    from agent.delivery.uplink_supervisor import UplinkSupervisor
    from agent.protocol.base import Blindness, ModelUsed
    from agent.runtime.composition import Parts
    from agent.runtime.supervisor import Supervisor
    from agent.runtime.thermal_throttle import AnalysisRate
    from drivers.clock import Clock

VERSION = version("kerbwatch")
"""Of what runs: asked when it is loaded, for what is installed may be replaced meanwhile."""


class Metrics:
    """Reads the figures of one run. From any thread.

    Args:
        configuration: The site.
        parts: From frame to outbox.
        mailbox: Between cameras and analysis.
        captures: The cameras' threads.
        pace: The thermal throttle's factor on the rate.
        uplink: None where no broker is configured.
        clock: The device's.
        watch: Main's rounds.
        started_s: When the run began, on the clock: before anything of which it is told how long it lasts.
        configured: Whether the configuration is the one in place.
    """

    def __init__(
        self,
        configuration: Configuration,
        parts: Parts,
        mailbox: Mailbox,
        captures: Sequence[CameraReader],
        pace: AnalysisRate,
        uplink: UplinkSupervisor | None,
        clock: Clock,
        watch: Supervisor,
        started_s: float,
        configured: ConfigurationHealth,
    ) -> None:
        self.go_on_with(configuration)
        self._parts, self._mailbox, self._captures = parts, mailbox, captures
        self._pace, self._uplink, self._clock = pace, uplink, clock
        self._watch, self._configured = watch, configured
        self._started_s = started_s
        self._began_s = time.monotonic()
        self._rates = AnalysisRates(clock)
        self._pictures = PictureFigures(parts.analysis.last_frame)
        self.step: Callable[[], Sign | None] = lambda: None
        """Of installing; for the light."""
        self.acceptance: Callable[[], AcceptanceStatus | None] = lambda: None
        self.applied: Callable[[], AppliedHealth | None] = lambda: None
        """What was applied last; nothing as long as nobody can."""
        self.switches: Callable[[], Mapping[str, bool]] = dict
        """At the housing; nothing as long as no pins are configured."""

    def go_on_with(self, configuration: Configuration) -> None:
        """Report another configuration from now on."""
        self._site = configuration.site
        self._sha256 = configuration.sha256()
        self._settings_sha256 = configuration.settings_sha256()

    # ── the heartbeat's fields, by their names ───────────────────────────────────────────────────

    @gauge
    def uptime_s(self) -> float:
        """Since the run began."""
        return round(self._clock.monotonic_s() - self._started_s, 3)

    @gauge
    def cameras(self) -> dict[str, str]:
        """Each camera's state in a word."""
        return {capture.camera_id: capture.state for capture in self._captures}

    @gauge
    def camera_health(self) -> dict[str, CameraHealth]:
        """Each camera since the start."""
        return {each.camera_id: self._camera_health(each) for each in self._captures}

    @gauge
    def frames(self) -> int:
        """Analysed since the start."""
        return sum(pipeline.frames for pipeline in self._pipelines)

    @gauge
    def frames_dropped(self) -> int:
        """Replaced by a newer one before they were analysed."""
        return self._mailbox.dropped.total()

    @gauge
    def inferences(self) -> int:
        """Runs of a network since the start."""
        return sum(pipeline.runs for pipeline in self._pipelines)

    @gauge
    def looking(self) -> Looking:
        """What the analysis does, since this was last asked."""
        gated = sum(pipeline.gated for pipeline in self._pipelines)
        counted = Counted(self.frames(), self.inferences(), gated)
        return self._rates.since_last(counted, self._pace.factor)

    @gauge
    def open_cases(self) -> int:
        """Now."""
        return sum(not case.test for case in self._parts.analysis.cases.open)

    @gauge
    def inputs(self) -> dict[str, bool]:
        """Switches at the housing."""
        return dict(self.switches())

    @gauge
    def spent_today(self) -> dict[str, int]:
        """Of the day's budget, in bytes."""
        return {} if self._uplink is None else self._uplink.figures.spent_today

    @gauge
    def uplink(self) -> UplinkHealth | None:
        """None where no broker is configured."""
        return None if self._uplink is None else self._uplink.figures.health

    @gauge
    def agent_version(self) -> str:
        """Of what runs."""
        return VERSION

    @gauge
    def configuration_sha256(self) -> str:
        """Of what shapes a judgement."""
        return self._sha256

    @gauge
    def configuration(self) -> ConfigurationHealth:
        """Whether it is the one in place."""
        return self._configured.model_copy(update={"applied": self.applied()})

    @gauge
    def models(self) -> tuple[ModelUsed, ...]:
        """The models that judge."""
        return self._parts.networks.used

    @gauge
    def views(self) -> dict[str, ViewHealth]:
        """The view health of each camera."""
        views = {}
        for camera_id, sight in self._parts.analysis.sights.items():
            view = sight.view
            views[camera_id] = ViewHealth(
                view=cast("Literal['good'] | Blindness", view.state),
                for_s=round(self._view_for_s(camera_id, view.state, view.since_s), 3),
                commissioned=view.commissioned,
                abstaining={
                    zone_id: cast("Blindness", unseen.because)
                    for zone_id, unseen in view.abstaining.items()
                },
            )
        return views

    @gauge
    def storage(self) -> StorageHealth:
        """Whether what is kept would outlive a power cut."""
        stood_in, book = self._parts.database.stood_in, self._parts.book
        return StorageHealth(
            state="durable" if stood_in is None else "volatile",
            reason=None if stood_in is None else stood_in.reason,
            events_without_pictures=book.events_without_pictures,
            changes_waiting=book.changes_waiting,
        )

    @gauge
    def verifier(self) -> VerifierHealth | None:
        """The verifier, and what its word kept from being a case."""
        verifier = self._parts.networks.verifier
        if verifier is None:
            return None
        found = self._parts.analysis.suppressed.most_common(MAX_PLACES)
        return VerifierHealth(
            state=verifier.state,
            reason=verifier.reason,
            runs=verifier.runs,
            suppressed=tuple(
                SuppressedHere(zone_id=zone_id, kind=kind, seen_as=seen_as, count=count)
                for (zone_id, kind, seen_as), count in found
            ),
        )

    @gauge
    def held_back(self) -> tuple[HeldBackHere, ...]:
        """What is held back after false alarms, by zone and kind; where most is, first."""
        analysis = self._parts.analysis
        places, counts = analysis.held_places, analysis.held_back
        found = sorted(places.keys() | counts.keys(), key=lambda key: (-counts[key], key))
        return tuple(
            HeldBackHere(zone_id=key[0], kind=key[1], places=places[key], count=counts[key])
            for key in found[:MAX_JUDGED]
        )

    @gauge
    def recovery(self) -> RecoveryHealth:
        """How the device has helped itself."""
        recovery = self._watch.recovery
        return RecoveryHealth(
            began_after=recovery.cause,
            begun=recovery.causes,
            left_out=tuple(sorted(self._watch.left_out)),
            asked=recovery.asked,
            restarted=dict(self._watch.workers.restarted),
            uplinks_left_behind=0 if self._uplink is None else self._uplink.left_behind,
        )

    # ── what these and others are made of ────────────────────────────────────────────────────────

    @property
    def _pipelines(self) -> list[Pipeline]:
        return list(self._parts.analysis.pipelines.values())

    def _view_for_s(self, camera_id: str, state: str, since_s: float | None) -> float:
        """How long a view has been in its state; at most since this run began."""
        [silent_s] = [
            0.0 if one.ended else one.activity.silent_s(self._began_s)
            for one in self._captures
            if one.camera_id == camera_id
        ]
        pipeline = self._parts.analysis.pipelines.get(camera_id)
        if pipeline is None or since_s is None:
            for_s = 0.0 if state == "good" else silent_s
        else:  # the frames' clock stands still while there are none
            for_s = pipeline.now_s - since_s + silent_s
        return min(max(0.0, for_s), time.monotonic() - self._began_s)

    def lost_cameras(self, after_s: float) -> Iterator[tuple[str, float]]:
        """Cameras without a usable frame for a given time, and for how long.

        Those at their end are left out.
        """
        for capture in self._captures:
            activity = capture.activity
            silent_s = activity.silent_s(self._began_s)
            if activity.state != "ended" and silent_s >= after_s:
                yield capture.camera_id, silent_s

    def _camera_health(self, capture: CameraReader) -> CameraHealth:
        activity = capture.activity
        return CameraHealth(
            state=activity.state,
            for_s=round(time.monotonic() - activity.since_s, 3),
            reopened=activity.reopened,
            frames=activity.frames,
            dropped=self._mailbox.dropped[capture.camera_id],
            brightness=finite(activity.luma, 1),
            profile=activity.profile,
        )

    def situation(self) -> Situation:
        """The state of the device for the indicators."""
        states = [capture.state for capture in self._captures]
        lumas = [
            each.activity.luma
            for each in self._captures
            if each.state == "running" and each.activity.luma is not None
        ]
        return Situation(
            running_cameras=states.count("running"),
            lost_cameras=sum(state not in {"opening", "running", "ended"} for state in states),
            analysed_frames=self.frames(),
            hot=self._pace.factor < 1.0,
            online=None if self._uplink is None else self._uplink.connected_since is not None,
            open_cases=self.open_cases(),
            brightness=sum(lumas) / len(lumas) if lumas else None,
            step=self.step(),
        )

    def status(self) -> Status:
        """Everything at this moment.

        Raises:
            StorageError: The outbox cannot be read.
        """
        pipelines = dict(self._parts.analysis.pipelines)
        cameras = {
            each.camera_id: self._camera(each, pipelines.get(each.camera_id))
            for each in self._captures
        }
        return Status(
            at=self._clock.now(),
            uptime_s=self.uptime_s(),
            device_id=self._site.device_id,
            address=self._site.address,
            rate_factor=self._pace.factor,
            temperature_c=self._pace.temperature_c,
            cameras=cameras,
            pending=tuple(each for name, one in pipelines.items() for each in _pending(name, one)),
            cases=tuple(
                CaseStatus(
                    case_id=case.case_id,
                    kind=case.kind,
                    zone_id=case.zone_id,
                    stands_s=round(max(0.0, case.last_present_s - case.began_s), 1),
                )
                for case in self._parts.analysis.cases.open
            ),
            waiting={
                lane.name.lower(): figures.rows
                for lane, figures in self._parts.outbox.lanes().items()
            },
            uplink=self._uplink_status(),
            timezone=self._site.timezone,
            boot_id=self._clock.boot_id,
            monotonic_s=self._clock.monotonic_s(),
            software=self._software(),
            storage=self.storage(),
            verifier=self.verifier(),
            acceptance=self.acceptance(),
        )

    def _software(self) -> Software:
        return Software(
            pid=os.getpid(),
            agent_version=VERSION,
            configuration_sha256=self._sha256,
            settings_sha256=self._settings_sha256,
            configuration=self.configuration(),
            models=self._parts.networks.used,
        )

    def _camera(self, capture: CameraReader, pipeline: Pipeline | None) -> CameraStatus:
        health = dict(self._camera_health(capture))
        picture = self._pictures.of(capture.camera_id)
        return CameraStatus(
            captured=health.pop("frames"),
            **health,
            view=self.views().get(capture.camera_id),
            analysed=0 if pipeline is None else pipeline.frames,
            gated=0 if pipeline is None else pipeline.gated,
            network_runs=0 if pipeline is None else pipeline.runs,
            stage_s={} if pipeline is None else dict(pipeline.stage_s),
            tracks={} if pipeline is None else dict(Counter(t.label for t in pipeline.tracks)),
            silent_s=0.0 if capture.ended else capture.activity.silent_s(self._began_s),
            sharpness=picture.sharpness,
            noise=picture.noise,
        )

    def _uplink_status(self) -> UplinkStatus | None:
        if self._uplink is None:
            return None
        return UplinkStatus.model_validate(self._uplink.figures)


def _pending(camera_id: str, pipeline: Pipeline) -> Iterator[PendingStatus]:
    for scenario, judgement in pipeline.judgements.items():
        for zone_id, measures in judgement.measures.items():
            yield PendingStatus(
                camera_id=camera_id,
                zone_id=zone_id,
                scenario=scenario,
                measures=tuple(MeasureStatus.model_validate(each) for each in measures),
            )
