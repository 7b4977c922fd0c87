"""``kerbwatch commission``: captures the reference image of each camera."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from agent.analysis import reference_image
from agent.config.in_force import of_device
from agent.config.loading import load
from agent.config.site_files import site_folder
from agent.control.client import call
from agent.control.messages.service import AskCommission
from agent.domain.scene import MASK
from agent.perception.redaction import sensitive_regions
from drivers.cameras import CameraError, load_driver
from drivers.files.folder_lock import holder_of
from drivers.files.privileges import acting_for, become_keeper_of
from provisioning.commands.audit import note
from provisioning.commands.replay import with_footage
from provisioning.console.exit_codes import FAULT
from provisioning.console.local_time import local
from provisioning.wording import in_words, say
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.config.schema import CameraSection, Configuration
    from agent.inference import Detector
    from drivers.cameras import Frame

WAIT_S, AGAIN_S, ANSWERS_WITHIN_S = 120.0, 2.0, 90.0
"""A street is empty for a moment within two minutes, or it is no moment to commission it."""
FRAMES = 15
"""Frames read before one is used: exposure and focus settle first."""


class CameraHeldError(CameraError):
    """A camera could not be opened, most likely because the agent uses it."""


def commission(
    site: Path,
    footage: Sequence[str],
    *,
    as_json: bool,
    anyway: bool = False,
    wait_s: float = WAIT_S,
) -> int:
    """Capture and store a reference image of every camera: of the running agent's, or of the camera itself.

    Args:
        site: The site.
        footage: ``CAMERA_ID=PATH`` of recordings to take instead of cameras; then only of those.
        as_json: Print what was done as JSON.
        anyway: From a running agent: also with people or vehicles in it.
        wait_s: From a running agent: for so long it is taken again and again until nobody is in it.

    Returns:
        0 if every picture was good enough, 1 if one was refused; the others are stored.

    Raises:
        ConfigError: The site cannot be read.
        CameraError: A camera cannot be used.
        ModelError: The detector, which finds heads and plates, cannot be used.
    """
    from agent import inference  # noqa: PLC0415 - loads the network's runtime

    told = of_device(site)  # its masks hold for the pictures
    base = site_folder(site)
    if not footage and holder_of(base / told.storage.state_dir) is not None:
        done = _from_the_agent(told, base, anyway=anyway, wait_s=wait_s)
        return _shown(done, as_json=as_json)
    chosen = {each.partition("=")[0] for each in footage}
    configuration = with_footage(told, footage, "--from")
    detector = inference.open_detector(told.models.detector, told.models.threads)
    done = {
        section.camera_id: _one(configuration, section, base, detector)
        for section in configuration.cameras
        if not chosen or section.camera_id in chosen
    }
    stored = [camera_id for camera_id, faults in done.items() if not faults]
    if stored:
        state_dir = base / configuration.storage.state_dir
        with acting_for(state_dir):
            note(state_dir, "commission", "commissioning.stored", cameras=stored)
    return _shown(done, as_json=as_json)


def _shown(done: dict[str, list[str]], *, as_json: bool) -> int:
    """Say of each camera why its picture was refused, if it was; 0 if none was."""
    if as_json:
        click.echo(json.dumps({"refused": done}, ensure_ascii=False, indent=2))
    else:
        for camera_id, faults in done.items():
            _tell(camera_id, faults)
    return FAULT if any(done.values()) else 0


def _from_the_agent(
    configuration: Configuration, base: Path, *, anyway: bool, wait_s: float
) -> dict[str, list[str]]:
    """Have the running agent take each picture, again and again until nobody is in it; why not, by camera."""
    done: dict[str, list[str]] = {}
    with call(base / configuration.storage.run_dir) as agent:
        for section in configuration.cameras:
            asked = AskCommission(camera_id=section.camera_id, anyway=anyway)
            until_s = time.monotonic() + wait_s
            while True:
                reply, _ = agent.ask(asked, timeout_s=ANSWERS_WITHIN_S)
                if reply.stored or time.monotonic() >= until_s:
                    break
                time.sleep(AGAIN_S)
            because = [] if reply.because is None else [reply.because.said()]
            done[section.camera_id] = [] if reply.stored else because
    return done


def _one(
    configuration: Configuration, section: CameraSection, base: Path, detector: Detector
) -> list[str]:
    """Why a camera's picture was refused; empty if it is stored."""
    seen = _frame(section, base)
    if faults := reference_image.shortcomings(seen.luma):
        return faults
    frame = _masked(configuration, seen)
    bgr = frame.bgr()
    sensitive = sensitive_regions(detector.detect_faint(bgr), bgr.shape[1] / bgr.shape[0])
    state_dir = base / configuration.storage.state_dir
    with acting_for(state_dir):
        reference_image.keep(state_dir, frame, sensitive)
    return []


def _frame(section: CameraSection, base: Path) -> Frame:
    name, settings = section.camera_id, section.driver_settings(base)
    try:
        camera = load_driver(section.driver).open_camera(name, settings)
    except CameraError as error:
        raise CameraHeldError(
            name,
            said(
                "{reason}. If another program uses the camera, end it first.",
                reason=error.reason,
            ),
        ) from error
    last: Frame | None = None
    try:
        for _ in range(FRAMES):
            frame = camera.read()
            if frame is None:
                break
            last = frame
        if last is None:
            raise CameraError(name, said("no picture in it"))
        last.bgr()  # while the camera is open
        return last
    finally:
        camera.close()


def _masked(configuration: Configuration, frame: Frame) -> Frame:
    from agent.analysis.camera_pipeline import blacked_out  # noqa: PLC0415 - as above

    zones = [one.zone for one in configuration.zones if one.camera_id == frame.camera_id]
    return blacked_out(frame, [zone for zone in zones if zone.kind == MASK])


def _tell(camera_id: str, faults: Sequence[str]) -> None:
    if not faults:
        click.echo(say("camera {camera}: reference image stored", camera=camera_id))
        return
    for fault in faults:
        click.echo(
            say("camera {camera}: refused: {fault}", camera=camera_id, fault=in_words(fault))
        )
    click.echo(
        "  "
        + say(
            "A reference image must be sharp and neither dark nor over-exposed: clean the glass, "
            "set focus and exposure, and capture it by day."
        )
    )


def show(site: Path, *, as_json: bool) -> int:
    """Print for each camera whether it has a reference image, and where.

    Returns:
        0 if every camera has one, else 1.
    """
    configuration = load(site)
    state_dir = site_folder(site) / configuration.storage.state_dir
    become_keeper_of(state_dir)
    kept = {
        section.camera_id: reference_image.load(state_dir, section.camera_id)
        for section in configuration.cameras
    }
    if as_json:
        rows = {
            camera_id: None
            if reference is None
            else {"taken_at": reference.taken_at.isoformat(), "picture": str(reference.picture)}
            for camera_id, reference in kept.items()
        }
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        for camera_id, reference in kept.items():
            if reference is None:
                click.echo(say("camera {camera}: no reference image", camera=camera_id))
            else:
                click.echo(
                    say(
                        "camera {camera}: of {at}, {path}",
                        camera=camera_id,
                        at=local(reference.taken_at, configuration.site.timezone),
                        path=reference.picture,
                    )
                )
    return 0 if all(kept.values()) else FAULT
