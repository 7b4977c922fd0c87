"""``kerbwatch config validate``: faults, warnings and notes of a site's files, and of the files they name."""

from __future__ import annotations

import dataclasses
import json
from itertools import groupby
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from agent.config.faults import ConfigError
from agent.config.loading import load
from agent.config.plausibility import Remark, missing, remarks
from agent.config.schema import UplinkSection
from agent.config.site_files import FileError, read_toml, site_file
from agent.identity.credentials import CredentialsError
from agent.identity.credentials import read as read_credentials
from provisioning.console.exit_codes import FAULT, expected
from provisioning.wording import in_words, say, say_many
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.config.schema import Configuration


def validate(site: Path, *, as_json: bool, strict: bool) -> int:
    """Read a configuration and show what was found.

    Returns:
        0 if the agent can use it; 1 if it can, but ``strict`` and there is a warning; if ``as_json``
        and it was refused, the exit code of a refusal.

    Raises:
        ConfigError: It was refused, and the caller shows why.
    """
    try:
        configuration, absent = _read(site)
    except ConfigError as error:
        failure = expected(error)
        if not as_json or failure is None:
            raise
        _print({"valid": False, "faults": error.faults, "warnings": [], "notes": []})
        return failure.exit_code
    odd = [*remarks(configuration), *absent]
    if as_json:
        _print(
            {
                "valid": True,
                "faults": [],
                "warnings": [dataclasses.asdict(each) for each in odd],
                "notes": [dataclasses.asdict(each) for each in missing(configuration)],
                "sha256": configuration.sha256(),
            }
        )
    else:
        _show(site, configuration, odd)
    return FAULT if odd and strict else 0


def _read(site: Path) -> tuple[Configuration, list[Remark]]:
    """Read a site and the files that prove who the device is.

    One that is not there is no fault of the configuration: certificates and keys come onto the device
    later, and never onto the machine at which the site is written. One that is there must be right.

    Returns:
        The configuration, and which files are not there.

    Raises:
        ConfigError: With every fault, of the files as well.
    """
    path = site_file(site)
    try:
        configuration = load(site)
    except ConfigError as error:
        wrong, _ = _of_files(path, _uplink_alone(path))
        raise ConfigError(error.path, [*error.faults, *wrong]) from error
    wrong, absent = _of_files(path, configuration.uplink)
    if wrong:
        raise ConfigError(path, wrong)
    meaning = said("Without it, the agent on the device cannot connect to the broker.")
    remedy = said("Nothing, if this is not the device; else put the file there.")
    return configuration, [Remark(each, meaning, remedy) for each in absent]


def _of_files(path: Path, uplink: UplinkSection) -> tuple[list[str], list[str]]:
    """What is wrong with the files that a section names, and which are not there."""
    try:
        read_credentials(uplink.located(path.parent))
    except CredentialsError as error:
        wrong = [fault for fault in error.faults if fault not in error.absent]
        return wrong, list(error.absent)
    return [], []


def _uplink_alone(path: Path) -> UplinkSection:
    """The section of a configuration that is wrong elsewhere; an empty one, if it is wrong itself."""
    try:
        return UplinkSection.model_validate(read_toml(path).get("uplink", {}))
    except (FileError, ValidationError):
        return UplinkSection()


def _show(site: Path, configuration: Configuration, odd: Sequence[Remark]) -> None:
    _tell(click.style("!", fg="yellow"), odd)
    notes = tuple(missing(configuration))
    _tell("·", notes)
    if odd or notes:
        click.echo("")
    if odd:
        click.echo(
            say_many(
                "{path}: {count} warning; the agent runs with it. Hash {sha256}",
                "{path}: {count} warnings; the agent runs with it. Hash {sha256}",
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


def _tell(mark: str, found: Sequence[Remark]) -> None:
    """Show remarks; what several in a row mean alike stands below the last of them."""
    for (meaning, remedy), alike in groupby(found, lambda each: (each.meaning, each.remedy)):
        for each in alike:
            click.echo(f"{mark} {in_words(each.what)}")
        click.echo(f"    {in_words(meaning)}")
        click.echo("    " + say("To do: {remedy}", remedy=remedy))


def _print(document: dict[str, object]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))
