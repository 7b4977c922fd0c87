"""``kerbwatch evidence export`` and ``kerbwatch verify``: a case's packet made, and one verified."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from agent.protocol.events import PublicKey
from agent.protocol.evidence import Manifest
from agent.protocol.signed import thumbprint
from agent.protocol.strict_json import StrictJsonError, read_json
from agent.storage.paths import KEYS
from drivers.clock import SystemClock
from drivers.disk import replace_file
from drivers.files.privileges import acting_for
from provisioning.commands.audit import note
from provisioning.commands.stored_case import UnknownCaseError, places
from provisioning.console.exit_codes import FAULT
from provisioning.packets.export import NoPacketError
from provisioning.packets.export import export as make_packet
from provisioning.packets.verification import Verdict
from provisioning.packets.verification import verify as verify_packet
from provisioning.wording import in_words, say, say_many
from provisioning.wording.vocabulary import CASE_STAGES, WHY_DELETED, known_in_words
from wording.messages import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_KEY_BYTES = 100_000


def export(
    where: Path, case: str, out: Path | None, *, originals: bool, reason: str | None, as_json: bool
) -> None:
    """Write the packet of a case.

    Args:
        where: A site, the folder of a replay's results, or a folder with a database.
        case: The id of the case, or the beginning of it.
        out: The file; None: named after the case, here.
        originals: Whether the pictures as they were taken go with it.
        reason: Why, and who ordered it; needed for originals.
        as_json: Whether what was written is told as JSON.

    Raises:
        NoPacketError: There is no such case, or it was not packed.
        OSError: A file cannot be read or written.
        UsageError: Originals were asked for without a reason.
    """
    if originals and not (reason or "").strip():
        raise click.UsageError(say("--originals: say why, and who ordered it, with --reason"))
    try:
        database, evidence, _ = places(where)
    except UnknownCaseError as error:
        raise NoPacketError(text_of(error)) from error
    state_dir = database.parent
    with acting_for(state_dir):
        made = make_packet(
            database, evidence, state_dir / KEYS, case, SystemClock(), originals=originals
        )
        # Before it is written: who has the pictures is on record, whatever comes then.
        facts = {"case": made.case_id, "originals": made.originals, "reason": reason}
        note(state_dir, "evidence export", "evidence.exported", **facts)
    path = type(where)(f"evidence-{made.case_id}.zip") if out is None else out
    replace_file(path, made.content)
    if as_json:
        told = {name: value for name, value in asdict(made).items() if name != "content"}
        click.echo(json.dumps({"file": str(path), **told, "bytes": len(made.content)}, indent=2))
        return
    click.echo(
        say(
            "✓ {file}: case {case_id}, {pictures} redacted picture(s), {originals} original(s), "
            "{size_kb:.0f} kB.",
            file=path,
            case_id=made.case_id,
            pictures=made.pictures,
            originals=made.originals,
            size_kb=len(made.content) / 1e3,
        )
    )
    for each in made.missing:
        click.echo(say("! {file}: named in a manifest, and not on the disk", file=each), err=True)
    for each in made.altered:
        click.echo(
            say("! {file}: left out: it is not what its manifest names", file=each), err=True
        )


def verify(path: Path, key_files: Sequence[Path], *, as_json: bool) -> int:
    """Verify a packet.

    Args:
        path: The zip.
        key_files: The device's public keys: each a JSON Web Key, or a set of them.
        as_json: Whether the verdict is told as JSON.

    Returns:
        0 if every part holds, else 1.

    Raises:
        OSError: A file cannot be read.
        UsageError: A key file holds no key.
    """
    verdict = verify_packet(path, [key for file in key_files for key in _keys(file)])
    if as_json:
        click.echo(json.dumps(_as_json(verdict), ensure_ascii=False, indent=2))
    else:
        _tell(path, verdict)
    return FAULT if verdict.faults else 0


def _keys(file: Path) -> list[PublicKey]:
    try:
        with file.open("rb") as opened:
            told = read_json(opened.read(MAX_KEY_BYTES))
        listed = told["keys"] if isinstance(told, dict) and "keys" in told else [told]
        keys = [PublicKey.model_validate(each) for each in listed]
    except (StrictJsonError, ValidationError, TypeError) as error:
        raise click.UsageError(
            say("--key: {file} holds no public key: a JSON Web Key, or a set of them", file=file)
        ) from error
    if wrong := [each.kid for each in keys if each.kid != thumbprint(each.x)]:
        raise click.UsageError(
            say("--key: {file}: {kid} is not the id of that key", file=file, kid=wrong[0])
        )
    return keys


def _as_json(verdict: Verdict) -> dict[str, Any]:
    seal = verdict.seal
    return {
        "holds": not verdict.faults,
        "faults": [asdict(each) for each in verdict.faults],
        "remarks": verdict.remarks,
        "keys": verdict.keys,
        "keys_were_given": verdict.trusted,
        "packet": None if seal is None else seal.model_dump(mode="json", exclude={"files"}),
        "records": [
            {"record": each.record, "number": each.number, "signed_at": each.signed_at.isoformat()}
            for each in verdict.records
        ],
    }


def _tell(path: Path, verdict: Verdict) -> None:
    for fault in verdict.faults:
        click.echo(say("✗ {part}: {reason}", part=fault.part, reason=in_words(fault.reason)))
    if verdict.faults:
        click.echo(
            say_many(
                "{count} part does not hold: this packet proves nothing where it is named.",
                "{count} parts do not hold: this packet proves nothing where they are named.",
                len(verdict.faults),
            )
        )
    else:
        click.echo(say("✓ {file}: every part is as it was sealed.", file=path))
    if verdict.seal is not None:
        _tell_packet(verdict)
    for remark in verdict.remarks:
        click.echo(f"  {in_words(remark)}")
    for kid in verdict.keys if not verdict.trusted else ():
        click.echo(
            say(
                "! Verified by the packet's own key {kid}: compare it with the key of the device's "
                "birth, or give that with --key.",
                kid=kid,
            )
        )


def _tell_packet(verdict: Verdict) -> None:
    seal = verdict.seal
    assert seal is not None
    click.echo(
        say(
            "  device {device} of {tenant}, case {case_id}, sealed {at}",
            device=seal.device_id,
            tenant=seal.tenant,
            case_id=seal.case_id,
            at=seal.sealed_at.isoformat(sep=" ", timespec="seconds"),
        )
    )
    for each in verdict.records:
        at = each.signed_at.isoformat(sep=" ", timespec="seconds")
        doubt = "" if each.signed_clock.state == "synchronised" else " ?"
        if isinstance(each, Manifest):
            click.echo(
                say(
                    "  {number}: {stage}, {count} picture(s), signed {at}",
                    number=each.number,
                    stage=known_in_words(CASE_STAGES, each.stage),
                    count=len(each.pictures),
                    at=at + doubt,
                )
            )
        else:
            click.echo(
                say(
                    "  {number}: its pictures were deleted ({why}), signed {at}",
                    number=each.number,
                    why=known_in_words(WHY_DELETED, each.why),
                    at=at + doubt,
                )
            )
