"""``kerbwatch identity hand-over``: the site for a unit that takes this one's place, without any secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.config.loading import load
from agent.config.site_files import ZONES, site_file, site_folder
from agent.identity.pem import holds_key
from drivers.disk import make_folder, replace_file
from drivers.files.small_files import content_of
from provisioning.enrolment.identity_folder import AUTHORITY, FOLDER, SETTINGS, IdentityError
from provisioning.wording import say
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration


def hand_over(site: Path, out: Path) -> None:
    """Copy what another unit needs to watch the same corner; its identity it makes itself.

    Args:
        site: The site.
        out: A folder, new or empty.

    Raises:
        ConfigError: The site cannot be read.
        IdentityError: The folder is not empty.
        OSError: It cannot be written.
    """
    configuration, base = load(site), site_folder(site)
    if out.exists() and any(out.iterdir()):
        raise IdentityError(said("{folder} is not empty: give a new one", folder=out))
    secrets = set(_secrets(configuration))
    make_folder(out)
    taken = []
    for path in dict.fromkeys((Path(site_file(site).name), *_public(configuration))):
        source = base / path
        if path.is_absolute() or path in secrets or not source.is_file():
            continue
        content = content_of(source)
        if holds_key(content):  # named as a certificate, and a key as well
            secrets.add(path)
            continue
        replace_file(out / path, content)
        taken.append(str(path))
    click.echo(say("copied to {folder}: {files}", folder=out, files=taken))
    if secrets:
        click.echo(
            say(
                "left out, to be made or typed anew on the other unit: {files}",
                files=sorted(map(str, secrets)),
            )
        )
    click.echo(
        say(
            "On the other unit: copy them to /etc/kerbwatch, then `sudo kerbwatch identity request`"
            " (or enrol). Have this unit's certificate revoked."
        )
    )


def _public(configuration: Configuration) -> Iterator[Path]:
    """Files of a site that hold no secret, relative to it or not."""
    yield Path(ZONES)
    named = [
        configuration.uplink.ca_file,
        configuration.evidence.upload_ca_file,
        *(each.key_file for each in configuration.authorities),
        *_of_cameras(configuration, "ca_file"),
    ]
    yield from (each for each in named if each is not None)
    for name in (AUTHORITY, SETTINGS):
        yield Path(FOLDER) / name


def _secrets(configuration: Configuration) -> Iterator[Path]:
    uplink = configuration.uplink
    for each in (uplink.certificate_file, uplink.key_file, uplink.password_file):
        if each is not None:
            yield each
    yield from _of_cameras(configuration, "password_file")


def _of_cameras(configuration: Configuration, setting: str) -> Iterator[Path]:
    for camera in configuration.cameras:
        value = camera.settings.get(setting)
        if isinstance(value, str):
            yield Path(value)
