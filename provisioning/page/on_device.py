"""What the commands of the page do on a device: as root, for a person."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import click

from drivers.files.privileges import acting_for
from drivers.hardware import serial_number
from provisioning.console.exit_codes import FAULT
from provisioning.page import access_point, code, root_verbs
from provisioning.page.certificate import fingerprint, make
from provisioning.page.setup import POINT_ADDRESS
from provisioning.wording import say
from wording.messages import said

STATE = "var/lib/kerbwatch-page"


class PageCommandError(Exception):
    """The command cannot be done here, and why."""


def switch_on(minutes: int, *, visit: bool) -> int:
    """Switch the page on; gives the exit code.

    Raises:
        PageCommandError: This is not root, or there is no code yet.
        OSError: What root tells the page could not be written.
    """
    _want_root()
    state = Path("/") / STATE
    with acting_for(state):
        if not (state / "code.json").exists():
            raise PageCommandError(
                said("There is no code to sign in with. Make it first: `sudo kerbwatch page code`")
            )
        if visit:
            (state / "visit.json").unlink(missing_ok=True)
    if visit:  # what it holds in memory ends with it
        subprocess.run(["/usr/bin/systemctl", "stop", root_verbs.SERVICE], check=False)
    fault = root_verbs.page_on(root_verbs.ROOT_DIR, minutes)
    if fault:
        click.echo(say("This failed: {command}", command=fault), err=True)
        return FAULT
    click.echo(
        say(
            "The page is on for {minutes} min: https://{address}/ . Sign in within two minutes.",
            minutes=minutes,
            address=POINT_ADDRESS,
        )
    )
    return 0


def switch_off() -> int:
    """Switch the page off; gives the exit code.

    Raises:
        PageCommandError: This is not root.
    """
    _want_root()
    fault = root_verbs.page_off(root_verbs.ROOT_DIR)
    click.echo(say("This failed: {command}", command=fault) if fault else say("The page is off."))
    return FAULT if fault else 0


def make_code(root: Path, *, as_json: bool) -> int:
    """Make code, password and certificate, and print them; gives the exit code.

    Args:
        root: Below which everything lies: ``/`` on a device.
        as_json: One line of JSON.

    Raises:
        PageCommandError: This is not root.
        OSError: They could not be written.
    """
    _want_root()
    state = root / STATE
    made, password = code.new_code(), access_point.new_password()
    with acting_for(state):
        code.keep(made, state / "code.json")
        make(state / "tls")
    access_point.write(root, point_name(state), password)
    told = _identity(root) | {"code": made, "access_point_password": password}
    _print(told, as_json=as_json)
    return 0


def show_identity(root: Path, *, as_json: bool) -> int:
    """Print what the label outside says; gives the exit code.

    Raises:
        OSError: There is no certificate yet.
    """
    _print(_identity(root), as_json=as_json)
    return 0


def forget_draft(root: Path) -> None:
    """Forget what was drawn on the old street's picture: it is offered on no other. Without a page there is none."""
    state = root / STATE
    with suppress(OSError), acting_for(state):
        (state / "draft.json").unlink(missing_ok=True)


def _identity(root: Path) -> dict[str, str | None]:
    state = root / STATE
    with acting_for(state):
        return {
            "what": "page.identity",
            "page_address": f"https://{POINT_ADDRESS}/",
            "page_fingerprint": fingerprint(state / "tls"),
            "access_point": point_name(state),
            "serial": serial_number(),
        }


def point_name(state: Path) -> str:
    """``kerbwatch-`` and the beginning of the fingerprint, which the label has anyway: no name of a place."""
    return f"kerbwatch-{fingerprint(state / 'tls')[:4]}"


def _print(told: dict[str, str | None], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told))
        return
    names = {
        "page_address": say("address"),
        "page_fingerprint": say("fingerprint"),
        "access_point": say("access point"),
        "access_point_password": say("its password"),
        "code": say("code under the lid"),
    }
    for name, text in names.items():
        if told.get(name):
            click.echo(f"{text}: {told[name]}")


def _want_root() -> None:
    if os.geteuid():
        raise PageCommandError(said("Only root can do this: put `sudo` in front of it."))
