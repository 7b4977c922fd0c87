"""What a batch of messages says, put in order by what is to be done with it; no database yet.

Everything is judged in the order in which it came, so that a batch leaves behind what its messages would one by one: the
first event keeps an id or a number, and a number is refused only if no event that can be read came under it later.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from kerbwatch_platform.contract.message import Place, place_of
from kerbwatch_platform.contract.reading import case_in, events_in, judged, key_in, number_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kerbwatch_platform.contract.message import Message

MOST_WORDS = 500
"""Characters of a reason, and of a topic that is none."""
PIECES = "pictures/"


class Number(NamedTuple):
    """One number of one device."""

    tenant: str
    device: str
    epoch: str
    sequence: int


class Id(NamedTuple):
    """One event."""

    tenant: str
    device: str
    event_id: str


class Aside(NamedTuple):
    """What has no number that could be told."""

    topic: str
    sha256: str
    why: str
    payload: bytes
    tenant: str
    """Of the topic; empty where it is no device's."""
    device: str


@dataclass
class Sorted:
    """Of a batch: what to keep, under which numbers, what not, and why."""

    events: dict[Id, tuple[str, bool, str]] = field(default_factory=dict)
    """Type, whether it is a test, and the event's JSON."""
    claims: dict[tuple[Number, str], None] = field(default_factory=dict)
    """Each number with each event that came under it, the first of a number first."""
    refused: dict[Number, tuple[str, str]] = field(default_factory=dict)
    """Code, and the event's JSON."""
    aside: dict[tuple[str, str], Aside] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    """The first key that a birth of this batch names, by device."""
    losses: set[Id] = field(default_factory=set)
    births: set[tuple[str, str]] = field(default_factory=set)
    test_cases: list[tuple[str, str, str]] = field(default_factory=list)
    packed: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def epochs(self) -> set[tuple[str, str, str]]:
        """Of which something came, be it refused."""
        return {number[:3] for number, _ in self.claims} | {number[:3] for number in self.refused}


def sort(messages: Iterable[Message], prefix: str) -> Sorted:
    """Read every message; one costs itself and nothing else. Pieces of pictures are somebody else's."""
    found = Sorted()
    for topic, payload in messages:
        try:
            place = place_of(topic, prefix)
        except ValueError as why:
            _set_aside(found, topic, None, str(why), payload)
            continue
        if place.channel == "events":
            _message(found, topic, place, payload)
    return found


def _message(found: Sorted, topic: str, place: Place, payload: bytes) -> None:
    try:
        events, unclear = events_in(payload)
    except ValueError as why:
        _set_aside(found, topic, place, str(why), payload)
        return
    for event in events:
        told = number_of(event)
        if told is None:
            content = json.dumps(event).encode()
            _set_aside(found, topic, place, "an event without a number", content)
            continue
        number = Number(place.tenant, place.device, *told)
        code, text = judged(event, place.tenant, place.device)
        code = "ambiguous_json" if unclear else code
        if code:
            found.refused.setdefault(number, (code, json.dumps(event)))
        else:
            _event(found, number, event, text)


def _event(found: Sorted, number: Number, event: dict[str, Any], text: str) -> None:
    device = number[:2]
    of = Id(*device, event["event_id"])
    test = event.get("test") is True
    found.events.setdefault(of, (event["type"], test, text))
    found.claims.setdefault((number, of.event_id))
    found.refused.pop(number, None)
    match event["type"]:
        case "device.birth":
            found.births.add(device)
            key = key_in(event)
            if key:
                found.keys.setdefault(device, key)
        case "device.loss":
            found.losses.add(of)
        case "evidence.packed" | "evidence.deleted":
            found.packed.append(of)
        case "case.opened" if test:
            case_id = case_in(event)
            if case_id:
                found.test_cases.append((*device, case_id))


def _set_aside(found: Sorted, topic: str, place: Place | None, why: str, payload: bytes) -> None:
    whose = (place.tenant, place.device) if place else ("", "")
    each = aside(topic, why, payload, *whose)
    found.aside.setdefault(each[:2], each)


def aside(topic: str, why: str, payload: bytes, tenant: str = "", device: str = "") -> Aside:
    """What is set aside, with words that a database takes."""
    digest = hashlib.sha256(payload).hexdigest()
    return Aside(_words(topic), digest, _words(why), payload, tenant, device)


def _words(text: str) -> str:
    """Text that a database takes, of a length that an index takes."""
    return text[:MOST_WORDS].encode("utf-8", "replace").decode().replace("\0", "?")
