"""``kerbwatch config validate``: what is wrong with a site's files and those that they name, and what is odd."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from agent.config import ConfigError, load
from agent.credentials import CredentialsError
from agent.credentials import read as read_credentials
from agent.plausibility import Remark, remarks
from drivers.wording import said
from provisioning.failures import FAULT, expected
from provisioning.wording import in_words, say, say_many

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.config import Configuration


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
        odd = [*remarks(configuration), *_absent(configuration, site)]
    except ConfigError as error:
        failure = expected(error)
        if not as_json or failure is None:
            raise
        _print({"valid": False, "faults": error.faults, "warnings": []})
        return failure.exit_code
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


def _absent(configuration: Configuration, site: Path) -> list[Remark]:
    """Say which of the files that prove who the device is are not here.

    That is no fault of the configuration: certificates and keys come onto the device later, and never
    onto the machine at which the site is written. One that is there must be right.

    Raises:
        ConfigError: One is not.
    """
    folder = site if site.is_dir() else site.parent
    try:
        read_credentials(configuration.uplink.located(folder))
    except CredentialsError as error:
        wrong = [fault for fault in error.faults if fault not in error.absent]
        if wrong:
            path = site / "site.toml" if site.is_dir() else site
            raise ConfigError(path, wrong) from error
        return [
            Remark(
                each,
                said("On the device, the agent does not reach the broker without it."),
                said("Nothing, if this is not the device; else put the file there."),
            )
            for each in error.absent
        ]
    return []


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
