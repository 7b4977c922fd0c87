"""``kerbwatch picture``: what a running agent sees now, redacted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np

from agent.config.in_force import look
from agent.config.site_files import site_folder
from agent.control.client import call
from agent.control.errors import RefusedError
from agent.control.messages.pictures import AskPicture
from agent.domain.scene import Box
from drivers import pictures
from provisioning.console.local_time import local
from provisioning.rendering import drawing
from provisioning.wording import in_words, say

if TYPE_CHECKING:
    from agent.config.schema import Configuration
    from agent.control.client import Call
    from agent.control.messages.pictures import PictureReply
    from agent.domain.scene import Zone
    from drivers.cameras import Picture

ASK_EVERY_S, WITHIN_S = 0.5, 60.0
FOOT_PX = 4


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is drawn into it."""

    zones: bool
    seen: bool


def write_picture(
    site: Path,
    camera_id: str | None,
    drawn: Drawn,
    out: Path | None,
    *,
    preview: bool,
    as_json: bool,
) -> None:
    """Ask for a picture until it is made, and write it.

    Args:
        site: The site that the agent watches.
        camera_id: Which camera; None: the only one.
        drawn: What to draw into it.
        out: Where it goes; None: a file of the camera's name here.
        preview: Whether it may be small.
        as_json: Print its figures as JSON.

    Raises:
        ConfigError: The site cannot be read.
        AgentSilentError: No agent answers.
        RefusedError: There is no such picture, and why.
        OSError: It cannot be written.
    """
    configuration = look(site).configuration
    chosen = camera_id or _only_camera(configuration)
    asked = AskPicture(camera_id=chosen, kind="preview" if preview else "whole")
    with call(site_folder(site) / configuration.storage.run_dir) as agent:
        reply, jpeg = _made(agent, asked)
    picture = pictures.decoded(np.frombuffer(jpeg, np.uint8))
    if drawn.zones:
        _draw_zones(picture, configuration.drawn(chosen))
    if drawn.seen:
        _draw_seen(picture, reply)
    path = out or Path(f"{chosen}.jpg")
    drawing.save(path, picture)
    if as_json:
        click.echo(reply.model_dump_json(indent=2))
    else:
        _tell(reply, path, configuration.site.timezone)


def _only_camera(configuration: Configuration) -> str:
    names = [camera.camera_id for camera in configuration.cameras]
    if len(names) > 1:
        raise click.UsageError(say("name one with --camera: {names}", names=names))
    return names[0]


def _made(agent: Call, asked: AskPicture) -> tuple[PictureReply, bytes]:
    ends_s = time.monotonic() + WITHIN_S
    while True:
        try:
            return agent.ask(asked)
        except RefusedError as error:
            if error.code != "not_yet" or time.monotonic() > ends_s:
                raise
        time.sleep(ASK_EVERY_S)


def _draw_zones(picture: Picture, zones: list[Zone]) -> None:
    height, width = picture.shape[:2]
    for zone in zones:
        drawing.outline(picture, zone.polygon, drawing.CYAN)
        at_px = (int(zone.box.left * width) + 4, int(zone.box.top * height) + 16)
        drawing.write(picture, f"{zone.zone_id} ({zone.kind.name})", at_px, drawing.CYAN)


def _draw_seen(picture: Picture, reply: PictureReply) -> None:
    height, width = picture.shape[:2]
    for each in reply.seen:
        label = f"{each.label} {each.confidence:.2f}"
        drawing.frame(picture, [Box(*each.box)], drawing.GREEN, label)
        x, y = each.foot
        cv2.circle(picture, (int(x * width), int(y * height)), FOOT_PX, drawing.RED, -1)


def _tell(reply: PictureReply, path: Path, timezone: str) -> None:
    aim = reply.aim
    click.echo(
        say(
            "{path}: {width} × {height} pixels, taken {at}",
            path=path,
            width=reply.width_px,
            height=reply.height_px,
            at=local(reply.captured_at, timezone, "seconds"),
        )
    )
    if reply.because is not None:
        why = in_words(reply.because.said())
        click.echo(say("It is small: {why}.", why=why))
    click.echo(
        say(
            "sharpness {sharpness:.1f}, brightness {brightness:.0f} of 255, too dark {dark:.0%}, too bright "
            "{bright:.0%}",
            sharpness=aim.sharpness,
            brightness=aim.brightness,
            dark=aim.black_share,
            bright=aim.burnt_share,
        )
    )
    if aim.sharpness_share is not None:
        click.echo(
            say(
                "against the commissioning picture: {share:.0%} as sharp", share=aim.sharpness_share
            )
        )
    if aim.moved_by:
        click.echo(say("it has moved by {share:.1%} of its width", share=aim.moved_by))
