"""A device that packs its cases: pictures and their redacted copies on the disk, manifests, events."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from agent.config.loading import load
from agent.domain.ids import RandomIds
from agent.evidence.manifest import ManifestWriter
from agent.evidence.packets import Packet, PacketPicture, RedactedCopy
from agent.identity.signing_key import Signer
from agent.protocol.case import CaseBody, Picture
from agent.protocol.events import DeletedEvent, PackedEvent
from agent.protocol.evidence import STAGES
from agent.storage.case_table import save_case
from agent.storage.outbox_queries import Lane, events_adapter
from tests.support.cases import OPEN_CASE
from tests.support.drafts import case_opened
from tests.support.sites import site_of, write_site, zone
from tests.support.state_folder import StateFolder

if TYPE_CHECKING:
    import sqlite3

    from agent.protocol.events import Draft
    from agent.protocol.evidence import Stage

LEGAL = {"legal_review_no": "L-1", "sign_installed": True}
ROLES = {"opened": ("begin", "threshold", "close_up"), "cleared": ("after",), "withdrawn": ()}


class PackingDevice(StateFolder):
    """A device with its site in ``folder``, and its state in a folder of that."""

    def __init__(self, folder: Path, **settings: float) -> None:
        tables: dict[str, Any] = {"scenarios": {"misparked_bikes": {}}, "legal": LEGAL}
        self.site = write_site(folder, site_of(**tables, zones=[zone()]))
        self.configuration = load(self.site)
        state = folder / "state"
        state.mkdir(exist_ok=True)
        super().__init__(state, **settings)
        self.signer = Signer(state / "keys")
        self.writer = self.manifests()

    def manifests(self, signer: Signer | None = None) -> ManifestWriter:
        return ManifestWriter(
            self.configuration,
            database=self.database,
            outbox=self.outbox,
            signer=signer or self.signer,
            clock=self.clock,
            ids=RandomIds(),
            evidence_dir=self.folder / "evidence",
        )

    def packed(self, *, unredacted: str | None = None, cleared: bool = True) -> str:
        """A case with its pictures, packed when it opened and when it was cleared; heard of."""
        draft = case_opened(self.clock)
        case_id = body_of(draft).case_id
        self._record(draft, "opened", unredacted)
        if cleared:
            self.clock.advance(400)
            body = draft.body.model_copy(
                update={"state": "cleared", "cleared_at": self.clock.now()}
            )
            later = case_opened(self.clock)
            again = later.model_copy(update={"type": "case.cleared", "body": body})
            self._record(again, "cleared", unredacted)
        return str(case_id)

    def _record(self, draft: Draft, stage: Stage, unredacted: str | None) -> None:
        folder = self.folder / "evidence" / body_of(draft).case_id
        folder.mkdir(parents=True, exist_ok=True)
        pictures = [picture(folder, role, draft, unredacted) for role in ROLES[stage]]
        originals = tuple(each.original for each in pictures)
        draft = draft.model_copy(
            update={"body": draft.body.model_copy(update={"pictures": originals})}
        )
        assert STAGES[draft.type] == stage
        packet = packet_of(draft, tuple(pictures))
        case = dataclasses.replace(
            OPEN_CASE,
            case_id=packet.case_id,
            place_id=packet.case_id,
            state="cleared" if stage == "cleared" else "open",
        )

        def write(connection: sqlite3.Connection) -> int:
            save_case(connection, case)
            sequence = self.outbox.add(connection, draft, Lane.CASE)
            self.writer.pack(connection, packet)
            return sequence

        self.outbox.confirm([self.database.write(write).result()]).result()
        self.writer.keep(packet.case_id, folder)
        self.hear_evidence()

    def hear_evidence(self) -> None:
        """The platform confirms what waits of the evidence."""
        with closing(self.database.read()) as connection:
            rows = connection.execute(
                "SELECT sequence FROM outbox WHERE arrived = 0 AND type LIKE 'evidence.%'"
            ).fetchall()
        if rows:
            self.outbox.confirm([sequence for (sequence,) in rows]).result()

    def events(self, kind: str = "evidence.%") -> list[PackedEvent | DeletedEvent]:
        """What the platform is told of the evidence, in order."""
        with closing(self.database.read()) as connection:
            rows = connection.execute(
                "SELECT event FROM outbox WHERE type LIKE ? UNION ALL"
                " SELECT event FROM kept WHERE type LIKE ?",
                (kind, kind),
            ).fetchall()
        told = [events_adapter.validate_python(json.loads(event)) for (event,) in rows]
        found = [each for each in told if isinstance(each, PackedEvent | DeletedEvent)]
        return sorted(found, key=lambda each: each.body.number)


def body_of(draft: Draft) -> CaseBody:
    assert isinstance(draft.body, CaseBody)
    return draft.body


def packet_of(draft: Draft, pictures: tuple[PacketPicture, ...] = ()) -> Packet:
    return Packet(
        case_id=body_of(draft).case_id,
        stage=STAGES[draft.type],
        event_id=draft.event_id,
        occurred_at=draft.occurred_at,
        clock=draft.clock,
        body=body_of(draft),
        test=draft.test,
        folder=Path(),
        pictures=pictures,
    )


def picture(folder: Path, role: str, draft: Draft, unredacted: str | None) -> PacketPicture:
    """One on the disk, with its redacted copy; each is another."""
    path = folder / f"{role}.jpg"
    original = jpeg(f"{folder.name} {role}", 320, 180)
    path.write_bytes(original)
    told = Picture.model_validate(
        {
            "role": role,
            "file": f"{folder.name}/{path.name}",
            "sha256": hashlib.sha256(original).hexdigest(),
            "size_bytes": len(original),
            "width_px": 320,
            "height_px": 180,
            "captured_at": draft.occurred_at,
        }
    )
    default = role in {"threshold", "close_up"}
    if unredacted is not None:
        return PacketPicture(told, None, unredacted, default)
    content = jpeg(f"{folder.name} {role} redacted", 160, 90)
    (folder / f"{role}.redacted.jpg").write_bytes(content)
    copy = RedactedCopy(
        file=f"{folder.name}/{role}.redacted.jpg",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        width_px=160,
        height_px=90,
        share=0.02,
    )
    return PacketPicture(told, copy, None, default)


def jpeg(seed: str, width: int, height: int, quality: int = 60) -> bytes:
    """A picture of its own for every seed."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    noise = np.random.default_rng(number).integers(0, 255, (height // 10, width // 10, 3), np.uint8)
    bgr = cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(encoded)
