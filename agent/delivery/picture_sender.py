"""Sends queued pictures over MQTT in pieces, one at a time, in what the events leave of the window.

How far a picture has come is known by the broker's acknowledgements, and kept: after a lost connection or a restart
it goes on there. It leaves the queue when the platform's receipt says that it has all of it; until then it is sent
again after growing waits, from where the platform says that its copy ends. To a platform that confirms none only one
goes on being sent. A broker that does not take pictures is asked again after growing waits, too, and that is reported
once.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.concurrency.backoff import Backoff
from agent.delivery.reason_codes import meaning
from agent.evidence.picture_queue import content_of
from agent.protocol.events import Draft
from agent.protocol.picture_transfer import PIECE_BYTES, NotSentBody, StoredBody
from agent.storage.picture_table import (
    QueuedPicture,
    note_sent,
    queued,
    queued_picture,
    take_out,
)
from wording.messages import said

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from agent.delivery.data_budget import DataBudget
    from agent.domain.ids import Ids
    from agent.protocol.topics import Topics
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

UNCONFIRMED_FIRST_S, UNCONFIRMED_MOST_S, UNCONFIRMED_TIMES = 60.0, 86_400.0, 4.0
"""So long a picture that was sent whole waits for the platform's word; four times as long after each further try."""
UNHEARD_TRIES = 4
"""So often each picture is sent to a platform that has confirmed none in this run: it may be one that takes events
alone. Of those that were, the first goes on asking for all; once anything is confirmed, the others follow."""
REFUSED_FIRST_S, REFUSED_MOST_S = 60.0, 3600.0
LOST_FIRST_S, LOST_TELLING = 2.0, 3
"""A broker may end the connection over what it does not take: events go first after that, and for a while alone. So
many ends in a row are told."""
KEEP_EVERY_BYTES = 65_536
"""So much is sent again at most after a power cut: each note of how far it came is a write."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a picture, as it is published.

    Attributes:
        sha256: Of the picture.
        topic: Where to.
        payload: Its bytes.
        end: Where in the picture it ends.
    """

    sha256: str
    topic: str
    payload: bytes
    end: int


@dataclass(slots=True)
class _Current:
    """The picture that is being sent."""

    row: QueuedPicture
    content: bytes
    offset: int
    kept: int
    """Up to here the disk knows."""


