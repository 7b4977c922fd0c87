"""A signed manifest per stage of a case, and a signed tombstone for what was deleted: one chain per device.

The chain's state is in the database, and goes on in the transaction that queues the event: after a power cut
both are there or neither. A new database begins a chain of its own, with a number above those of the
manifests that still lie on the disk.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from agent.protocol.base import ClockReading
from agent.protocol.events import Draft
from agent.protocol.evidence import (
    DeletedBody,
    DeletedManifest,
    FileFacts,
    LegalFields,
    Manifest,
    ManifestPicture,
    PackedBody,
    RedactedFile,
    Tombstone,
    digest_of,
    link_of,
)
from agent.storage import evidence_chain
from agent.storage.epoch import noted_epoch
from agent.storage.evidence_chain import DELETED, Deletion, Link, Record
from drivers.disk import replace_file

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from agent.config.schema import Configuration
    from agent.domain.ids import Ids
    from agent.evidence.packets import Packet, PacketPicture, RedactedCopy
    from agent.identity.signing_key import Signer
    from agent.protocol.case import Picture
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

AT_ONCE = 20
"""Tombstones of one transaction."""
_FILE = re.compile(r"manifest-([0-9]{1,15})\.jws")


class ManifestWriter:
    """Signs the manifests and tombstones of one device.

    Args:
        configuration: For the site's facts, and what was judged by.
        database: Where the chain is.
        outbox: Where their events go.
        signer: Signs them.
        clock: For when they are signed.
        ids: For the events' ids.
        evidence_dir: Where the pictures of cases lie.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        database: Database,
        outbox: Outbox,
        signer: Signer,
        clock: Clock,
        ids: Ids,
        evidence_dir: Path,
    ) -> None:
        self.go_on_with(configuration)
        self._agent_version = _agent_version()
        self._database, self._outbox, self._signer = database, outbox, signer
        self._clock, self._ids, self._evidence_dir = clock, ids, evidence_dir

    def go_on_with(self, configuration: Configuration) -> None:
        """Say from now on what another configuration was judged by."""
        self._site, self._legal = configuration.site, configuration.legal
        self._thresholds_sha256 = thresholds_sha256(configuration)

    def pack(self, connection: sqlite3.Connection, packet: Packet) -> None:
        """Sign the manifest of a stage and queue its event; within a transaction.

        A stage that has its manifest already gets no other one.

        Raises:
            StorageError: The disk is full.
            OSError: The signing key cannot be read.
        """
        case_id, stage = packet.case_id, packet.stage
        if any(each.stage == stage for each in evidence_chain.records_of(connection, case_id)):
            return
        before = evidence_chain.head(connection)
        manifest = self._manifest(packet, self._link(connection, before, case_id))
        jws = self._append(connection, before, manifest, stage)
        self._queue(
            connection,
            PackedBody(case_id=case_id, stage=stage, number=manifest.number, jws=jws),
            test=packet.test,
        )

    def keep(self, case_id: str, folder: Path) -> None:
        """Write the manifests of a case beside its pictures; after the transaction has been committed.

        The database has them too: what is missing there is written by the next call.

        Raises:
            OSError: The disk did not take it.
        """
        with closing(self._database.read()) as connection:
            records = evidence_chain.records_of(connection, case_id)
        for each in records:
            path = folder / f"manifest-{each.number}.jws"
            if each.jws is not None and each.stage != DELETED and not path.exists():
                replace_file(path, each.jws)

    def bury(self) -> int:
        """Sign tombstones of what was deleted since the last time, and queue their events.

        Returns:
            How many; fewer than :data:`AT_ONCE`: there are no more.

        Raises:
            StorageError: The database did not take it.
            OSError: The signing key cannot be read.
        """
        return self._database.write(self._bury).result()

    def _bury(self, connection: sqlite3.Connection) -> int:
        deletions = evidence_chain.untold(connection, AT_ONCE)
        for each in deletions:
            if (buried := _tombstone_of(connection, each.case_id)) is not None:
                # What was packed after it has no pictures either: one tombstone says so, and no other can follow.
                evidence_chain.mark_told(connection, each.case_id, buried)
                continue
            before = evidence_chain.head(connection)
            tombstone = self._tombstone(connection, each, before)
            jws = self._append(connection, before, tombstone, DELETED)
            body = DeletedBody(case_id=each.case_id, number=tombstone.number, jws=jws)
            self._queue(connection, body)
            evidence_chain.mark_told(connection, each.case_id, tombstone.number)
        return len(deletions)

    def _tombstone(
        self, connection: sqlite3.Connection, deletion: Deletion, before: Link | None
    ) -> Tombstone:
        manifests = [
            DeletedManifest.model_validate(
                {"number": each.number, "stage": each.stage, "sha256": each.digest}
            )
            for each in evidence_chain.records_of(connection, deletion.case_id)
            if each.stage != DELETED
        ]
        at = None if deletion.at_s is None else datetime.fromtimestamp(deletion.at_s, UTC)
        return Tombstone.model_validate(
            {
                **self._link(connection, before, deletion.case_id),
                "why": deletion.why,
                "deleted_at": at,
                "files": deletion.files,
                "size_bytes": deletion.size_bytes,
                "manifests": tuple(manifests),
            }
        )

    def _link(
        self, connection: sqlite3.Connection, before: Link | None, case_id: str
    ) -> dict[str, Any]:
        number = self._first_number() if before is None else before.number + 1
        return {
            "tenant": self._site.tenant,
            "device_id": self._site.device_id,
            "epoch": noted_epoch(connection) or self._outbox.epoch,
            "number": number,
            "previous": None if before is None else before.link,
            "case_id": case_id,
            "purpose": self._site.purpose,
            "signed_at": self._clock.now(),
            "signed_clock": ClockReading.of(self._clock),
        }

    def _first_number(self) -> int:
        """Of a chain that begins: above those that a database of before gave to what lies on the disk."""
        found = (
            int(match[1])
            for path in self._evidence_dir.glob("*/manifest-*.jws")
            if (match := _FILE.fullmatch(path.name))
        )
        return max(found, default=0) + 1

    def _append(
        self,
        connection: sqlite3.Connection,
        before: Link | None,
        told: Manifest | Tombstone,
        stage: str,
    ) -> str:
        # Its times are to the letter those of the case's events.
        jws = self._signer.sign(
            json.loads(json.dumps(told.model_dump(), default=self._outbox.time_in_words))
        )
        digest = digest_of(jws)
        link = link_of(None if before is None else before.link, digest)
        record = Record(told.number, told.case_id, stage, digest, link, self._signer.public.x, jws)
        evidence_chain.append(connection, record)
        return jws

    def _queue(
        self,
        connection: sqlite3.Connection,
        body: PackedBody | DeletedBody,
        *,
        test: bool = False,
    ) -> None:
        draft = Draft.of_device(body, self._clock, self._ids)
        self._outbox.add(connection, draft.model_copy(update={"test": test}))

    def _manifest(self, packet: Packet, link: dict[str, Any]) -> Manifest:
        body = packet.body
        return Manifest(
            **link,
            stage=packet.stage,
            event_id=packet.event_id,
            test=packet.test,
            occurred_at=packet.occurred_at,
            clock=packet.clock,
            kind=body.kind,
            code=body.code,
            place=body.place,
            began_at=body.began_at,
            opened_at=body.opened_at,
            last_present_at=body.last_present_at,
            cleared_at=body.cleared_at,
            allowed_s=body.allowed_s,
            members=body.members,
            left=body.left,
            pictures=tuple(_picture(each) for each in packet.pictures),
            evidence_fault=body.evidence_fault,
            models=body.models,
            configuration_sha256=body.configuration_sha256,
            thresholds_sha256=self._thresholds_sha256,
            agent_version=self._agent_version,
            legal=LegalFields(**self._legal.model_dump()),
        )


