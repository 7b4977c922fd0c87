"""``kerbwatch ca``: an offline authority: init, sign, revoke, list, crl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from drivers.disk import READABLE, make_folder, replace_file
from drivers.files.small_files import UnreadableError, content_of, text_in
from provisioning.enrolment import authority, names, requests
from provisioning.enrolment.authority import AuthorityError, OfflineAuthority
from provisioning.enrolment.names import BadNameError
from provisioning.enrolment.profiles import CRL_DAYS
from provisioning.enrolment.register import fingerprint_of, grouped
from provisioning.enrolment.requests import Request, RequestError
from provisioning.wording import say
from provisioning.wording.vocabulary import CERTIFICATE_STATES, known_in_words
from provisioning.wording.width import padded
from wording.harmless import harmless
from wording.messages import itemised, said, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509

    from provisioning.enrolment.register import Entry
    from wording.messages import Said


@dataclass(frozen=True, slots=True)
class Wanted:
    """How requests are signed.

    Attributes:
        days: For how long.
        renew: A device may have a valid certificate already: it goes on until it ends.
        replace: It may, and that is revoked: the unit was replaced.
        expected: ``tenant/device_id`` that the request must be of; None: any device's.
    """

    days: int
    renew: bool = False
    replace: bool = False
    expected: str | None = None


def init(folder: Path, name: str, passphrase_file: Path | None, days: int) -> None:
    """Make an authority, and say what goes where.

    Raises:
        AuthorityError: There is one already, or the passphrase is too short.
        OSError: It cannot be written.
    """
    passphrase = _passphrase(passphrase_file, new=True)
    certificate = authority.init(folder, name, passphrase, days)
    click.echo(
        say(
            "The authority is in {folder}. {certificate} goes to every device and broker; {key} stays"
            " here, with a copy in a safe place: without it and its passphrase no certificate can be"
            " renewed.",
            folder=folder,
            certificate=authority.CERTIFICATE,
            key=authority.KEY,
        )
    )
    _tell_certificate(certificate)


def sign(
    folder: Path, files: Sequence[Path], out: Path | None, passphrase: Path | None, wanted: Wanted
) -> None:
    """Sign devices' requests: all of them, or none if one is faulty.

    Raises:
        AuthorityError: Some cannot be signed; with every fault.
        OSError: A certificate cannot be written.
    """
    authority.register_of(folder)  # before a passphrase is asked for
    requested = _devices(files, wanted)
    opened = OfflineAuthority.open(folder, _passphrase(passphrase))
    with opened.alone():  # two who sign for one name at once: the second is told of the first
        if not (wanted.renew or wanted.replace):
            _refuse_taken(opened, requested)
        issued = [
            (path, request, opened.sign_device(request, wanted.days, replace=wanted.replace))
            for path, request in requested.items()
        ]
    for path, request, certificate in issued:
        target = (out or path.parent) / f"{request.device().file_stem}.crt"
        replace_file(target, certificate.public_bytes(Encoding.PEM), mode=READABLE)
        click.echo(say("{name}: {file}", name=request.common_name, file=target))
        _tell_certificate(certificate)
    if wanted.replace:
        _write_crl(opened)


def sign_server(
    folder: Path,
    given: Sequence[str],
    request_file: Path | None,
    out: Path | None,
    passphrase: Path | None,
    days: int,
) -> None:
    """Issue a server's certificate: for a request, or with a key that is made here.

    Raises:
        AuthorityError: It cannot be issued.
        OSError: It cannot be written.
    """
    authority.register_of(folder)
    try:
        request = None if request_file is None else requests.read(request_file)
        wanted = list(given) or list(request.names if request else ())
        found = names.hosts(wanted)
    except (RequestError, BadNameError) as error:
        raise AuthorityError(_of_file(request_file, text_of(error))) from error
    if not found:
        raise AuthorityError(
            said("give every name and address by which devices reach the server: --name")
        )
    opened = OfflineAuthority.open(folder, _passphrase(passphrase))
    place = out or (folder if request_file is None else request_file.parent)
    stem = place / f"server.{str(found[0].value).replace(':', '-')}"
    make_folder(place)
    if request is None:
        key = ec.generate_private_key(ec.SECP256R1())
        packed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        replace_file(stem.with_name(f"{stem.name}.key"), packed)
    certificate = opened.sign_server(
        found, key.public_key() if request is None else request.key, days
    )
    target = stem.with_name(f"{stem.name}.crt")
    replace_file(target, certificate.public_bytes(Encoding.PEM), mode=READABLE)
    shown = [str(each.value) for each in found]
    click.echo(say("{names}: {file}", names=shown, file=target))
    _tell_certificate(certificate)


def revoke(
    folder: Path, which: Sequence[str], reason: str, passphrase: Path | None, days: int
) -> None:
    """Revoke certificates, and write the revocation list.

    Args:
        folder: The authority's.
        which: Serial numbers (hexadecimal, or their beginning), or names: then all valid ones of a name.
        reason: One of :data:`provisioning.enrolment.register.REASONS`.
        passphrase: A file with it.
        days: Until the next list is due.

    Raises:
        AuthorityError: Some are not known, are not one alone, or are revoked already; with every fault.
    """
    entries = authority.register_of(folder).entries()
    serials: dict[str, Entry] = {}
    faults: list[Said] = []
    for each in which:
        found = _meant(entries, each)
        if isinstance(found, list):
            serials |= {entry.serial: entry for entry in found}
        else:
            faults.append(found)
    if faults:
        raise AuthorityError(_all_of(said("Nothing was revoked:"), faults))
    opened = OfflineAuthority.open(folder, _passphrase(passphrase))
    opened.register.revoke(list(serials), reason)
    for entry in serials.values():
        click.echo(say("revoked: {name}, serial {serial}", name=entry.name, serial=entry.serial))
    _write_crl(opened, days)


def crl(folder: Path, passphrase: Path | None, days: int) -> None:
    """Write the revocation list anew.

    Raises:
        AuthorityError: There is no authority, or its key cannot be opened.
        OSError: It cannot be written.
    """
    authority.register_of(folder)
    _write_crl(OfflineAuthority.open(folder, _passphrase(passphrase)), days)


def show(folder: Path, *, as_json: bool) -> None:
    """List what was issued.

    Raises:
        AuthorityError: There is no authority.
    """
    entries = authority.register_of(folder).entries()
    if as_json:
        click.echo(json.dumps([each.shown() for each in entries], ensure_ascii=False, indent=2))
        return
    for each in entries:
        state = known_in_words(CERTIFICATE_STATES, each.state)
        until = f"{each.not_after:%Y-%m-%d}"
        click.echo(f"{padded(each.name, 32)} {padded(state, 10)} {until}  {each.serial}")
    if not entries:
        click.echo(say("Nothing was issued yet."))


def _devices(files: Sequence[Path], wanted: Wanted) -> dict[Path, Request]:
    found: dict[Path, Request] = {}
    faults: list[Said] = []
    for path in files:
        try:
            request = requests.read(path)
            name = str(request.device())
        except RequestError as error:
            faults += [_of_file(path, fault) for fault in error.faults]
            continue
        if wanted.expected is not None and name != wanted.expected:
            faults.append(
                _of_file(
                    path,
                    said("it is of {name}, not of {expected}", name=name, expected=wanted.expected),
                )
            )
        if name in {each.common_name for each in found.values()}:
            faults.append(_of_file(path, said("another file asks for {name} as well", name=name)))
        found[path] = request
    if faults:
        raise AuthorityError(_all_of(said("Nothing was signed:"), faults))
    return found


def _refuse_taken(opened: OfflineAuthority, requested: dict[Path, Request]) -> None:
    taken = opened.taken([each.device() for each in requested.values()])
    if taken:
        faults = [
            said(
                "{name} has a certificate until {day:%Y-%m-%d} (serial {serial})",
                name=str(each.name),
                day=each.entries[-1].not_after,
                serial=each.entries[-1].serial,
            )
            for each in taken
        ]
        advice = said(
            "Nothing was signed. The same unit again: --renew. Another unit in its place: --replace,"
            " which revokes the old certificate."
        )
        raise AuthorityError(_all_of(advice, faults))


def _meant(entries: list[Entry], which: str) -> list[Entry] | Said:
    """The certificates that somebody means; or why that is not clear."""
    named = [each for each in entries if each.name == which]
    begins = which.lower().replace(":", "").replace(" ", "")
    found = named or [each for each in entries if begins and each.serial.startswith(begins)]
    shown = harmless(which)
    if not found:
        return said("{which}: no certificate of this name or serial number", which=shown)
    if not named and len(found) > 1:
        return said("{which}: {count} serial numbers begin so", which=shown, count=len(found))
    valid = [each for each in found if each.state == "valid"]
    if not valid:
        return said(
            "{which}: it is {state} already",
            which=shown,
            state=CERTIFICATE_STATES[found[-1].state],
        )
    return valid


def _write_crl(opened: OfflineAuthority, days: int = CRL_DAYS) -> None:
    path = opened.write_crl(days)
    click.echo(
        say(
            "{file}: copy it to every broker, and let it read it (Mosquitto: crlfile, then restart it)."
            " The next one is due within {days} days: brokers refuse every device once it has expired.",
            file=path,
            days=days,
        )
    )


def _tell_certificate(certificate: x509.Certificate) -> None:
    click.echo(
        say(
            "  valid until {day:%Y-%m-%d}; SHA-256 {fingerprint}",
            day=certificate.not_valid_after_utc,
            fingerprint=grouped(fingerprint_of(certificate)),
        )
    )


def _of_file(path: Path | None, fault: str) -> Said:
    return (
        said("{fault}", fault=fault)
        if path is None
        else said("{file}: {fault}", file=path, fault=fault)
    )


def _all_of(head: Said, faults: Sequence[Said]) -> Said:
    return said("{head}\n{faults}", head=head, faults=itemised(faults))


def _passphrase(path: Path | None, *, new: bool = False) -> str:
    """From a file's first line, or from whoever sits there."""
    if path is None:
        return str(
            click.prompt(
                say("Passphrase of the authority"),
                hide_input=True,
                confirmation_prompt=say("The same again") if new else False,
                err=True,
            )
        )
    try:
        return text_in(content_of(path)).split("\n")[0].rstrip("\r")
    except UnreadableError as error:
        raise AuthorityError(_of_file(path, text_of(error))) from error
