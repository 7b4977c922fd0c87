"""The register of an offline authority: what was issued, for whom, and what was revoked. One SQLite file."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import sqlite_utils
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from provisioning.enrolment.profiles import now

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Kind = Literal["device", "server"]
State = Literal["valid", "expired", "revoked"]
REASONS = {
    "lost": x509.ReasonFlags.key_compromise,
    "replaced": x509.ReasonFlags.superseded,
    "out-of-service": x509.ReasonFlags.cessation_of_operation,
    "unspecified": x509.ReasonFlags.unspecified,
}
"""Why a certificate is revoked, by the words of our commands; RFC 5280, section 5.3.1."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate.

    Attributes:
        serial: In lower-case hexadecimal.
        name: ``tenant/device_id``, or the server's first name.
        fingerprint: SHA-256 of the DER, in lower-case hexadecimal.
        reason: One of :data:`REASONS`; None: it is not revoked.
    """

    serial: str
    kind: Kind
    name: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    issued_at: datetime
    revoked_at: datetime | None
    reason: str | None
    pem: str

    @property
    def state(self) -> State:
        """As of now."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.not_after < now() else "valid"

    @property
    def number(self) -> int:
        """The serial number."""
        return int(self.serial, 16)

    def shown(self) -> dict[str, str | None]:
        """For JSON."""
        return {
            "serial": self.serial,
            "kind": self.kind,
            "name": self.name,
            "state": self.state,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "fingerprint": self.fingerprint,
            "issued_at": self.issued_at.isoformat(),
            "revoked_at": None if self.revoked_at is None else self.revoked_at.isoformat(),
            "reason": self.reason,
        }


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER, in lower-case hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def grouped(fingerprint: str) -> str:
    """A fingerprint for the eye: capital letters, in groups of four."""
    capitals = fingerprint.upper()
    return " ".join(capitals[at : at + 4] for at in range(0, len(capitals), 4))


class Register:
    """What an authority has issued.

    Args:
        path: The SQLite file; made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, kind: Kind, name: str, certificates: Sequence[x509.Certificate]) -> None:
        """Enter certificates; all of them or none.

        Raises:
            sqlite3.Error: The file cannot be written.
        """
        with self._open() as db, db.conn:
            db.table("issued").insert_all(
                {
                    "serial": f"{each.serial_number:x}",
                    "kind": kind,
                    "name": name,
                    "not_before": each.not_valid_before_utc.isoformat(),
                    "not_after": each.not_valid_after_utc.isoformat(),
                    "fingerprint": fingerprint_of(each),
                    "issued_at": now().isoformat(),
                    "revoked_at": None,
                    "reason": None,
                    "pem": each.public_bytes(Encoding.PEM).decode(),
                }
                for each in certificates
            )

    def entries(self) -> list[Entry]:
        """All of them, oldest first."""
        with self._open() as db:
            return [
                _entry(row) for row in db.query("SELECT * FROM issued ORDER BY issued_at, rowid")
            ]

    def valid_of(self, kind: Kind, name: str) -> list[Entry]:
        """The certificates of a name that are neither revoked nor expired."""
        return [
            each
            for each in self.entries()
            if (each.kind, each.name, each.state) == (kind, name, "valid")
        ]

    def revoke(self, serials: Sequence[str], reason: str) -> None:
        """Revoke certificates as of now; one that is revoked keeps its day and reason."""
        with self._open() as db, db.conn:
            for serial in serials:
                db.execute(
                    "UPDATE issued SET revoked_at = ?, reason = ?"
                    " WHERE serial = ? AND revoked_at IS NULL",
                    (now().isoformat(), reason, serial),
                )

    def next_crl_number(self) -> int:
        """A number that no revocation list of this authority has had."""
        with self._open() as db, db.conn:
            [(number,)] = db.execute(
                "INSERT INTO counters VALUES ('crl', 1)"
                " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
            ).fetchall()
        return int(number)

    @contextmanager
    def _open(self) -> Iterator[sqlite_utils.Database]:
        with closing(sqlite_utils.Database(self._path, execute_plugins=False)) as db:
            db.execute("PRAGMA synchronous = FULL")
            db.table("issued").create(
                {
                    "serial": str,
                    "kind": str,
                    "name": str,
                    "not_before": str,
                    "not_after": str,
                    "fingerprint": str,
                    "issued_at": str,
                    "revoked_at": str,
                    "reason": str,
                    "pem": str,
                },
                pk="serial",
                if_not_exists=True,
            )
            db.table("counters").create({"name": str, "value": int}, pk="name", if_not_exists=True)
            yield db


def _entry(row: dict[str, Any]) -> Entry:
    moments = ("not_before", "not_after", "issued_at", "revoked_at")
    told = {name: row[name] and datetime.fromisoformat(row[name]) for name in moments}
    return Entry(**{**row, **told})