def _tombstone_of(connection: sqlite3.Connection, case_id: str) -> int | None:
    """The number of a case's tombstone; None: it has none."""
    records = evidence_chain.records_of(connection, case_id)
    return next((each.number for each in records if each.stage == DELETED), None)


def _picture(packed: PacketPicture) -> ManifestPicture:
    original, copy = packed.original, packed.redacted
    return ManifestPicture.model_validate(
        {
            "role": original.role,
            "file": original.file,
            "captured_at": original.captured_at,
            "original": FileFacts(**_facts(original)),
            "redacted": None
            if copy is None
            else RedactedFile(file=copy.file, share=copy.share, **_facts(copy)),
            "not_redacted": packed.not_redacted,
            "faults": original.faults,
            "default": packed.default,
        }
    )


def _facts(file: Picture | RedactedCopy) -> dict[str, Any]:
    return {
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "width_px": file.width_px,
        "height_px": file.height_px,
    }


def thresholds_sha256(configuration: Configuration) -> str:
    """A hash of the settings by which the scenarios judge, those that nobody gave included.

    SHA-256 over JSON with sorted keys: each scenario's settings by its name, and those of the analysis.
    """
    told = {
        "analysis": configuration.analysis.model_dump(mode="json"),
        "scenarios": {
            name: settings.model_dump(mode="json")
            for name, (_, settings) in configuration.chosen_scenarios.items()
        },
    }
    text = json.dumps(told, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _agent_version() -> str | None:
    try:
        return version("kerbwatch")
    except PackageNotFoundError:  # run from a folder that was never installed
        return None
