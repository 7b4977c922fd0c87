"""Takes in a packet that a technician exported on a device (docs/evidence.md, A packet): verified, or not at all.

A packet brings every redacted copy of its case, and the device's own seal over them. One that holds originals shows
people: it goes from hand to hand, with its own reason in the device's log, and is not stored here.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.exceptions import InvalidSignature

from kerbwatch_platform.contract import verify_packet
from kerbwatch_platform.evidence import files, folder, keeping
from kerbwatch_platform.evidence.keeping import Own
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from kerbwatch_platform.settings import Settings


class PacketError(ValueError):
    """A packet is not taken in; the words say why, and ``part`` names what it is about."""

    def __init__(self, words: str, part: str = "") -> None:
        super().__init__(words, part)
        self.words, self.part = words, part


class Taken(NamedTuple):
    """What came.

    Attributes:
        case_id: Of which case.
        pictures: How many of its redacted copies had not come before.
    """

    tenant: str
    device: str
    case_id: str
    pictures: int


def take_packet(connection: psycopg.Connection, settings: Settings, path: Path) -> Taken:
    """Verify a packet by the key that the device's birth named, and keep it and its pictures.

    Raises:
        PacketError: It does not hold, has originals, or is of a device or case that is not known here.
        OSError: It cannot be read, or the disk does not take it.
    """
    found, seal = _read(path)
    own = tuple(seal.get(name) for name in ("tenant", "device_id", "case_id"))
    row = connection.execute(
        "SELECT key, EXISTS (SELECT 1 FROM event WHERE (tenant, device, case_id) = (%s, %s, %s))"
        " FROM device_key WHERE (tenant, device) = (%s, %s)",
        (*map(str, own), *map(str, own[:2])),
    ).fetchone()
    if row is None or not row[1]:
        raise PacketError(text("no such case of a device whose key is known here"))
    key = json.loads(row[0])
    try:
        verify_packet.verify(found, {key["kid"]: key})
    except InvalidSignature as error:
        raise PacketError(text("a signature does not hold")) from error
    except Exception as error:  # whatever a stranger's file may raise
        raise PacketError(text("it does not hold: {part}"), str(error)) from error
    tenant, device, case_id = map(str, own)
    content = path.read_bytes()
    with connection.transaction():
        keeping.lock(connection, [(tenant, device)])
        _keep(
            connection, settings, Own(tenant, device, sha256(content).hexdigest()), case_id, content
        )
        come = [
            each
            for name, each in found.items()
            if name.startswith("pictures/") and _is_new(connection, settings, tenant, device, each)
        ]
    return Taken(tenant, device, case_id, len(come))


def _read(path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a packet, and what its seal says, believed by nobody yet."""
    try:
        found = verify_packet.read(str(path))
        seal = json.loads(verify_packet.decode(found["packet.jws"].decode("ascii").split(".")[1]))
    except OSError:
        raise
    except Exception as error:  # whatever a stranger's file may raise
        raise PacketError(text("it is no packet: {part}"), str(error)) from error
    if not isinstance(seal, dict):
        raise PacketError(text("it is no packet: {part}"), "packet.jws")
    if any(name.startswith("originals/") for name in found):
        raise PacketError(
            text(
                "it has originals, which show people: they are not stored here, hand it over by itself"
            )
        )
    return found, seal


def _is_new(
    connection: psycopg.Connection, settings: Settings, tenant: str, device: str, content: bytes
) -> bool:
    own = Own(tenant, device, sha256(content).hexdigest())
    if keeping.size_of(connection, own) is not None:
        return False
    keeping.keep(connection, settings, own, content, over="hand")
    return True


def _keep(
    connection: psycopg.Connection, settings: Settings, own: Own, case_id: str, content: bytes
) -> None:
    folder.need(connection, settings)
    path = files.path_of(files.put(settings.evidence_folder, content))
    connection.execute(
        "INSERT INTO evidence_file (tenant, device, sha256, case_id, kind, size_bytes, path, over, state)"
        " VALUES (%s, %s, %s, %s, 'packet', %s, %s, 'hand', 'verified')"
        " ON CONFLICT (tenant, device, sha256) DO UPDATE SET state = 'verified', why = NULL,"
        " taken_at = now(), since_s = NULL, gone_at = NULL",
        (*own, case_id, len(content), path),
    )
