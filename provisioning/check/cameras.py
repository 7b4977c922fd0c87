"""Check of the cameras: whether they open, their frames, and their view."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.analysis import reference_image
from agent.perception.picture_quality import noise, sharpness
from agent.perception.view_health import ViewMonitor
from drivers.cameras import CameraError, load_driver
from provisioning.check.findings import Check, Device, Finding
from provisioning.check.fixes import TAKE_REFERENCE
from provisioning.wording.case_sentences import duration
from provisioning.wording.recovered import recovered
from provisioning.wording.vocabulary import CAMERA_STATES, REASONS
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import CameraSection
    from agent.telemetry.status_file import CameraStatus
    from drivers.cameras import Camera, Frame

FRAMES = 10
OPENING_S = 30.0
"""A camera that is opened for longer than this does not come up."""
LESS_SHARP = 0.5
"""Share of the reference image's sharpness below which a picture has lost its focus, or its light."""
NOISY = 8.0
"""Grey levels of noise from which the change of a picture is mostly its noise: [analysis] change_threshold is 6."""
SILENT_S = 15.0
"""A camera that has given no picture for so long gives none."""


def cameras(device: Device) -> Iterator[Finding]:
    """Open every camera and look at some frames."""
    assert device.configuration is not None
    status = None if device.agent is None else device.agent.status
    for section in device.configuration.cameras:
        if status is None:
            yield from _camera(section, device)
        elif (seen := status.cameras.get(section.camera_id)) is not None:
            yield from _as_the_agent_says(section.camera_id, seen, device)


def _as_the_agent_says(name: str, seen: CameraStatus, device: Device) -> Iterator[Finding]:
    """What the running agent has of a camera, which only one process can have."""
    silent_s, young = seen.silent_s or 0.0, (seen.for_s or 0.0) < OPENING_S
    if seen.state == "running" and silent_s < SILENT_S:
        text = said(
            "camera {camera}: gives frames for {since}; {captured} so far",
            camera=name,
            since=duration(seen.for_s),
            captured=seen.captured,
        )
        yield Finding("cameras", "ok", text, code="camera_frames", subject=name)
        yield from _view_of(name, seen)
        yield from picture_quality(name, seen.sharpness, seen.noise, device)
    elif seen.state in {"opening", "running"} and young:
        yield Finding(
            "cameras",
            "note",
            said("camera {camera}: is just being opened", camera=name),
            code="camera_frames",
            subject=name,
        )
    else:
        yield Finding(
            "cameras",
            "fault",
            said(
                "camera {camera}: {state}; no picture for {silent}",
                camera=name,
                state=CAMERA_STATES.get(seen.state) or recovered(seen.state),
                silent=duration(seen.silent_s),
            ),
            said("This camera is not watched."),
            said(
                "Check cable, power and address; `kerbwatch cameras list` shows the cameras found."
            ),
            code="camera_frames",
            subject=name,
        )


def _view_of(name: str, seen: CameraStatus) -> Iterator[Finding]:
    """What the running agent thinks of the camera's view."""
    view = seen.view
    if view is None:
        return
    if not view.commissioned:
        yield _not_commissioned(name)
    if view.view != "good" or view.abstaining:
        reason = view.view if view.view != "good" else next(iter(view.abstaining.values()))
        yield _not_as_commissioned(name, REASONS.get(reason, reason))


def _camera(section: CameraSection, device: Device) -> Iterator[Finding]:
    name = section.camera_id
    try:
        settings = section.driver_settings(device.base)
        camera = load_driver(section.driver).open_camera(name, settings)
    except CameraError as error:
        yield _lost(error, held=device.agent is not None and device.agent.holder is not None)
        return
    try:
        yield from _frames(name, camera, device)
    finally:
        camera.close()


def _frames(name: str, camera: Camera, device: Device) -> Iterator[Finding]:
    began_s, frames = time.monotonic(), []
    try:
        for _ in range(FRAMES):
            frame = camera.read()
            if frame is None:
                break
            frames.append(frame)
    except CameraError as error:
        yield _lost(error, held=False)
        return
    taken_s = time.monotonic() - began_s
    if not frames:
        yield Finding(
            "cameras",
            "fault",
            said("camera {camera}: no picture in it", camera=name),
            said("There is nothing to watch."),
            said("Check the source named in the camera's settings."),
            code="camera_frames",
            subject=name,
        )
        return
    width, height = camera.size_px
    told = said(
        "camera {camera}: {width} × {height}, {frames} frames in {seconds:.1f} s",
        camera=name,
        width=width,
        height=height,
        frames=len(frames),
        seconds=taken_s,
    )
    yield Finding("cameras", "ok", told, code="camera_frames", subject=name)
    yield from _view(name, frames[-1], device)
    found = noise(frames[-2].luma, frames[-1].luma) if len(frames) > 1 else None
    yield from picture_quality(name, sharpness(frames[-1].luma), found, device)
    if missing := getattr(camera, "unsupported", ()):
        yield Finding(
            "cameras",
            "warning",
            said("camera {camera} does not have: {controls}", camera=name, controls=list(missing)),
            said("These settings do nothing."),
            said("Remove them from the camera's settings, or use a camera that supports them."),
            code="camera_controls",
            subject=name,
        )


