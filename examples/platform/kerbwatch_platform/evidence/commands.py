"""``uploads`` answers devices; ``check-evidence``, ``signing-key`` and ``verify-handover`` answer people."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import uvicorn

from kerbwatch_platform import settings, store
from kerbwatch_platform.contract import timestamp, verify_handover
from kerbwatch_platform.evidence import folder, retention_commands, signing
from kerbwatch_platform.evidence.packets import PacketError, take_packet
from kerbwatch_platform.evidence.sweep import sweep
from kerbwatch_platform.evidence.uploads import served
from kerbwatch_platform.settings import Settings
from kerbwatch_platform.words import one_line
from kerbwatch_platform.words.spoken import tell

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
DOES_NOT_HOLD, UNREADABLE = 1, 5


@click.command(
    "uploads",
    help=tell(
        "Answer devices that put pictures by HTTPS to one-time places; nothing else is to be had there."
    ),
)
@click.option("--host", help=tell("Where it answers; the settings say it otherwise."))
@click.option("--port", type=click.IntRange(0, 65_535), help=tell("On which port."))
@click.option("--certificate", type=_FILE, help=tell("PEM, and those that lead to its authority."))
@click.option("--key", type=_FILE, help=tell("The certificate's key, PEM."))
@settings.passed
def uploads(
    chosen: Settings,
    host: str | None,
    port: int | None,
    certificate: Path | None,
    key: Path | None,
) -> None:
    """Serve."""
    told = chosen.uploads
    if told is None:
        raise click.ClickException(
            tell("The settings have no [uploads]: devices send their pictures in pieces.")
        )
    with store.pool(chosen.database, store.WORKER) as pool:
        config = served(
            chosen,
            pool,
            host=host or told.host,
            port=told.port if port is None else port,
            certificate=certificate or told.certificate_file,
            key=key or told.key_file,
        )
        uvicorn.Server(config).run()


@click.command(
    "check-evidence",
    help=tell(
        "Read every file of evidence and hold it against its hash; 1: one is lost; 5: the folder is away, or is another one."
    ),
)
@click.option(
    "--this-is-the-folder",
    is_flag=True,
    help=tell(
        "The folder in the settings is the one with the evidence from now on, whatever mark it has; what it lacks counts as lost."
    ),
)
@settings.passed
def check_evidence(chosen: Settings, this_is_the_folder: bool) -> None:
    """Hold folder and database against each other."""
    with retention_commands.in_words(), store.connect(chosen.database) as connection:
        if this_is_the_folder:
            folder.take_over(connection, chosen)
        found = sweep(connection, chosen, whole=True)
    click.echo(
        tell(
            "{lost} lost, {found} found again, {deleted} deleted, {unnamed} that nothing names yet",
            lost=found.lost,
            found=found.found,
            deleted=found.deleted,
            unnamed=found.unnamed,
        )
    )
    if found.lost:
        sys.exit(DOES_NOT_HOLD)


@click.command(
    "signing-key",
    help=tell(
        "Print the public half of the platform's key: as a JSON Web Key, or as PEM for the sites of devices."
    ),
)
@click.option("--pem", is_flag=True, help=tell("As PEM."))
@settings.passed
def signing_key(chosen: Settings, pem: bool) -> None:
    """Print it."""
    try:
        own = signing.key(chosen.signing_key_file)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(signing.public_pem(own).strip() if pem else json.dumps(signing.public_jwk(own)))


@click.command(
    "verify-handover",
    help=tell(
        "Verify what a platform handed over of a case, timestamps included. 0: all holds; 1: a part does not; 5: unreadable."
    ),
)
@click.argument("file", type=_FILE)
@click.option(
    "--platform", type=_FILE, multiple=True, help=tell("The platform's key, a JSON Web Key.")
)
@click.option("--device", type=_FILE, multiple=True, help=tell("The device's key, a JSON Web Key."))
@click.option(
    "--authority", type=_FILE, help=tell("The time-stamping authority's certificate, PEM.")
)
def verify(
    file: Path, platform: tuple[Path, ...], device: tuple[Path, ...], authority: Path | None
) -> None:
    """Verify it, as the single file does, and the tokens beside."""
    try:
        given = {
            whose: [json.loads(each.read_bytes()) for each in files]
            for whose, files in (("platform", platform), ("device", device))
        }
        handed = verify_handover.read(file)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's file may raise
        reason = one_line(str(error) or repr(error), 500)
        click.echo(tell("cannot be read: {reason}", reason=reason), err=True)
        sys.exit(UNREADABLE)
    try:
        for line in verify_handover.verify(handed, given):
            click.echo(line)
        proofs = list(verify_handover.proofs(handed))
        for root, token, own in proofs:
            told = own if authority is None else authority.read_bytes()
            at = timestamp.signed_at(token, root, told)
            click.echo(tell("a record was there at {at}, by an authority", at=at))
    except Exception as error:  # noqa: BLE001 - whatever a stranger's file may raise
        reason = one_line(str(error) or repr(error), 500)
        click.echo(tell("does not hold: {reason}", reason=reason), err=True)
        sys.exit(DOES_NOT_HOLD)
    if proofs and authority is None:
        click.echo(
            tell(
                "The authority's certificate is the one in the file: compare it, or give --authority."
            )
        )


@click.command(
    "take-packet",
    help=tell(
        "Take in a packet that a technician exported on a device, without originals; it is verified first."
    ),
)
@click.argument("file", type=_FILE)
@settings.passed
def packet(chosen: Settings, file: Path) -> None:
    """Take it in."""
    with store.connect(chosen.database) as connection:
        try:
            taken = take_packet(connection, chosen, file)
        except PacketError as error:
            click.echo(tell(error.words, part=one_line(error.part, 500)), err=True)
            sys.exit(DOES_NOT_HOLD)
        except OSError as error:
            click.echo(tell("cannot be read: {reason}", reason=str(error)), err=True)
            sys.exit(UNREADABLE)
    click.echo(
        tell(
            "verified: case {case} of {device}; {count} pictures had not come before",
            case=taken.case_id,
            device=taken.device,
            count=taken.pictures,
        )
    )


COMMANDS: list[click.Command] = [
    uploads,
    check_evidence,
    signing_key,
    verify,
    packet,
    *retention_commands.COMMANDS,
]
