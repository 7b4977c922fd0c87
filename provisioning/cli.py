"""The ``kerbwatch`` command: its entry. The options of each command lie in :mod:`provisioning.groups`.

Nothing of the agent is imported before a command needs it: ``--help`` answers at once, and a
camera library that is missing never keeps a configuration from being checked.
"""

from __future__ import annotations

import os
from typing import Any

import click

from drivers.files import installed
from provisioning import groups
from provisioning.console.exit_codes import INTERRUPTED, expected, may_be_damage, report
from provisioning.console.help_format import speak_as_read
from provisioning.wording import in_words, say

speak_as_read()  # click's own words are chosen when options are made, --version's too


class Kerbwatch(click.Group):
    """The group that turns expected errors into one block on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        before = os.umask(PRIVATE)
        try:
            return self._invoke(ctx)
        finally:
            os.umask(before)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo(say("Interrupted."), err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            failure = expected(error)
            if may_be_damage(error) and (told := installed.complaint()):
                click.echo(in_words(told), err=True)
            if failure is None:
                raise
            report(error, failure)
            ctx.exit(failure.exit_code)


PRIVATE = 0o077
"""The umask: pictures of the street, keys and cases are written for nobody else; what others shall read says so."""
# What OpenCV warns of is said again in our own words, with what to do about it.
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")


@click.group(
    cls=Kerbwatch,
    help=say(
        "Watch a street corner and report its problems.\n"
        "\n"
        "SITE is a folder with site.toml and zones.json, or the site.toml itself.\n"
    ),
    epilog=say(
        "\b\n"
        "Exit codes:\n"
        "  0  all well\n"
        "  1  a fault was found, or the work failed\n"
        "  2  the command was called wrongly\n"
        "  3  the configuration or a model was refused\n"
        "  4  a camera or the broker could not be reached\n"
        "  5  the disk refused: state or results could not be written or read\n"
        "  130  interrupted"
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="kerbwatch", message="%(prog)s %(version)s")
def main() -> None:
    """Hold the commands together."""


for command in groups.commands():
    main.add_command(command)


if __name__ == "__main__":
    main()
