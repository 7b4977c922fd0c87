"""Click commands of the last steps at the pole: commission, test, accept, identify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from provisioning.console.options import SITE, json_option
from provisioning.wording import say


@click.command(
    "commission",
    help=say(
        "Capture each camera's reference image; later frames are compared with it: whether the view is "
        "moved,\n"
        "blocked or out of focus.\n\n"
        "Capture it when the camera is mounted as intended, by day, with nothing unusual in view. A running "
        "agent takes\n"
        "it again and again until no people and no vehicles are in it, and goes by it at once.\n"
    ),
)
@SITE
@click.option(
    "--from",
    "footage",
    multiple=True,
    help=say(
        "CAMERA_ID=PATH: take it from a picture, a video file or a folder of pictures, and of that "
        "camera only."
    ),
)
@click.option(
    "--show", is_flag=True, help=say("List which cameras have a reference image; capture none.")
)
@click.option(
    "--anyway",
    is_flag=True,
    help=say("Take it with people or vehicles in it, as where cars are parked for good."),
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=120.0,
    show_default=True,
    help=say("Seconds to wait for an empty street, for each camera."),
)
@json_option(say("Print the result as JSON."))
def commission(
    site: Path, footage: tuple[str, ...], show: bool, anyway: bool, wait_s: float, as_json: bool
) -> None:
    """Capture the cameras' reference images."""
    from provisioning.commands import commission

    if show:
        sys.exit(commission.show(site, as_json=as_json))
    sys.exit(commission.commission(site, footage, as_json=as_json, anyway=anyway, wait_s=wait_s))


@click.command(
    "test",
    help=say(
        "Send a test case from the pole to the platform, and wait for its ticket number.\n\n"
        "It is marked as a test, and nothing that is counted counts it. Each step is shown with its "
        "time; without a\n"
        "platform that answers test cases it says how far it came.\n"
    ),
)
@SITE
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    help=say("Seconds to wait for the ticket number."),
)
@json_option(say("Print how far it came as JSON."))
def test(site: Path, wait_s: float, as_json: bool) -> None:
    """Send a test case."""
    from provisioning.commands.tear_off import send_test

    sys.exit(send_test(site, wait_s=wait_s, as_json=as_json))


def _walked(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """ZONE=passed, ZONE=failed, …; a zone alone was passed."""
    found = {}
    for value in values:
        zone, _, state = value.partition("=")
        if (state or "passed") not in _STATES:
            raise click.BadParameter(
                say("give ZONE or ZONE=STATE; a state is one of {states}", states=list(_STATES))
            )
        found[zone] = state or "passed"
    return found


_STATES = ("passed", "remark", "failed", "not_done")


@click.command(
    "accept",
    help=say(
        "Check the device, send a test case, and record its acceptance: signed by the device, kept, and sent.\n\n"
        "A check that failed makes it refused. It is provisional until the first night has passed, which the "
        "agent\n"
        "judges by itself. --form writes the acceptance form (PDF) to be signed by hand.\n"
    ),
)
@SITE
@click.option(
    "--role",
    type=click.Choice(["installer", "inspector", "operator"]),
    default="installer",
    show_default=True,
    help=say("Who accepts."),
)
@click.option(
    "--id", "person_id", help=say("Id in somebody's register, such as team-7; it is sent.")
)
@click.option("--name", help=say("Name, for the form alone; it is neither kept nor sent."))
@click.option(
    "--walked",
    multiple=True,
    callback=_walked,
    metavar=say("ZONE[=STATE]"),
    help=say("What came of the walk test in a zone; may be given again."),
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    help=say("Seconds to wait for the ticket number."),
)
@click.option("--no-test", is_flag=True, help=say("Send no test case."))
@click.option(
    "--form",
    type=click.Path(path_type=Path, dir_okay=False),
    help=say("Write the acceptance form (PDF)."),
)
@click.option(
    "--language",
    type=click.Choice(["zh_CN", "en"]),
    default="zh_CN",
    show_default=True,
    help=say("Language of the form."),
)
@click.option("--show", is_flag=True, help=say("Say how far the acceptance is; record none."))
@json_option(say("With --show: as JSON."))
def accept(
    site: Path, show: bool, as_json: bool, no_test: bool, wait_s: float, **told: Any
) -> None:
    """Record the acceptance."""
    from provisioning.commands import accept

    if show:
        sys.exit(accept.show(site, as_json=as_json))
    sys.exit(accept.accept(site, wait_s=None if no_test else wait_s, **told))


@click.command(
    "identify",
    help=say("Let the light and the buzzer of a running device say which one it is."),
)
@SITE
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=30.0,
    show_default=True,
    help=say("For how long."),
)
def identify(site: Path, seconds: float) -> None:
    """Let the device show itself."""
    from agent.config.in_force import look
    from agent.config.site_files import site_folder
    from agent.control.client import call
    from agent.control.messages.service import AskIdentify

    with call(site_folder(site) / look(site).configuration.storage.run_dir) as agent:
        done, _ = agent.ask(AskIdentify(seconds=seconds))
    click.echo(say("The light flashes quickly for {seconds:g} s.", seconds=done.seconds))


COMMANDS = (commission, test, accept, identify)
