"""Click commands on what may stand in files: config, and the contract that others read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from provisioning.console.options import FOLDER, SITE, json_option
from provisioning.wording import say, say_many


@click.group("config", help=say("Check and show a site's configuration."))
def config_group() -> None:
    """Hold the commands about the configuration."""


@config_group.command(
    "validate",
    help=say(
        "Check a site's configuration: all faults at once, each with its place and what is "
        "allowed; and settings that are allowed but probably not intended."
    ),
)
@SITE
@json_option(say('Print {{"valid", "faults", "warnings"}} as JSON.'))
@click.option("--strict", is_flag=True, help=say("Fail on warnings as well."))
def config_validate(site: Path, as_json: bool, strict: bool) -> None:
    """Check a site's configuration."""
    from provisioning.commands.config_validate import validate

    sys.exit(validate(site, as_json=as_json, strict=strict))


@config_group.command(
    "show",
    help=say("Print the full configuration as JSON, defaults included."),
)
@SITE
def config_show(site: Path) -> None:
    """Print the whole configuration."""
    from agent.config.loading import load

    _print_json(load(site).shown())


@config_group.command(
    "schema",
    help=say(
        "Print the JSON Schema of site.toml (with its zones), for editors and other programs."
    ),
)
def config_schema() -> None:
    """Print the configuration's JSON Schema."""
    from agent.config.loading import json_schema

    _print_json(json_schema())


@click.command(
    "contract",
    help=say(
        "Write the schemas, the AsyncAPI document and the examples of the contract into FOLDER."
    ),
    hidden=True,
)
@click.argument("folder", metavar=say("FOLDER"), type=FOLDER)
def contract(folder: Path) -> None:
    """Write the contract's generated files."""
    from agent.protocol.generator import write

    written = len(write(folder))
    click.echo(
        say_many(
            "wrote {count} file to {folder}",
            "wrote {count} files to {folder}",
            written,
            folder=folder,
        )
    )


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


COMMANDS = (config_group, contract)
