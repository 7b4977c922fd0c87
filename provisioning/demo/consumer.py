"""A small consumer of the contract, by which the demo judges the device.

It follows ``docs/platform/receipts.md``: an event is kept once by its ``event_id`` and every number it comes under is
noted. In one thing it is stricter than a platform has to be, because it judges: it reads by the contract that the
device writes by, and what that does not allow is counted, not used. (``examples/platform/consumer.py`` reads as a
platform does.) Whatever comes is hostile until it is read: one message costs itself and nothing else.
"""

from __future__ import annotations

import json
import secrets
import threading
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TextIO
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from agent.protocol.events import Message
from provisioning.console.exit_codes import BrokerError
from wording.harmless import harmless
from wording.known_errors import reason_of, recognised
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from agent.protocol.events import Event

_LARGEST_BYTES = 16_000_000
"""What a message may be, also unpacked: a small one could otherwise fill the memory."""
_MAX_TOLD = 20
"""Maximum number of refusals kept in words; all are counted."""
_CONNECT_TIMEOUT_S = 10.0
_DEFAULT_PORT = 1883


@dataclass(slots=True)
class Received:
    """What came: each event once, in the order it came; what was no message of the contract.

    Attributes:
        numbers: Every sequence number that came, by epoch, also of events that were there already.
        refused: How many messages were none.
        invalid: Why, of the first of them.
    """

    events: list[Event] = field(default_factory=list)
    duplicates: int = 0
    refused: int = 0
    invalid: list[str] = field(default_factory=list)
    numbers: dict[str, set[int]] = field(default_factory=dict)

    def refuse(self, reason: str) -> None:
        """Count a message that is not used, and keep why."""
        self.refused += 1
        if len(self.invalid) < _MAX_TOLD:
            self.invalid.append(harmless(reason, 500))

    def sequences(self, epoch: str) -> set[int]:
        """The sequence numbers that came of one epoch."""
        return self.numbers.get(epoch, set())


def read(topic: str, payload: bytes) -> tuple[Message, list[Any]]:
    """Read a message, as the contract allows it and no otherwise.

    Args:
        topic: Where it came; who may publish there is the broker's to know, so its levels are believed.
        payload: What came, plain or packed.

    Returns:
        The message, and its events as they stood in the JSON.

    Raises:
        ValueError: It is none, or of another device than the topic's.
    """
    text = unpacked(payload)
    message = Message.model_validate_json(text)  # this parser is bounded in depth and in digits
    document = json.loads(text, object_pairs_hook=_each_key_once)
    theirs = tuple(topic.split("/")[-3:-1])
    for event in message.events:
        if (event.tenant, event.device_id) != theirs:
            raise ValueError(f"an event of {event.tenant}/{event.device_id} came there")
    return message, document["events"]


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key that stands twice, some readers take the first value and some the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def unpacked(payload: bytes) -> bytes:
    """The JSON of a message, whether it travelled plain or packed with gzip.

    Raises:
        ValueError: It is damaged, or larger than any message may be.
    """
    if len(payload) > _LARGEST_BYTES:
        raise ValueError(f"more than {_LARGEST_BYTES} bytes")
    if not payload.startswith(b"\x1f\x8b"):
        return payload
    unpacking = zlib.decompressobj(wbits=31)
    try:
        text = unpacking.decompress(payload, _LARGEST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacking.eof:
        raise ValueError(f"cut off, or more than {_LARGEST_BYTES} bytes")
    if unpacking.unused_data:
        raise ValueError("something follows what was packed")
    return text


class Consumer:
    """Subscribes to events and writes each to a file once. Use as a context.

    Args:
        url: ``mqtt://HOST[:PORT]``.
        topic: What to subscribe to.
        path: One event a line goes here, as it came.
        on_event: Called with each new event in the network's thread.

    Raises:
        BrokerError: The broker cannot be reached or refuses.
    """

    def __init__(self, url: str, topic: str, path: Path, on_event: Callable[[Event], None]) -> None:
        self._url, self._topic, self._on_event = url, topic, on_event
        self._path = path
        self._lines: TextIO
        self._opened: ExitStack
        self.received = Received()
        self._known: set[str] = set()
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._refused = ""
        # A name of its own: a broker throws out the older of two clients of one name.
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"kerbwatch-demo-{secrets.token_hex(6)}",
            protocol=mqtt.MQTTv5,
        )
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._took

    def __enter__(self) -> Self:
        parts = urlsplit(self._url)
        try:
            self._client.connect(parts.hostname or "", parts.port or _DEFAULT_PORT)
        except OSError as error:
            reason = reason_of(error)
            raise BrokerError(said("{url}: {reason}", url=self._url, reason=reason)) from error
        with ExitStack() as opened:
            opened.callback(self._client.loop_stop)
            self._lines = opened.enter_context(self._path.open("w", encoding="utf-8"))
            self._client.loop_start()
            if not self._ready.wait(_CONNECT_TIMEOUT_S) or self._refused:
                reason = self._refused or said(
                    "no answer within {seconds:g} s", seconds=_CONNECT_TIMEOUT_S
                )
                raise BrokerError(said("{url}: {reason}", url=self._url, reason=reason))
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._opened.close()

    def wait_for(self, epoch: str, through: int, unsent: set[int], timeout_s: float) -> set[int]:
        """Wait until every sent event of an epoch has come, and say which have not.

        Args:
            epoch: Whose sequence numbers are meant.
            through: The last sequence number that was given.
            unsent: Numbers that are not to be waited for.
            timeout_s: How long at most.
        """
        wanted = set(range(1, through + 1)) - unsent
        with self._changed:
            self._changed.wait_for(lambda: wanted <= self.received.sequences(epoch), timeout_s)
            return wanted - self.received.sequences(epoch)

    def _connected(self, client: mqtt.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            self._refused = recognised(str(reason))
            self._ready.set()
        else:
            client.subscribe(self._topic, qos=1)

    def _subscribed(self, _: Any, __: Any, ___: Any, reasons: Any, ____: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refused = said("{reasons}", reasons=[recognised(str(each)) for each in reasons])
        self._ready.set()

    def _took(self, _client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        topic = "?"
        try:
            topic = message.topic  # not every sequence of bytes is one
            arrived, lines = read(topic, bytes(message.payload))
            for event, line in zip(arrived.events, lines, strict=True):
                self._keep(event, line)
        except Exception as error:  # noqa: BLE001  the outermost line of the network's thread
            with self._changed:
                self.received.refuse(f"{topic}: {_why(error)}")

    def _keep(self, event: Event, line: Any) -> None:
        with self._changed:
            self.received.numbers.setdefault(event.epoch, set()).add(event.sequence)
            if event.event_id in self._known:
                self.received.duplicates += 1
                self._changed.notify_all()
                return
            self._known.add(event.event_id)
            self._lines.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._lines.flush()
            self.received.events.append(event)
            self._changed.notify_all()
        self._on_event(event)


def _why(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error) or type(error).__name__
    fault = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{error.error_count()} faults, the first: {place}: {fault['msg']}"
