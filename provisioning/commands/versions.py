"""``kerbwatch versions``: what is installed beside each other, what runs, and going back by hand."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime

import click

from drivers.files import version_record as record
from provisioning.console.exit_codes import FAULT
from provisioning.console.local_time import local
from provisioning.versions import unit_files
from provisioning.versions.layout import Layout, VersionError
from provisioning.versions.machine import PROVE, Systemd
from provisioning.versions.placing import activate
from provisioning.versions.trial import go_back, prove
from provisioning.wording import in_words, say
from provisioning.wording.recovered import recovered
from wording.harmless import harmless, harmless_json
from wording.messages import Said, said

SHOWN = 10
"""Events that are listed, the newest."""
EVENTS = {
    "placed": said("placed"),
    "activated": said("made the active one"),
    "proved": said("has proved itself"),
    "went_back": said("runs again"),
    "removed": said("removed"),
}
POINTS = {
    "agent": said("agent"),
    "cameras": said("cameras"),
    "models": said("models"),
    "broker": said("broker"),
    "clip": said("stored clip"),
}
STATES = {
    "held": said("works"),
    "failed": said("does not work"),
    "not_known": said("not known"),
    "waiting": said("not yet"),
}


def show(*, as_json: bool, layout: Layout | None = None) -> None:
    """List the versions and what happened to them.

    Args:
        as_json: Print one JSON document.
        layout: Where they lie; None: on this device.
    """
    layout = layout or Layout()
    kept = record.read(layout.records)
    if as_json:
        told = {
            "active": layout.active,
            "before": layout.before,
            "installed": layout.installed(),
            "trial": None if kept.trial is None else asdict(kept.trial),
            "events": [asdict(each) for each in kept.events],
        }
        click.echo(harmless_json(json.dumps(told, ensure_ascii=False, indent=2)))
        return
    if not layout.installed():
        click.echo(say("No version is installed in {folder}.", folder=layout.versions))
    for version in layout.installed():
        click.echo(f"{version}  {_standing(version, layout, kept)}".rstrip())
    for event in kept.events[-SHOWN:]:
        click.echo(f"  {_told(event)}")


def start(version: str) -> None:
    """Make a version the active one and let it prove itself.

    Raises:
        VersionError: It is not there, or this is not root.
        OSError: It could not be written.
    """
    _want_root()
    layout, systemd = Layout(), Systemd()
    if not activate(version, layout):
        click.echo(say("Version {version} runs already.", version=version))
        return
    unit_files.settle(layout)
    systemd.restart_agent()
    on_trial = record.read(layout.records).trial is not None
    if on_trial:
        systemd.start_proof()
    click.echo(
        say(
            "Version {version} is the active one, and has to prove itself: `journalctl "
            "--namespace=kerbwatch -fu {unit}`",
            version=version,
            unit=PROVE,
        )
        if on_trial
        else say("Version {version} is the active one.", version=version)
    )


def prove_now() -> int:
    """Let the version on trial prove itself.

    Returns:
        0, or 1 if it went back.

    Raises:
        VersionError: This is not root, or the version before is not there any more.
        OSError: It could not be written.
    """
    _want_root()
    outcome = prove(Layout(), Systemd())
    for point in outcome.points:
        why = f" ({in_words(point.why)})" if point.why else ""
        click.echo(f"{in_words(POINTS[point.name])}: {in_words(STATES[point.state])}{why}")
    version = outcome.version or "?"
    if outcome.proved is None and outcome.why:
        click.echo(say("Version {version} stays on trial: {why}", version=version, why=outcome.why))
    elif outcome.proved is None:
        click.echo(say("Version {version} has nothing to prove.", version=version))
    elif outcome.proved:
        click.echo(say("Version {version} has proved itself.", version=version))
    else:
        click.echo(
            say("Version {version} runs again: {why}", version=version, why=outcome.why), err=True
        )
        return FAULT
    return 0


def back(reason: str) -> None:
    """Go back to the version before.

    Raises:
        VersionError: There is none, or this is not root.
        OSError: It could not be written.
    """
    _want_root()
    why = said("by hand: {reason}", reason=harmless(reason)) if reason else said("by hand")
    outcome = go_back(Layout(), Systemd(), why)
    click.echo(say("Version {version} runs again: {why}", version=outcome.version, why=why))


def event_in_words(event: record.Event) -> Said:
    """What happened to a version, without when."""
    what = EVENTS.get(event.what, event.what)
    if event.what == "went_back":
        return said(
            "{version} runs again in place of {left}: {why}",
            version=event.version,
            left=event.instead_of or "?",
            why=recovered(event.why),
        )
    if event.why:
        return said(
            "{version} {what} ({why})", version=event.version, what=what, why=recovered(event.why)
        )
    return said("{version} {what}", version=event.version, what=what)


def _standing(version: str, layout: Layout, kept: record.Record) -> str:
    if version == layout.active:
        if kept.trial is not None and kept.trial.version == version:
            return say("active, on trial")
        return say("active")
    return say("before") if version == layout.before else ""


def _told(event: record.Event) -> str:
    at = local(datetime.fromtimestamp(event.at, UTC), None)
    return f"{at}  {in_words(event_in_words(event))}"


def _want_root() -> None:
    if os.geteuid():
        raise VersionError(said("Only root can do this: put `sudo` in front of it."))
