"""The ``kerbwatch`` command.

Nothing of the agent is imported before a command needs it: ``--help`` answers at once, and a
camera library that is missing never keeps a configuration from being checked.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioning.failures import FAULT, INTERRUPTED, expected, report
from provisioning.wording import say

if TYPE_CHECKING:
    from collections.abc import Callable


class Kerbwatch(click.Group):
    """The group that turns expected errors into one block on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo(say("kerbwatch.interrupted"), err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            failure = expected(error)
            if failure is None:
                raise
            report(error, failure)
            ctx.exit(failure.exit_code)


_site = click.argument(
    "site", metavar=say("kerbwatch.site"), type=click.Path(exists=True, path_type=Path)
)
_folder = click.Path(file_okay=False, path_type=Path)


def _as_json(text: str) -> Callable[[Any], Any]:
    return click.option("--json", "as_json", is_flag=True, help=text)


@click.group(
    cls=Kerbwatch,
    help=say("kerbwatch.help"),
    epilog=say("kerbwatch.epilog"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="kerbwatch", message="%(prog)s %(version)s")
def main() -> None:
    """Hold the commands together."""


@main.group("config", help=say("config.help"))
def config_group() -> None:
    """Hold the commands about the configuration."""


@config_group.command("validate", help=say("config.validate_help"))
@_site
@_as_json(say("config.validate_json_help"))
def config_validate(site: Path, as_json: bool) -> None:
    """Check a site's configuration."""
    from agent.config import ConfigError, load

    try:
        configuration = load(site)
    except ConfigError as error:
        if not as_json:
            raise
        _print_json({"valid": False, "faults": error.faults})
        sys.exit(expected_code(error))
    if as_json:
        _print_json({"valid": True, "faults": [], "sha256": configuration.sha256()})
        return
    click.echo(
        say(
            "config.valid",
            path=site,
            cameras=len(configuration.cameras),
            zones=len(configuration.zones),
            scenarios=", ".join(sorted(configuration.scenarios)) or say("config.no_scenarios"),
            sha256=configuration.sha256(),
        )
    )


@config_group.command("show", help=say("config.show_help"))
@_site
def config_show(site: Path) -> None:
    """Print the whole configuration."""
    from agent.config import load

    _print_json(load(site).model_dump(mode="json", by_alias=True))


@config_group.command("schema", help=say("config.schema_help"))
def config_schema() -> None:
    """Print the configuration's JSON Schema."""
    from agent.config import json_schema

    _print_json(json_schema())


@main.group("models", help=say("models.help"))
def models_group() -> None:
    """Hold the commands about models."""


@models_group.command("list", help=say("models.list_help"))
@_as_json(say("models.list_json_help"))
def models_list(as_json: bool) -> None:
    """List the models."""
    from provisioning import inventory

    sys.exit(inventory.show(as_json=as_json))


@models_group.command("verify", help=say("models.verify_help"))
@_as_json(say("models.verify_json_help"))
def models_verify(as_json: bool) -> None:
    """Check the models' files."""
    from provisioning import inventory

    sys.exit(inventory.verify(as_json=as_json))


@main.command("contract", help=say("contract.help"), hidden=True)
@click.argument("folder", type=_folder)
def contract(folder: Path) -> None:
    """Write the contract's generated files."""
    from agent.contract import write

    click.echo(say("contract.wrote", count=len(write(folder)), folder=folder))


@main.command("run", help=say("run.help"))
@_site
def run(site: Path) -> None:
    """Run the agent."""
    from provisioning.running import run_site

    sys.exit(run_site(site))


@main.command("replay", help=say("replay.help"))
@_site
@click.option("--out", type=_folder, help=say("replay.out_help"))
@click.option("--state", type=_folder, help=say("replay.state_help"))
@click.option("--fps", type=click.FloatRange(0, min_open=True), help=say("replay.fps_help"))
@click.option("--from", "from_s", type=click.FloatRange(0), default=0, help=say("replay.from_help"))
@click.option("--until", "until_s", type=click.FloatRange(0), help=say("replay.until_help"))
@click.option("--camera", "cameras", multiple=True, help=say("replay.camera_help"))
@_as_json(say("replay.json_help"))
def replay(
    site: Path,
    out: Path | None,
    state: Path | None,
    fps: float | None,
    from_s: float,
    until_s: float | None,
    cameras: tuple[str, ...],
    as_json: bool,
) -> None:
    """Replay recorded footage."""
    from agent.config import load
    from provisioning import replaying

    configuration = replaying.with_footage(load(site), cameras)
    replaying.replay_site(
        configuration,
        base=site if site.is_dir() else site.parent,
        stretch=replaying.Stretch(from_s=from_s, until_s=until_s, frames_per_s=fps),
        out=out,
        state=state,
        as_json=as_json,
    )


@main.command("demo", help=say("demo.help"))
@click.option("--out", type=_folder, help=say("demo.out_help"))
@click.option("--broker", help=say("demo.broker_help"))
@click.option("--fast", is_flag=True, help=say("demo.fast_help"))
def demo(out: Path | None, broker: str | None, fast: bool) -> None:
    """Show everything at work."""
    from provisioning.demo import show

    sys.exit(show(out, broker, fast=fast))


def expected_code(error: Exception) -> int:
    """The exit code of an error that a command reports by itself."""
    failure = expected(error)
    return failure.exit_code if failure else FAULT


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
