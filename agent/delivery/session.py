"""One MQTT session: sends what is due, handles acknowledgements, passes on received messages."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.concurrency.backoff import Backoff
from agent.delivery.channel_rights import ChannelRights
from agent.delivery.downlink import Downlink
from agent.delivery.link_errors import LinkError
from agent.delivery.mqtt_connection import Connection, Wake
from agent.delivery.reason_codes import NO_SUBSCRIBERS, meaning
from agent.delivery.send_scheduler import Batch, SendScheduler
from agent.protocol.topics import PIECE_LEVELS_BYTES
from wording.messages import said

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from agent.config.schema import UplinkSection
    from agent.delivery.mqtt_connection import Acknowledgement
    from agent.delivery.picture_sender import PictureSender, Piece
    from agent.protocol.commands import Answer

_NO_LIMIT_BYTES = 268_435_455
"""The largest packet that MQTT knows."""
ROUND_S = 0.5
REFUSED_FIRST_S = 2.0
"""At most so long is waited after a first "not now"; twice as long after each further one."""
_GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class Flight:
    """A batch in flight on its channel, or a piece of a picture, not yet acknowledged by the broker."""

    topic: str
    batch: Batch
    sent_s: float
    piece: Piece | None = None


class MovedError(Exception):
    """Waiting events have been renumbered, in a new epoch and perhaps another database."""


class Session:
    """The deliveries of one connection: window, deadlines, acknowledgements.

    Args:
        connection: Open.
        reader: To read the outbox with.
        scheduler: The send scheduler.
        settings: The window and the deadlines.
        events_topic: Where the events go.
        report: Called with what is wrong.
        downlink: Processes messages from the platform.
        channels: Notes acknowledgements and received messages.
        retain: Whether the device's state is retained.
        pictures: Sends pictures in what is left of the window; None: there are none.
    """

    def __init__(
        self,
        connection: Connection,
        reader: sqlite3.Connection,
        scheduler: SendScheduler,
        settings: UplinkSection,
        events_topic: str,
        report: Callable[[str], None],
        downlink: Downlink,
        channels: ChannelRights,
        *,
        retain: bool,
        pictures: PictureSender | None = None,
    ) -> None:
        self._connection, self._reader, self._scheduler = connection, reader, scheduler
        self._channels = channels
        self._settings, self._topic, self._report = settings, events_topic, report
        self._downlink, self._retain, self._pictures = downlink, retain, pictures
        self._flights: dict[int, Flight] = {}
        self._flying_bytes = 0
        self._accepting = False
        """Whether the last answer to an event was yes. Until it is, one batch goes at a time:
        were the first refused and the second, sent along with it, accepted, the order were lost."""
        self._backoff = Backoff(REFUSED_FIRST_S, settings.reconnect_max_s)
        self._resume_s = 0.0
        self._clearing: dict[str, Callable[[], None]] = {}
        """What is called once a topic's old state is dealt with."""
        self._heard_topics: tuple[str, ...] = ()
        self._asked_s = 0.0

    @property
    def _head_bytes(self) -> int:
        """What a packet with events needs besides its payload."""
        return self._connection.packet_bytes(self._topic, b"")

    @property
    def limit_bytes(self) -> int:
        """The largest payload that the broker takes on the channel of events."""
        limit_bytes = self._connection.limits.packet_bytes or _NO_LIMIT_BYTES
        return limit_bytes - self._head_bytes

    def round(self, wake: Wake, longest_s: float = ROUND_S) -> None:
        """Send what fits, wait for network activity, handle acknowledgements and received messages.

        Args:
            wake: Ends the wait as well.
            longest_s: So long is waited.

        Raises:
            NewEpochError: The platform has more than was ever sent, or other events.
            LinkError: The connection was lost, or the broker no longer responds.
            StorageError: A confirmation could not be written.
        """
        self._scheduler.settle()
        self._send()
        self._send_piece()
        pause_s = self._resume_s - time.monotonic()
        self._connection.turn(pause_s if 0 < pause_s < longest_s else longest_s, wake)
        self._read_answers()
        self._listen()
        if late := self._scheduler.overdue():
            self._report(f"the platform's receipt does not come; {late} events are sent again")
            self._listen_again()
        if self._flights:
            oldest = next(iter(self._flights.values()))
            if time.monotonic() - oldest.sent_s > self._settings.acknowledge_timeout_s:
                raise LinkError(said("the broker is connected but does not acknowledge"))

    def listen_to(self, *topics: str) -> None:
        """Subscribe to the platform's channels."""
        self._heard_topics, self._asked_s = topics, time.monotonic()
        self._connection.subscribe(*topics)

    def _listen_again(self) -> None:
        """Subscribe again after a refusal, at intervals."""
        if time.monotonic() - self._asked_s >= self._settings.receipt_timeout_s:
            self.listen_to(*self._heard_topics)

    def forget(self) -> None:
        """Forget the numbers of what is in flight."""
        self._flights.clear()
        self._flying_bytes = 0

    def _listen(self) -> None:
        if self._connection.refused_topics:
            reason = self._connection.refused_topics.popleft()
            self._channels.deaf = reason
            self._report(f"the broker does not let us hear the platform: {reason}")
        while self._has_room_for_an_answer():
            delivery = self._connection.next_delivery()
            if delivery is None:
                return
            self._channels.hear(delivery.topic)
            answer = self._downlink.heed(delivery, self._reader)
            if answer is not None:
                self._tell(answer, delivery.correlation)

    def _tell(self, answer: Answer, correlation: bytes | None) -> None:
        """Publish an answer, as much of it as the broker's limit lets through: what became of it always fits."""
        topic = self._downlink.answers_topic
        limit_bytes = self._connection.limits.packet_bytes or _NO_LIMIT_BYTES
        short = answer.model_copy(update={"reason": None, "allowed": None})
        for told, echoed in ((answer, correlation), (short, correlation), (short, None)):
            payload = told.model_dump_json().encode()
            if self._connection.packet_bytes(topic, payload, echoed) <= limit_bytes:
                break
        self._publish(topic, Batch((), payload), correlation=echoed)

    def _has_room_for_an_answer(self) -> bool:
        """Whether the window has room for an answer; otherwise commands wait at the broker."""
        return len(self._flights) < self._connection.limits.receive_maximum

    def send_state(self, topic: str, payload: bytes) -> None:
        """Publish the device's state, retained where the broker supports it."""
        self._publish(topic, Batch((), payload), retain=self._retain)

    def clear_state(self, topic: str, done: Callable[[], None]) -> None:
        """Have the broker forget the state that is retained on another topic.

        Args:
            topic: That topic.
            done: Called once the broker has answered, whatever it says.
        """
        self._clearing[topic] = done
        self._publish(topic, Batch((), b""), retain=True)

    def end(self, wake: Wake, state_topic: str, state: bytes) -> None:
        """Wait briefly for outstanding acknowledgements, publish the last state, disconnect."""
        until_s = time.monotonic() + _GOODBYE_S
        self._wait_for_answers(wake, until_s)
        if len(self._flights) < self._connection.limits.receive_maximum:
            self.send_state(state_topic, state)
            self._wait_for_answers(wake, until_s)
        self._connection.say_goodbye(_GOODBYE_S)

    def abandon(self) -> None:
        """Queue unacknowledged batches again for the next connection, the oldest first."""
        # A broker may answer and hang up at once; its last words still count.
        self._read_answers()
        for flight in self._flights.values():
            self._scheduler.put_back(flight.batch)
        self._flights.clear()
        if self._pictures is not None:
            self._pictures.put_back()

    def _wait_for_answers(self, wake: Wake, until_s: float) -> None:
        while self._flights and (left_s := until_s - time.monotonic()) > 0:
            self._connection.turn(left_s, wake)
            self._read_answers()

    def _send(self) -> None:
        limits, window_bytes = self._connection.limits, self._settings.window_bytes
        head_bytes, limit_bytes = self._head_bytes, self.limit_bytes
        while (
            time.monotonic() >= self._resume_s
            and len(self._flights) < (limits.receive_maximum if self._accepting else 1)
            and self._flying_bytes < window_bytes
        ):
            batch = self._scheduler.next(self._reader, limit_bytes)
            if batch is None:
                return
            if len(batch.payload) > limit_bytes:
                reason = f"{len(batch.payload)} bytes; the broker takes {limit_bytes}"
                self._report(f"an event is too large: {reason}")
                self._scheduler.refuse(batch, reason, limit_bytes)
            elif self._flights and self._flying_bytes + len(batch.payload) > window_bytes:
                return
            else:
                self._scheduler.take(batch, head_bytes + len(batch.payload))
                self._publish(self._topic, batch)

    def _send_piece(self) -> None:
        """Send a piece of a picture, if the events leave room for it: never while their fate is unknown."""
        if self._pictures is None or not self._accepting or time.monotonic() < self._resume_s:
            return
        if len(self._flights) >= self._connection.limits.receive_maximum:
            return
        window_bytes = self._settings.window_bytes
        head_bytes = self._head_bytes + PIECE_LEVELS_BYTES
        largest_bytes = (self._connection.limits.packet_bytes or _NO_LIMIT_BYTES) - head_bytes
        room_bytes = window_bytes - self._flying_bytes
        piece = self._pictures.next(self._reader, room_bytes, min(largest_bytes, window_bytes))
        if piece is not None:
            self._pictures.take(piece, head_bytes + len(piece.payload))
            packet_id = self._connection.publish(piece.topic, piece.payload, raw=True)
            batch = Batch((), piece.payload, "evidence")
            self._flights[packet_id] = Flight(piece.topic, batch, time.monotonic(), piece)
            self._flying_bytes += len(piece.payload)

    def _publish(
        self,
        topic: str,
        batch: Batch,
        *,
        retain: bool = False,
        correlation: bytes | None = None,
    ) -> None:
        try:
            packet_id = self._connection.publish(
                topic, batch.payload, retain=retain, packed=batch.packed, correlation=correlation
            )
        except LinkError:
            self._scheduler.put_back(batch)
            raise
        self._flights[packet_id] = Flight(topic, batch, time.monotonic())
        self._flying_bytes += len(batch.payload)

    def _read_answers(self) -> None:
        while self._connection.acknowledged:
            answer = self._connection.acknowledged.popleft()
            flight = self._flights.pop(answer.packet_id, None)
            if flight is not None:
                self._flying_bytes -= len(flight.batch.payload)
                if (done := self._clearing.pop(flight.topic, None)) is not None:
                    self._heed_clearing(answer, flight.topic, done)
                    continue
                self._channels.answered(flight.topic, answer.code)
                if flight.piece is not None and self._pictures is not None:
                    self._pictures.answered(flight.piece, answer.code, answer.text)
                    continue
                self._heed(answer, flight.batch)
        self._scheduler.in_flight.let_go()

    def _heed_clearing(self, answer: Acknowledgement, topic: str, done: Callable[[], None]) -> None:
        if answer.code not in {0, NO_SUBSCRIBERS}:
            self._report(
                said(
                    "the broker does not let us clear the old state on {topic}: {reason}",
                    topic=topic,
                    reason=answer.text,
                )
            )
        done()

    def _heed(self, answer: Acknowledgement, batch: Batch) -> None:
        if not batch.keys:
            if answer.code not in {0, NO_SUBSCRIBERS}:
                self._report(f"the broker does not take a state or an answer: {answer.text}")
            return
        meant = meaning(answer.code)
        self._accepting = meant == "taken"
        if self._accepting:
            self._backoff.worked()
            self._scheduler.acknowledge(batch)
        elif meant == "not now":
            self._report(f"the broker does not take events now: {answer.text}")
            self._scheduler.put_back(batch)
            # Nothing more goes until the pause is over: the oldest must go first again.
            self._resume_s = time.monotonic() + self._backoff.failed()
        else:
            self._report(f"the broker refuses a message: {answer.text}")
            self._scheduler.refuse(batch, answer.text)
