"""``kerbwatch config validate``: what is wrong with a site's configuration, and what is odd about it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from agent.config import ConfigError, load
from agent.plausibility import remarks
from provisioning.failures import FAULT, expected
from provisioning.wording import in_words, say, say_many

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.config import Configuration
    from agent.plausibility import Remark


def validate(site: Path, *, as_json: bool, strict: bool) -> int:
    """Read a configuration and show what was found.

    Returns:
        0 if the agent can use it; 1 if it can, but ``strict`` and there is a warning; if ``as_json``
        and it was refused, the exit code of a refusal.

    Raises:
        ConfigError: It was refused, and the caller shows why.
    """
    try:
        configuration = load(site)
    except ConfigError as error:
        failure = expected(error)
        if not as_json or failure is None:
            raise
        _print({"valid": False, "faults": error.faults, "warnings": []})
        return failure.exit_code
    odd = remarks(configuration)
    if as_json:
        _print(
            {
                "valid": True,
                "faults": [],
                "warnings": [dataclasses.asdict(each) for each in odd],
                "sha256": configuration.sha256(),
            }
        )
    else:
        _show(site, configuration, odd)
    return FAULT if odd and strict else 0


def _show(site: Path, configuration: Configuration, odd: Sequence[Remark]) -> None:
    for each in odd:
        click.echo(f"{click.style('!', fg='yellow')} {in_words(each.what)}")
        click.echo(f"    {in_words(each.meaning)}")
        click.echo("    " + say("To do: {remedy}", remedy=each.remedy))
    if odd:
        click.echo("")
        click.echo(
            say_many(
                "{path}: {count} warning; the agent takes it as it is. Hash {sha256}",
                "{path}: {count} warnings; the agent takes it as it is. Hash {sha256}",
                len(odd),
                path=site,
                sha256=configuration.sha256(),
            )
        )
        return
    click.echo(
        say(
            "{path}: in order. Cameras: {cameras}; zones: {zones}; scenarios: {scenarios}. "
            "Hash {sha256}",
            path=site,
            cameras=len(configuration.cameras),
            zones=len(configuration.zones),
            scenarios=sorted(configuration.scenarios) or say("none"),
            sha256=configuration.sha256(),
        )
    )


def _print(document: dict[str, object]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))
