"""The verbs of a technician's last steps at the pole: test case, commissioning, acceptance, a sign of the light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.control.acceptance import Acceptance, Device
from agent.control.commissioning import Commissioning, Looked
from agent.control.errors import RefusedError
from agent.control.first_night import Sample
from agent.control.messages.service import (
    AskAcceptance,
    AskCommission,
    AskIdentify,
    AskTestCase,
    AskTestCaseState,
    IdentifyReply,
    RecordAcceptance,
)
from agent.control.tear_off import Link, TearOffTests
from agent.control.verbs import verb
from agent.perception.many_looks import seen_in
from agent.runtime.indicators import Sign
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.analysis.reference_image import ReferenceImage
    from agent.control.messages.service import AcceptanceReply
    from agent.control.verbs import Caller, Verb
    from agent.identity.signing_key import Signer
    from agent.runtime.indicators import Indicators
    from agent.runtime.local_verbs import Running

STAMP = Path("/var/lib/kerbwatch-firstboot/seeded.json")
"""What the first boot leaves of a card that was prepared (docs/card.md)."""
FRESH_S = 10.0
"""A camera that is silent for longer has no picture of now."""
BETWEEN_WITHIN_S = 30.0
"""The analysis looks between two frames; a network run on a slow Pi takes its time."""


@dataclass(frozen=True, slots=True)
class Service:
    """What serves a technician at the pole."""

    verbs: tuple[Verb, ...]
    acceptance: Acceptance
    step: Callable[[], Sign | None]
    """Of installing, for the light."""


def service_of(running: Running, signer: Signer, signals: Indicators | None) -> Service:
    """Put together for this run.

    Args:
        running: Its parts.
        signer: Signs with the device's key.
        signals: The light; None: there are no pins.
    """
    tear_off = _tear_off_tests(running)
    acceptance = _acceptance(running, signer, tear_off)
    verbs = (
        verb(AskCommission, _commissioning(running).take, changes=True),
        verb(AskTestCase, tear_off.start, changes=True),
        verb(AskTestCaseState, tear_off.state),
        verb(AskAcceptance, acceptance.ask),
        verb(RecordAcceptance, partial(_accepted, running, acceptance), changes=True),
        verb(AskIdentify, lambda asked, _: _identified(signals, asked.seconds)),
    )
    return Service(verbs, acceptance, lambda: _step(running, acceptance, tear_off))


def _accepted(
    running: Running, acceptance: Acceptance, asked: RecordAcceptance, caller: Caller
) -> AcceptanceReply:
    """Record it, unless the device may go back to something else by itself: that would be what nobody accepted.

    Raises:
        RefusedError: A configuration is on trial; or as :meth:`Acceptance.record`.
    """
    if running.applying is not None:
        running.applying.refuse_trial()
    return acceptance.record(asked, caller)


def _identified(signals: Indicators | None, seconds: float) -> IdentifyReply:
    if signals is None:
        raise RefusedError(
            "no_light", said("this device has no light: there is no [gpio] in site.toml")
        )
    signals.identify(seconds)
    return IdentifyReply(seconds=seconds)


def _step(running: Running, acceptance: Acceptance, tear_off: TearOffTests) -> Sign | None:
    """At which step of installing the device is; the first that applies."""
    if running.applying is not None and running.applying.trial is not None:
        return Sign.TRIAL
    if (phase := tear_off.phase()) is not None:
        return Sign.TESTING if phase == "testing" else Sign.TESTED
    if acceptance.is_fresh:
        return Sign.ACCEPTED
    uplink = running.run.parts.configuration.uplink.located(running.run.base)
    if uplink.certificate_file is not None and not uplink.certificate_file.exists():
        return Sign.ENROLLING
    state = acceptance.status().state
    if state == "provisional":
        return Sign.PROVISIONAL
    if state == "complete" or running.run.parts.views:
        return None  # also a device of before, which nobody ever accepted
    return Sign.SEEDED if STAMP.exists() else Sign.WAITING


def _acceptance(running: Running, signer: Signer, tear_off: TearOffTests) -> Acceptance:
    parts = running.run.parts
    device = Device(
        lambda: parts.configuration,
        version("kerbwatch"),
        running.run.state_dir,
        parts.database,
        parts.outbox,
        signer,
        running.run.clock,
        running.run.ids,
        ZoneInfo(parts.configuration.site.timezone),
    )
    return Acceptance(device, tear_off.of, lambda: _samples(running))


def _samples(running: Running) -> dict[str, Sample]:
    """Every camera of this minute."""
    parts = running.run.parts
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
    parts, vision = running.run.parts, running.vision

    def looked(camera_id: str) -> Looked | None:
        frame = parts.analysis.last_frame(camera_id)
        [capture] = (each for each in vision.captures if each.camera_id == camera_id)
        if frame is None or capture.activity.silent_s(0.0) > FRESH_S:
            return None
        detector = parts.networks.detector
        return Looked(
            frame, seen_in(frame.bgr(), detector.detect_faint, max(detector.input_size_px))
        )

    def hold(camera_id: str, kept: ReferenceImage) -> None:
        at = running.run.clock.now()
        vision.between_frames(lambda: parts.look_from(camera_id, kept, at), BETWEEN_WITHIN_S)
        running.showing.live.aim_anew(camera_id)

    return Commissioning(
        running.run.state_dir,
        lambda: tuple(each.camera_id for each in parts.configuration.cameras),
        # The detector is the analysis thread's alone.
        lambda camera_id: vision.between_frames(lambda: looked(camera_id), BETWEEN_WITHIN_S),
        hold,
    )


def _tear_off_tests(running: Running) -> TearOffTests:
    uplink, parts = running.uplink, running.run.parts

    def link() -> Link:
        assert uplink is not None
        figures = uplink.figures
        connected = figures.connected_since is not None
        return Link(connected, figures.last_error, figures.last_error_at)

    return TearOffTests(
        lambda: parts.configuration,
        parts.networks.used,
        parts.database,
        parts.outbox,
        running.run.clock,
        running.run.ids,
        running.followed,
        None if uplink is None else link,
    )
