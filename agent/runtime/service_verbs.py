"""The verbs of a technician's last steps at the pole: test case, commissioning, acceptance, a sign of the light."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.control.commissioning import Commissioning, Looked
from agent.control.messages.service import AskCommission, AskTestCase, AskTestCaseState
from agent.control.tear_off import Link, TearOffTests
from agent.control.verbs import verb
from agent.perception.many_looks import seen_in

if TYPE_CHECKING:
    from agent.analysis.reference_image import ReferenceImage
    from agent.control.verbs import Verb
    from agent.runtime.local_verbs import Running

FRESH_S = 10.0
"""A camera that is silent for longer has no picture of now."""
BETWEEN_WITHIN_S = 30.0
"""The analysis looks between two frames; a network run on a slow Pi takes its time."""


def service_verbs(running: Running) -> tuple[Verb, ...]:
    """Those of this run."""
    tear_off = _tear_off_tests(running)
    return (
        verb(AskCommission, _commissioning(running).take, changes=True),
        verb(AskTestCase, tear_off.start, changes=True),
        verb(AskTestCaseState, tear_off.state),
    )


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
