"""``kerbwatch card prepare``: checks what a card shall carry, writes it, and says what will happen."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from agent.config.loading import load
from drivers.disk import replace_file
from drivers.files.small_files import UnreadableError, content_of, text_in
from provisioning.card.image import CardError, opened
from provisioning.card.network import Wireless
from provisioning.card.prepare import Enrolling, Plan, prepare
from provisioning.enrolment.est_client import EstError, address_of
from provisioning.enrolment.trust import TrustError, pinned
from provisioning.wording import say
from wording.messages import said, text_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from provisioning.card.contents import PageSecrets


def secret_in(file: Path) -> str:
    """A password or a token that stands in a file.

    Raises:
        CardError: The file cannot be read.
    """
    try:
        return text_in(content_of(file)).strip()
    except UnreadableError as error:
        fault = said("{file}: {fault}", file=file, fault=text_of(error))
        raise CardError(fault) from error


def _checked(server: str, authority: Path, token: str) -> Enrolling:
    """What the device would find out only at its first boot, where it costs the token.

    Raises:
        EstError: The server's address is none.
        TrustError: The file is no authority's certificate.
        UnreadableError: It cannot be read.
    """
    address_of(server)
    pinned(authority)
    return Enrolling(server, content_of(authority), token)


def _networked(
    wireless: tuple[str, str] | None, enrolling: tuple[str, Path, str] | None
) -> tuple[Wireless | None, Enrolling | None]:
    """The network that the device joins, and who gives it a certificate.

    Raises:
        CardError: The device could do nothing with one of them.
    """
    try:
        joined = None if wireless is None else Wireless(*wireless)
        return joined, None if enrolling is None else _checked(*enrolling)
    except (ValueError, EstError, TrustError, UnreadableError) as error:
        raise CardError(text_of(error)) from error


def prepare_card(
    target: Path,
    *,
    by: str,
    site: Path | None,
    repository: Path | None,
    suite: str | None,
    architecture: str,
    wireless: tuple[str, str] | None,
    enrolling: tuple[str, Path, str] | None,
    page: tuple[PageSecrets, dict[str, str]],
    label: Path | None,
    now: datetime,
) -> None:
    """Write the card.

    Args:
        target: An image, or where the boot partition is mounted.
        by: Who prepares it.
        site: Checked as ``kerbwatch config validate`` does.
        repository: Of the packages.
        suite: The image's release.
        architecture: The device's.
        wireless: The network's name and password.
        enrolling: EST server, pinned authority, token.
        page: How the page is signed in to: for the card, and as it is told once.
        label: Where that is written, for whoever calls alone; None: printed.
        now: The time, which is written to the card.

    Raises:
        CardError: The card cannot be prepared; nothing was written.
        ConfigError: The site has faults.
        OSError: The card could not be written.
    """
    secrets, told = page
    if site is not None:
        named = load(site).site
        told |= {"tenant": named.tenant, "device_id": named.device_id}
    joined, asked = _networked(wireless, enrolling)
    plan = Plan(
        by=by,
        version=version("kerbwatch"),
        site=site,
        repository=repository,
        wireless=joined,
        page=secrets,
        enrolling=asked,
        suite=suite,
        architecture=architecture,
    )
    with opened(target) as card:
        layout = prepare(card, plan, now)
    if label is None:
        click.echo(json.dumps(told))
    else:
        replace_file(label, json.dumps(told) + "\n")
    _tell(layout.name, plan)


def _tell(layout: str, plan: Plan) -> None:
    """What will happen, and which secrets are on the card."""
    click.echo(say("The card is prepared (seeding: {layout}).", layout=layout), err=True)
    click.echo(
        say(
            "Code and password of the access point are told once, for the label under the lid. The password is"
            " on the card as a secret that all who join share; of the code only a hash is. Both leave the boot"
            " partition at the first boot, where the device makes its certificate: its fingerprint for the"
            " label outside comes from `kerbwatch page identity --json`."
        ),
        err=True,
    )
    if joined := plan.wireless:
        click.echo(
            say(
                "The password of the network {name} is on the card as a secret that all in the network share;"
                " it leaves the boot partition at the first boot. Guard the card until then.",
                name=joined.name,
            ),
            err=True,
        )
    if plan.enrolling:
        click.echo(
            say(
                "The one-time token is wiped at the first boot, even if no certificate was given for it."
            ),
            err=True,
        )