class PictureSender:
    """The queue of pictures on its way over MQTT. For the uplink's thread; lives longer than the connections.

    Args:
        database: Where the queue is.
        outbox: Takes the events that tell of pictures.
        folder: Where the pictures lie.
        topics: The device's.
        clock: Its monotonic time is waited by.
        ids: For the events.
        budget: The day's; pictures are its class ``evidence``.
        report: Told what is wrong.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        folder: Path,
        topics: Topics,
        clock: Clock,
        ids: Ids,
        budget: DataBudget,
        report: Callable[[str], None],
    ) -> None:
        self._database, self._outbox, self._folder = database, outbox, folder
        self._topics, self._clock, self._ids = topics, clock, ids
        self._budget, self._report = budget, report
        self._current: _Current | None = None
        self._flying = False
        self._changed = True
        """Whether the queue may have changed since it was looked through."""
        self._again_s: dict[str, float] = {}
        """When a picture that was sent whole is sent again, by its SHA-256."""
        self._has: dict[str, int] = {}
        """What the platform says that it has."""
        self._begun: set[str] = set()
        """Of which this run has sent anything."""
        self._heard = False
        """Whether the platform has said in this run that it has anything."""
        self._refusals = Backoff(REFUSED_FIRST_S, REFUSED_MOST_S, min_share=0.5)
        self._losses = Backoff(LOST_FIRST_S, REFUSED_MOST_S, min_share=0.5)
        self._lost = 0
        """Connections in a row that ended while a piece was under way."""
        self._resume_s = -math.inf
        self._told = ""
        database.on_commit(self._look_again)

    def _look_again(self) -> None:
        self._changed = True

    def next(self, reader: sqlite3.Connection, room_bytes: int, largest_bytes: int) -> Piece | None:
        """The piece that may go now; None: none, or there is no room for it.

        Args:
            reader: To read with.
            room_bytes: What is left of the window.
            largest_bytes: The largest payload that window and broker take.
        """
        if self._flying or largest_bytes < 1 or self._clock.monotonic_s() < self._resume_s:
            return None
        current = self._current or self._choose(reader)
        if current is None or not self._budget.allows("evidence"):
            return None
        sha256, size_bytes = current.row.sha256, current.row.size_bytes
        end = min(current.offset + min(PIECE_BYTES, largest_bytes), size_bytes)
        if end - current.offset > room_bytes:
            return None
        topic = self._topics.piece(sha256, size_bytes, current.offset)
        return Piece(sha256, topic, current.content[current.offset : end], end)

    def take(self, piece: Piece, packet_bytes: int) -> None:
        """Note that a piece is under way, in a packet of this size."""
        self._budget.count("evidence", packet_bytes)
        self._begun.add(piece.sha256)
        self._flying = True

    def answered(self, piece: Piece, code: int, text: str) -> None:
        """Handle the broker's PUBACK."""
        self._flying = False
        if meaning(code) != "taken":
            self._resume_s = self._clock.monotonic_s() + self._refusals.failed()
            if text != self._told:
                self._told = text
                self._report(said("the broker does not take pictures: {reason}", reason=text))
            return
        self._told = ""
        self._refusals.worked()
        self._losses.worked()
        self._lost = 0
        if self._current is not None and self._current.row.sha256 == piece.sha256:
            self._advance(self._current, piece.end)

    def put_back(self) -> None:
        """Note that the connection has ended: what was under way goes again, after a wait if that was a piece."""
        if self._flying:
            self._flying = False
            self._resume_s = self._clock.monotonic_s() + self._losses.failed()
            self._lost += 1
            if self._lost == LOST_TELLING:
                self._report(
                    said(
                        "{count} connections in a row ended while a picture was being sent: the broker may "
                        "not allow this device to publish on {topic}",
                        count=self._lost,
                        topic=f"{self._topics.of('pictures')}/#",
                    )
                )
        if (current := self._current) is not None and current.offset > current.kept:
            self._keep(current.row, current.offset)
            current.kept = current.offset

    def receive(self, pictures: Sequence[tuple[str, int]], reader: sqlite3.Connection) -> int:
        """Heed what the platform says that it has. Only what was sent counts.

        Args:
            pictures: As the receipt says it.
            reader: To read the queue with.

        Returns:
            How many of them are not believed: nothing of them was sent, or they are longer than the picture.
        """
        doubted = 0
        # Of what is said many times the last word counts: each that is believed costs a write.
        for sha256, has_bytes in dict(pictures).items():
            row = queued_picture(reader, sha256)
            if row is None or row.put is not None:
                continue  # said once more, or of another card
            begun = sha256 in self._begun or row.sent_bytes or row.tries
            if not begun or has_bytes > row.size_bytes:
                doubted += 1
                continue
            if not self._heard:
                self._heard = self._changed = True
                self._again_s.clear()  # by their tries they get their times anew
            if has_bytes == row.size_bytes:
                self._finish(row, StoredBody(**_facts(row), size_bytes=row.size_bytes, over="mqtt"))
            else:
                self._has[sha256] = has_bytes
                current = self._current
                if current is not None and current.row.sha256 == sha256:
                    current.offset = max(current.offset, has_bytes)
        return doubted

    def _choose(self, reader: sqlite3.Connection) -> _Current | None:
        """The first of the queue that does not wait for the platform's word."""
        now_s = self._clock.monotonic_s()
        if not self._changed and all(now_s < each for each in self._again_s.values()):
            return None
        self._changed = False
        rows = queued(reader)
        self._forget_all_but({row.sha256 for row in rows})
        for row in self._those_that_go(rows, now_s):
            offset = row.sent_bytes
            if offset >= row.size_bytes:
                offset = self._has.get(row.sha256, 0)
                if row.tries:
                    self._again_s.setdefault(row.sha256, now_s + _wait_s(row.tries))
                else:  # asked for anew
                    self._again_s.pop(row.sha256, None)
            if now_s < self._again_s.get(row.sha256, -math.inf):
                continue
            if (content := self._content(row)) is not None:
                self._again_s.pop(row.sha256, None)
                self._current = _Current(row, content, offset, offset)
                return self._current
        return None

    def _those_that_go(
        self, rows: Sequence[QueuedPicture], now_s: float
    ) -> Iterator[QueuedPicture]:
        """All of them; while the platform has confirmed none, of those that were sent again and again the first."""
        asking = False
        for row in rows:
            if self._heard or row.tries < UNHEARD_TRIES:
                yield row
            elif not asking:
                asking = True
                yield row
            else:
                self._again_s[row.sha256] = now_s + UNCONFIRMED_MOST_S

    def _forget_all_but(self, waiting: set[str]) -> None:
        self._begun &= waiting
        for kept in (self._again_s, self._has):
            for sha256 in kept.keys() - waiting:
                del kept[sha256]

    def _content(self, row: QueuedPicture) -> bytes | None:
        """The bytes of a picture; None: it cannot be read now and waits.

        One that is gone or is not the same any more is taken out of the queue.
        """
        content = content_of(self._folder, row)
        if content == "again":
            self._again_s[row.sha256] = self._clock.monotonic_s() + REFUSED_FIRST_S
        elif isinstance(content, bytes):
            return content
        else:
            self._finish(row, NotSentBody(**_facts(row), because=content))
        return None

    def _advance(self, current: _Current, end: int) -> None:
        current.offset = max(current.offset, end)
        if current.offset < current.row.size_bytes:
            if current.offset - current.kept >= KEEP_EVERY_BYTES:
                self._keep(current.row, current.offset)
                current.kept = current.offset
            return
        tries = current.row.tries + 1
        self._again_s[current.row.sha256] = self._clock.monotonic_s() + _wait_s(tries)
        self._current = None
        self._keep(current.row._replace(tries=tries), current.offset)

    def _keep(self, row: QueuedPicture, sent_bytes: int) -> None:
        """Note how far it was sent; a disk that does not take that costs sending it again."""
        self._database.write(
            lambda connection: note_sent(connection, row.sha256, sent_bytes, row.tries)
        )

    def _finish(self, row: QueuedPicture, body: StoredBody | NotSentBody) -> None:
        """Take a picture out of the queue and tell why, in one transaction."""
        draft = Draft.of_device(body, self._clock, self._ids)

        def write(connection: sqlite3.Connection) -> None:
            if take_out(connection, row.sha256) is not None:
                self._outbox.add(connection, draft)

        self._database.write(write)
        if self._current is not None and self._current.row.sha256 == row.sha256:
            self._current = None
        self._again_s[row.sha256] = self._clock.monotonic_s() + UNCONFIRMED_FIRST_S


def _wait_s(tries: int) -> float:
    times = UNCONFIRMED_TIMES ** min(max(tries - 1, 0), 8)
    return min(UNCONFIRMED_MOST_S, UNCONFIRMED_FIRST_S * times)


def _facts(row: QueuedPicture) -> dict[str, Any]:
    return {"case_id": row.case_id, "sha256": row.sha256, "command_id": row.command_id}
