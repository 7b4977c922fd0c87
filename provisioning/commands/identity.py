"""``kerbwatch identity``: the device's key and certificate: request, install, enrol, renew, show."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from agent.config.loading import load
from agent.config.site_files import site_folder
from drivers.clock import SystemClock
from drivers.disk import READABLE, make_folder, replace_file
from drivers.files.folder_lock import lock_folder
from drivers.files.small_files import UnreadableError, content_of, text_in
from drivers.hardware import unit_id
from provisioning.enrolment import checks, known_time, renewal, requests, trust
from provisioning.enrolment.est_client import Token, address_of
from provisioning.enrolment.identity_folder import (
    FOLDER,
    FOLDER_MODE,
    Enrolment,
    IdentityError,
    IdentityFolder,
)
from provisioning.enrolment.names import BadNameError, device_name
from provisioning.enrolment.register import fingerprint_of, grouped
from provisioning.enrolment.renewal import Asker
from provisioning.enrolment.trust import TrustError
from provisioning.wording import say
from wording.messages import said, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509

    from agent.config.schema import Configuration
    from provisioning.enrolment.identity_folder import Pair


@dataclass(frozen=True, slots=True)
class _Opened:
    """A site's identity, locked."""

    asker: Asker
    configuration: Configuration
    base: Path

    @property
    def folder(self) -> IdentityFolder:
        return self.asker.folder


def request(site: Path, folder: Path | None, authority: Path | None, out: Path | None) -> None:
    """Make a key on this device, and the request that is carried to the authority.

    Raises:
        ConfigError: The site cannot be read.
        IdentityError: The identity cannot be used.
        OSError: It cannot be written.
    """
    with _opened(site, folder) as opened:
        _pin(opened.folder, authority)
        current = _own(opened)
        like = None if current is None else current.certificate
        made = opened.folder.make_request(opened.asker.name, like)
        if out is not None:
            target = out / f"{opened.asker.name.file_stem}.csr"
            replace_file(target, made.read_bytes(), mode=READABLE)
            made = target
        asked = requests.parsed(made.read_bytes())
    click.echo(say("The request of {name}: {file}", name=str(opened.asker.name), file=made))
    click.echo(say("  key: SHA-256 {fingerprint}", fingerprint=grouped(asked.key_fingerprint)))
    click.echo(
        say(
            "Have it signed (`kerbwatch ca sign`), bring back the certificate, then: `sudo kerbwatch"
            " identity install {site} CERTIFICATE`. The key stays on this device.",
            site=site,
        )
    )


def install(site: Path, folder: Path | None, certificate: Path, authority: Path | None) -> None:
    """Put a certificate in use that was issued for this device's request.

    Raises:
        ConfigError: The site cannot be read.
        IdentityError: It cannot be used; with every fault.
        OSError: It cannot be written.
    """
    with _opened(site, folder) as opened:
        _pin(opened.folder, authority)
        try:
            found = trust.certificates_in(content_of(certificate))
        except (TrustError, UnreadableError) as error:
            raise IdentityError(
                said("{file}: {fault}", file=certificate, fault=text_of(error))
            ) from error
        asker = opened.asker
        chain = checks.accepted(
            found, opened.folder.next_key(), asker.name, opened.folder.authorities(), asker.known
        )
        opened.folder.install(chain)
        known_time.note(asker.known, opened.folder.path)
    _tell_installed(opened, chain[0])


def enrol(
    site: Path,
    folder: Path | None,
    server: str | None,
    authority: Path | None,
    token_file: Path | None,
) -> None:
    """Get the first certificate from an EST server, with a token that is good once.

    Raises:
        ConfigError: The site cannot be read.
        EstError: The server gave none.
        IdentityError: What it gave cannot be used, or no server is known.
        OSError: It cannot be written.
    """
    with _opened(site, folder) as opened:
        _pin(opened.folder, authority)
        kept = opened.folder.enrolment()
        address = server or (kept.server if kept else None)
        if address is None:
            raise IdentityError(said("no EST server is known yet: name it with --server"))
        address_of(address)
        opened.folder.authorities()
        opened.folder.remember(Enrolment(address))
        token = Token(str(opened.asker.name), _secret(token_file))
        certificate = renewal.enrol(opened.asker, address, token)
        known_time.note(opened.asker.known, opened.folder.path)
    _tell_installed(opened, certificate)


def renew(site: Path, folder: Path | None, *, now: bool) -> None:
    """Renew the certificate, if two thirds of its life are over.

    Args:
        site: The site.
        folder: Of the identity; None: beside the site.
        now: Whether it is due or not.

    Raises:
        ConfigError: The site cannot be read.
        EstError: The server gave none.
        IdentityError: There is nothing to renew, or it was made on another unit.
        OSError: It cannot be written.
    """
    with _opened(site, folder) as opened:
        asker = opened.asker
        current = _own(opened)
        if current is None:
            raise IdentityError(
                said(
                    "there is no identity of this unit in {folder} yet: `kerbwatch identity request` or"
                    " `kerbwatch identity enrol`",
                    folder=opened.folder.path,
                )
            )
        known_time.note(asker.known, opened.folder.path)
        due = renewal.due_from(current.certificate)
        if not now and asker.known.guess < due:
            click.echo(say("Nothing to do: it is renewed from {day:%Y-%m-%d} on.", day=due))
            return
        enrolment = opened.folder.enrolment()
        if enrolment is None:
            made = opened.folder.make_request(asker.name, current.certificate)
            click.echo(
                say(
                    "The certificate ends on {day:%Y-%m-%d}. Its next request waits: carry {file} to the"
                    " authority (`kerbwatch ca sign --renew`).",
                    day=current.certificate.not_valid_after_utc,
                    file=made,
                )
            )
            return
        certificate = renewal.renew(asker, enrolment.server, current)
    _tell_installed(opened, certificate)


