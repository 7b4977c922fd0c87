"""The verbs of a technician's last steps at the pole: test case, commissioning, acceptance, a sign of the light."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.control.acceptance import Acceptance, Device
from agent.control.commissioning import Commissioning, Looked
from agent.control.first_night import Sample
from agent.control.messages.service import (
    AskAcceptance,
    AskCommission,
    AskTestCase,
    AskTestCaseState,
    RecordAcceptance,
)
from agent.control.tear_off import Link, TearOffTests
from agent.control.verbs import verb
from agent.perception.many_looks import seen_in

if TYPE_CHECKING:
    from agent.analysis.reference_image import ReferenceImage
    from agent.control.verbs import Verb
    from agent.identity.signing_key import Signer
    from agent.runtime.local_verbs import Running

FRESH_S = 10.0
"""A camera that is silent for longer has no picture of now."""
BETWEEN_WITHIN_S = 30.0
"""The analysis looks between two frames; a network run on a slow Pi takes its time."""


@dataclass(frozen=True, slots=True)
class Service:
    """What serves a technician at the pole."""

    verbs: tuple[Verb, ...]
    acceptance: Acceptance
    tear_off: TearOffTests


def service_of(running: Running, signer: Signer) -> Service:
    """Put together for this run."""
    tear_off = _tear_off_tests(running)
    acceptance = _acceptance(running, signer, tear_off)
    verbs = (
        verb(AskCommission, _commissioning(running).take, changes=True),
        verb(AskTestCase, tear_off.start, changes=True),
        verb(AskTestCaseState, tear_off.state),
        verb(AskAcceptance, acceptance.ask),
        verb(RecordAcceptance, acceptance.record, changes=True),
    )
    return Service(verbs, acceptance, tear_off)


def _acceptance(running: Running, signer: Signer, tear_off: TearOffTests) -> Acceptance:
    parts = running.parts
    device = Device(
        lambda: parts.configuration,
        version("kerbwatch"),
        running.state_dir,
        parts.database,
        parts.outbox,
        signer,
        running.clock,
        running.ids,
        ZoneInfo(parts.configuration.site.timezone),
    )
    return Acceptance(device, tear_off.of, lambda: _samples(running))


def _samples(running: Running) -> dict[str, Sample]:
    """Every camera of this minute."""
    parts = running.parts
    profiles = {each.camera_id: bool(each.profiles) for each in parts.configuration.cameras}
    return {
        each.camera_id: Sample(
            good=each.state == "running"
            and parts.analysis.sights[each.camera_id].view.state == "good",
            brightness=each.activity.luma if each.state == "running" else None,
            profile=each.activity.profile,
            has_profiles=profiles.get(each.camera_id, False),
        )
        for each in running.vision.captures
    }


def _commissioning(running: Running) -> Commissioning:
    parts, vision = running.parts, running.vision

    def looked(camera_id: str) -> Looked | None:
        frame = parts.analysis.last_frame(camera_id)
        [capture] = (each for each in vision.captures if each.camera_id == camera_id)
        if frame is None or capture.activity.silent_s(0.0) > FRESH_S:
            return None
        detector = parts.detector
        return Looked(
            frame, seen_in(frame.bgr(), detector.detect_faint, max(detector.input_size_px))
        )

    def hold(camera_id: str, kept: ReferenceImage) -> None:
        at = running.clock.now()
        vision.between_frames(lambda: parts.look_from(camera_id, kept, at), BETWEEN_WITHIN_S)
        running.showing.live.aim_anew(camera_id)

    return Commissioning(
        running.state_dir,
        lambda: tuple(each.camera_id for each in parts.configuration.cameras),
        # The detector is the analysis thread's alone.
        lambda camera_id: vision.between_frames(lambda: looked(camera_id), BETWEEN_WITHIN_S),
        hold,
    )


def _tear_off_tests(running: Running) -> TearOffTests:
    uplink, parts = running.uplink, running.parts

    def link() -> Link:
        assert uplink is not None
        figures = uplink.figures
        connected = figures.connected_since is not None
        return Link(connected, figures.last_error, figures.last_error_at)

    return TearOffTests(
        lambda: parts.configuration,
        parts.models,
        parts.database,
        parts.outbox,
        running.clock,
        running.ids,
        running.followed,
        None if uplink is None else link,
    )
