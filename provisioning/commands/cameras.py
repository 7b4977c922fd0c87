"""``kerbwatch cameras list``: the drivers, and the cameras that they find on this machine."""

from __future__ import annotations

import dataclasses
import json

import click

from drivers.cameras import FoundCamera, driver_names, load_driver
from provisioning.wording import say
from wording.harmless import harmless, harmless_json


def show(*, as_json: bool) -> None:
    """List every driver and what it finds; no camera is opened."""
    found = {name: _found(name) for name in driver_names()}
    if as_json:
        rows = {
            name: [dataclasses.asdict(each) for each in cameras] for name, cameras in found.items()
        }
        click.echo(harmless_json(json.dumps(rows, ensure_ascii=False, indent=2)))
        return
    for name, cameras in found.items():
        for each in cameras:
            click.echo(f"{name:<14} {harmless(each.name)}  {harmless(each.address)}")
            click.echo(f"{'':<14} settings = {{ {harmless(each.hint)} }}")
    if not any(found.values()):
        click.echo(say("No camera is connected that a driver could list."))
    silent = [name for name, cameras in found.items() if not cameras]
    click.echo(say("Other drivers: {names}", names=silent))


def _found(driver: str) -> list[FoundCamera]:
    list_cameras = getattr(load_driver(driver), "list_cameras", None)
    return [] if list_cameras is None else list(list_cameras())