def show(site: Path, folder: Path | None, *, as_json: bool) -> None:
    """Show what the device's identity is.

    Raises:
        ConfigError: The site cannot be read.
        IdentityError: It cannot be read.
    """
    with _opened(site, folder, looks_only=True) as opened:
        facts = _facts(opened)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    click.echo(say("device: {name}", name=facts["name"]))
    if facts["not_after"] is None:
        click.echo(say("certificate: none yet"))
    else:
        click.echo(
            say(
                "certificate: until {ends:.10}, renewed from {due:.10} on; SHA-256 {fingerprint}",
                ends=facts["not_after"],
                due=facts["renew_from"],
                fingerprint=grouped(facts["fingerprint"]),
            )
        )
    if facts["foreign"]:
        click.echo(
            say("! Its key was made on another unit: this one needs an identity of its own.")
        )
    if facts["request"] is not None:
        click.echo(say("request waiting: {file}", file=facts["request"]))
    for each in facts["authorities"]:
        click.echo(say("authority: {name}", name=each))
    if facts["server"] is not None:
        click.echo(say("EST server: {server}", server=facts["server"]))


def _facts(opened: _Opened) -> dict[str, Any]:
    folder = opened.folder
    current = folder.current()
    leaf = None if current is None else current.certificate
    enrolment = folder.enrolment()
    try:
        authorities = [each.subject.rfc4514_string() for each in folder.authorities()]
    except IdentityError:
        authorities = []
    return {
        "name": str(opened.asker.name),
        "not_after": None if leaf is None else leaf.not_valid_after_utc.isoformat(),
        "renew_from": None if leaf is None else renewal.due_from(leaf).isoformat(),
        "fingerprint": None if leaf is None else fingerprint_of(leaf),
        "foreign": current is not None and folder.is_foreign(current.unit),
        "request": str(folder.request_file) if folder.request_file.exists() else None,
        "authorities": authorities,
        "server": None if enrolment is None else enrolment.server,
        "unit": unit_id(),
    }


@contextmanager
def _opened(site: Path, folder: Path | None, *, looks_only: bool = False) -> Iterator[_Opened]:
    """A site's identity, for one command at a time; who only looks waits for nobody and makes nothing."""
    configuration, base = load(site), site_folder(site)
    path = base / FOLDER if folder is None else folder
    told = f"{configuration.site.tenant}/{configuration.site.device_id}"
    try:
        name = device_name(told)
    except BadNameError as error:
        raise IdentityError(text_of(error)) from error
    identity = IdentityFolder(path, unit_id())
    known = known_time.known_time(SystemClock(), path)
    asker = Asker(identity, name, known)
    if looks_only:
        yield _Opened(asker, configuration, base)
        return
    make_folder(path, mode=FOLDER_MODE)
    try:
        locked = lock_folder(path)
    except BlockingIOError as error:
        raise IdentityError(
            said("another command works on {folder} at this moment: try again", folder=path)
        ) from error
    try:
        yield _Opened(asker, configuration, base)
    finally:
        os.close(locked)


def _own(opened: _Opened) -> Pair | None:
    """The pair in use, if it was made on this unit and for this device.

    Raises:
        IdentityError: It was made elsewhere.
    """
    current = opened.folder.current()
    if current is not None and opened.folder.is_foreign(current.unit):
        return None
    return current


def _pin(folder: IdentityFolder, authority: Path | None) -> None:
    if authority is not None:
        try:
            folder.pin(authority)
        except TrustError as error:
            raise IdentityError(text_of(error)) from error


def _secret(path: Path | None) -> str:
    """The token, never from the command line: others see that."""
    if path is None:
        typed = click.prompt(say("One-time token"), hide_input=True, err=True)
        return str(typed).strip()
    try:
        return text_in(content_of(path)).strip()
    except UnreadableError as error:
        raise IdentityError(said("{file}: {fault}", file=path, fault=text_of(error))) from error


def _tell_installed(opened: _Opened, leaf: x509.Certificate) -> None:
    click.echo(
        say(
            "✓ {name} has its certificate, until {day:%Y-%m-%d}. SHA-256 {fingerprint}",
            name=str(opened.asker.name),
            day=leaf.not_valid_after_utc,
            fingerprint=grouped(fingerprint_of(leaf)),
        )
    )
    uplink = opened.configuration.uplink.located(opened.base)
    folder = opened.folder
    if (uplink.certificate_file, uplink.key_file) == (folder.certificate_file, folder.key_file):
        click.echo(say("A running agent takes it over by itself."))
        return
    click.echo(
        say(
            "! site.toml does not name it yet. Put into [uplink]:\n"
            '  certificate_file = "{certificate}"\n'
            '  key_file = "{key}"',
            certificate=_from(folder.certificate_file, opened.base),
            key=_from(folder.key_file, opened.base),
        )
    )


def _from(path: Path, base: Path) -> Path:
    return path.relative_to(base) if path.is_relative_to(base) else path