def _view(name: str, frame: Frame, device: Device) -> Iterator[Finding]:
    brightness = float(frame.luma.mean())
    if not reference_image.DARK <= brightness <= reference_image.BRIGHT:
        yield Finding(
            "cameras",
            "warning",
            said(
                "camera {camera}: mean brightness {brightness:.0f} of 255",
                camera=name,
                brightness=brightness,
            ),
            said("In a picture this dark or this bright nothing is detected."),
            said("Take off the lens cap, turn the camera away from the lamp, or set its exposure."),
            code="camera_brightness",
            subject=name,
        )
        return
    if reference_image.shortcomings(frame.luma):
        yield Finding(
            "cameras",
            "warning",
            said("camera {camera}: the picture has no detail", camera=name),
            said("It is out of focus, dirty or covered; distant things are not detected."),
            said("Clean the glass; turn the lens until the paving is sharp, or set its focus."),
            code="camera_detail",
            subject=name,
        )
        return
    yield from _against_commissioning(name, frame, device)


def _against_commissioning(name: str, frame: Frame, device: Device) -> Iterator[Finding]:
    """Whether the camera still shows what it showed when it was commissioned."""
    configuration = device.configuration
    assert configuration is not None
    reference = reference_image.load(device.base / configuration.storage.state_dir, name)
    if reference is None:
        yield _not_commissioned(name)
        return
    zones = [one.zone for one in configuration.zones if one.camera_id == name]
    at_once = {"moved_after_s": 0, "unsharp_after_s": 0, "blocked_after_s": 0}
    settings = configuration.view_guard.model_copy(update=at_once)
    guard = ViewMonitor(zones, settings, reference.luma)
    guard.take(frame.luma, frame.monotonic_s)
    if not guard.commissioned:
        state = said("the picture has another shape")
    elif guard.state == "good":
        return
    else:
        state = REASONS[guard.state]
    yield _not_as_commissioned(name, state)


def picture_quality(
    name: str, sharp: float | None, noisy: float | None, device: Device
) -> Iterator[Finding]:
    """Focus and noise of a camera's picture.

    Args:
        name: The camera's.
        sharp: Its sharpness in grey levels; None: not known.
        noisy: Its noise in grey levels; None: not known, as of one picture alone.
        device: For the reference image.
    """
    assert device.configuration is not None
    if sharp is not None:
        state_dir = device.base / device.configuration.storage.state_dir
        reference = reference_image.load(state_dir, name)
        yield _focus(name, sharp, None if reference is None else sharpness(reference.luma))
    if noisy is None:
        return
    text = said("camera {camera}: noise of {noise:.1f} grey levels", camera=name, noise=noisy)
    if noisy < NOISY:
        yield Finding("cameras", "ok", text, code="camera_noise", subject=name)
        return
    yield Finding(
        "cameras",
        "warning",
        text,
        said("Noise looks like change: the device looks more often, and sees small things worse."),
        said("Give the place more light, or the camera a longer exposure and a lower gain."),
        code="camera_noise",
        subject=name,
    )


def _focus(name: str, sharp: float, meant: float | None) -> Finding:
    """Its sharpness, beside that of the reference image where there is one."""
    if meant is None:
        text = said("camera {camera}: sharpness {sharpness:.0f}", camera=name, sharpness=sharp)
    else:
        text = said(
            "camera {camera}: sharpness {sharpness:.0f}, {reference:.0f} in the reference image",
            camera=name,
            sharpness=sharp,
            reference=meant,
        )
    if sharp >= max(reference_image.FLAT_BELOW, LESS_SHARP * (meant or 0.0)):
        return Finding("cameras", "ok", text, code="camera_focus", subject=name)
    return Finding(
        "cameras",
        "warning",
        text,
        said("It is out of focus, dirty, covered or dark; distant things are not detected."),
        said("Clean the glass; turn the lens until the figure is as large as it gets."),
        code="camera_focus",
        subject=name,
    )


def _not_commissioned(name: str) -> Finding:
    return Finding(
        "cameras",
        "warning",
        said("camera {camera}: no reference image", camera=name),
        said("It is unknown whether its view is moved, blocked or out of focus."),
        said(
            "Once the camera is mounted as intended, capture one: by the page's step *Acceptance*, or with "
            "`kerbwatch commission`."
        ),
        code="camera_reference",
        subject=name,
        fix=TAKE_REFERENCE,
    )


def _not_as_commissioned(name: str, state: str) -> Finding:
    return Finding(
        "cameras",
        "warning",
        said(
            "camera {camera}: differs from its reference image: {state}", camera=name, state=state
        ),
        said("Zones that cannot be seen as they were drawn abstain: nothing is detected in them."),
        said(
            "Move the camera back; or, if it is to stay like this, draw the zones again and run "
            "`kerbwatch commission`."
        ),
        code="camera_view",
        subject=name,
    )


def _lost(error: CameraError, *, held: bool) -> Finding:
    if held:
        return Finding(
            "cameras",
            "note",
            said("{fault}, while the agent runs", fault=error),
            said("Only one process can use a camera; most likely the agent uses it."),
            said("`kerbwatch watch` shows its view; or stop the agent and check again."),
            code="camera_frames",
            subject=error.camera_id,
        )
    return Finding(
        "cameras",
        "fault",
        said("{fault}", fault=error),
        said("This camera is not watched."),
        said("Check cable, power and address; `kerbwatch cameras list` shows the cameras found."),
        code="camera_frames",
        subject=error.camera_id,
    )


CHECKS = (Check("cameras", cameras, limit_s=90),)
