"""Puts pictures that were asked for by HTTPS: to a host that the site names, and nowhere else.

The standard library's client follows no redirect and reads no proxy from the environment. Sent is at a rate that
leaves most of a slow link to the events. Who has the URL may write there: it stands in the queue until the picture
is put or its time is over, and in no log, event or answer.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Literal

from agent.concurrency.backoff import Backoff
from agent.config.upload_url import UploadTarget, UploadUrlError, target_of
from agent.evidence.picture_queue import content_of
from agent.identity.pem import CertificateError
from agent.identity.server_trust import context_of
from agent.protocol.events import Draft
from agent.protocol.picture_transfer import PIECE_BYTES, NotSentBody, StoredBody
from agent.storage.errors import StorageError
from agent.storage.picture_table import QueuedPicture, queued, take_out
from wording.known_errors import reason_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from agent.delivery.data_budget import DataBudget
    from agent.domain.ids import Ids
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

BYTES_PER_S = 32_000.0
"""An eighth of a link of 2 Mbit/s."""
LOOK_EVERY_S = 2.0
ANSWER_WITHIN_S = 20.0
AGAIN_FIRST_S, AGAIN_MOST_S = 10.0, 900.0
_WORKED, _BUSY, _OVERLOADED, _SERVERS_FAULT = range(200, 300), 408, 429, 500
"""HTTP status codes (RFC 9110, 15; RFC 6585, 4)."""

Outcome = Literal["stored", "again", "deleted", "damaged", "upload_expired", "upload_refused"]

_log = logging.getLogger(__name__)


class PictureUploads:
    """Puts the queued pictures that have a URL, one after the other. In a thread of its own.

    Args:
        database: Where the queue is.
        outbox: Takes the events that tell of pictures.
        folder: Where the pictures lie.
        hosts: Those that the site names, checked again here.
        ca_file: Authorities that vouch for them; None: the system's.
        clock: For what expires; while nothing vouches for it, nothing is put.
        ids: For the events.
        budget: The day's; pictures are its class ``evidence``.
        answer_within_s: How long a server may take for each step, and for all of its answer.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        folder: Path,
        *,
        hosts: Collection[str],
        ca_file: Path | None,
        clock: Clock,
        ids: Ids,
        budget: Callable[[], DataBudget],
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._database, self._outbox, self._folder = database, outbox, folder
        self._hosts, self._ca_file = frozenset(hosts), ca_file
        self._clock, self._ids, self._budget = clock, ids, budget
        self._answer_within_s = answer_within_s
        self._backoff = Backoff(AGAIN_FIRST_S, AGAIN_MOST_S, min_share=0.5)

    def run(self, stop: threading.Event) -> None:
        """Put what is queued until stopped."""
        while not stop.is_set():
            stop.wait(self.once(stop))

    def once(self, stop: threading.Event) -> float:
        """Go through the queue once.

        Returns:
            How long to wait before the next time, in seconds.
        """
        with closing(self._database.read()) as reader:
            rows = queued(reader, by_put=True)
        failing: set[str] = set()
        for row in rows:
            host = _host_of(row)
            if stop.is_set() or host in failing:
                continue
            outcome = self._outcome(row, stop)
            if outcome == "again" or not self._is_finished(row, outcome):
                failing.add(host)
        if failing:
            return self._backoff.failed()
        self._backoff.worked()
        return LOOK_EVERY_S

    def _outcome(self, row: QueuedPicture, stop: threading.Event) -> Outcome:
        assert row.put is not None
        if not self._clock.synchronised:
            return "again"
        if self._clock.now().timestamp() >= row.put.until_s:
            return "upload_expired"
        try:
            target = target_of(row.put.url)
        except UploadUrlError:
            return "upload_refused"
        if target.host not in self._hosts:  # the site has changed since
            return "upload_refused"
        if not self._budget().allows("evidence"):
            return "again"
        content = content_of(self._folder, row)
        return content if isinstance(content, str) else self._put(target, content, row, stop)

    def _put(
        self, target: UploadTarget, content: bytes, row: QueuedPicture, stop: threading.Event
    ) -> Outcome:
        try:
            status = self._status(target, content, stop)
        except (OSError, CertificateError, http.client.HTTPException) as error:
            # Words of http.client repeat what was asked for.
            why = type(error).__name__
            if isinstance(error, OSError | CertificateError):
                why = reason_of(error)
            _log.warning("a picture was not put to %s: %s", target.host, why)
            return "again"
        _log.info("picture %s was put to %s: %d", row.sha256[:8], target.host, status)
        if status in _WORKED:
            return "stored"
        later = status in {_BUSY, _OVERLOADED} or status >= _SERVERS_FAULT
        return "again" if later else "upload_refused"

    def _status(self, target: UploadTarget, content: bytes, stop: threading.Event) -> int:
        """Put bytes somewhere; what the server answered."""
        context = context_of(self._ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with closing(
            http.client.HTTPSConnection(
                target.name, target.port, timeout=self._answer_within_s, context=context
            )
        ) as connection:
            connection.putrequest("PUT", target.path, skip_accept_encoding=True)
            connection.putheader("Content-Type", "image/jpeg")
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders()
            # A server that does not want it may answer and close before it has all of it.
            with suppress(BrokenPipeError, ConnectionResetError):
                for begin in range(0, len(content), PIECE_BYTES):
                    piece = content[begin : begin + PIECE_BYTES]
                    connection.send(piece)
                    self._budget().count("evidence", len(piece))
                    if stop.wait(len(piece) / BYTES_PER_S):
                        raise ConnectionAbortedError
            with self._within(connection.sock):
                return connection.getresponse().status

    @contextmanager
    def _within(self, connected: socket.socket) -> Iterator[None]:
        """Hang up on a server that is not done with its answer in time.

        Each byte of it, and each answer that announces another (1xx), would be waited for anew.
        """
        timer = threading.Timer(self._answer_within_s, _hang_up, (connected,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _is_finished(self, row: QueuedPicture, outcome: Outcome) -> bool:
        """Take a picture out of the queue and tell why, in one transaction; whether the disk took that."""
        facts = {"case_id": row.case_id, "sha256": row.sha256, "command_id": row.command_id}
        if outcome == "stored":
            told = {**facts, "size_bytes": row.size_bytes, "over": "https"}
            body: StoredBody | NotSentBody = StoredBody.model_validate(told)
        else:
            body = NotSentBody.model_validate({**facts, "because": outcome})
        draft = Draft.of_device(body, self._clock, self._ids)

        def write(connection: sqlite3.Connection) -> None:
            if take_out(connection, row.sha256) is not None:
                self._outbox.add(connection, draft)

        try:
            self._database.write(write).result()
        except StorageError as error:  # it will be put once more
            _log.warning("%s", error)
            return False
        return True


def _hang_up(connected: socket.socket) -> None:
    """End a connection. Not by SSLSocket's own method, which takes it away from who reads from it."""
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _host_of(row: QueuedPicture) -> str:
    try:
        return target_of(row.put.url).host if row.put is not None else ""
    except UploadUrlError:
        return ""
