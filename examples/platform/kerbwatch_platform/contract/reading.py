"""Reading what came: one message costs itself and nothing else. Pure functions; jsonschema-rs and cryptography are all they need."""

import json
import math
import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jsonschema_rs

from .verify_signed import verify

CONTRACT = Path(__file__).parents[4] / "contract"
LARGEST_BYTES = 16_000_000
"""Of a message, also unpacked: a small one could otherwise fill the memory."""
LARGEST_NUMBER = 2**53 - 1
"""Above it, readers of JSON do not agree what a number is."""
MOST_NESTED = 64
"""Levels of an event, far more than the contract's have. What works on one by recursion stays well below its end."""
MOST_OF_ID = 64
"""Characters of an id."""
_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")
_EVENT = CONTRACT / "reader" / "event.schema.json"
_valid = jsonschema_rs.validator_for(json.loads(_EVENT.read_text(encoding="utf-8")))
_LARGE = re.compile(rb"[:,\[\s]-?[0-9](?:[0-9]{15}|[0-9.]*[eE])")
"""What may be a number that is too large; without it, none is."""


def unpacked(payload: bytes) -> bytes:
    """The JSON text of a message, plain or packed with gzip.

    Raises:
        ValueError: It is damaged, or larger than any message may be.
    """
    if payload.startswith(b"\x1f\x8b"):
        unpacking = zlib.decompressobj(wbits=31)
        try:
            payload = unpacking.decompress(payload, LARGEST_BYTES)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not unpacking.eof or unpacking.unused_data:
            raise ValueError("what is packed is cut off, too large, or followed by something")
    if len(payload) > LARGEST_BYTES:
        raise ValueError(f"more than {LARGEST_BYTES} bytes")
    return payload


def events_in(payload: bytes) -> tuple[list[Any], bool]:
    """The events of a message as they stand there, and whether other readers might read others.

    Raises:
        ValueError: It is no message.
    """
    unclear: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            unclear.append("a key stands twice")
        return found

    def number(text: str, kind: Callable[[str], float]) -> float:
        value = kind(text)
        if not (math.isfinite(value) if kind is float else abs(value) <= LARGEST_NUMBER):
            unclear.append(f"a number is too large: {text[:20]}")
        return value

    text = unpacked(payload)
    numbers: dict[str, Any] = {}
    # Looking at each number takes longer than all the rest. In UTF-16 digits stand apart.
    if b"\0" in text or _LARGE.search(text):
        numbers = {
            "parse_int": lambda text: number(text, int),
            "parse_float": lambda text: number(text, float),
        }
    try:
        message = json.loads(
            text, object_pairs_hook=members, parse_constant=unclear.append, **numbers
        )
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if _may_be_deeper(text, 500) and is_deeper(
        message, 500
    ):  # whoever reads it with more room than this one would stumble later
        raise ValueError("nested too deep")
    if not isinstance(message, dict) or not isinstance(message.get("events"), list):
        raise ValueError("no message: there is no list of events")  # noqa: TRY004
    return message["events"], bool(unclear)


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in each other more than so many times."""
    held = [value]
    for _ in range(levels + 1):
        held = [child for each in held for child in _children(each)]
    return bool(held)


def _may_be_deeper(text: bytes | str, levels: int) -> bool:
    """Whether there are as many brackets in it as that takes; counting them is quicker than walking through."""
    if isinstance(text, bytes):
        return text.count(b"[") + text.count(b"{") > levels
    return text.count("[") + text.count("{") > levels


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def number_of(event: Any) -> tuple[str, int] | None:
    """The epoch and number of an event, if it has what can be told as them; else None."""
    if not isinstance(event, dict):
        return None
    epoch, sequence = event.get("epoch"), event.get("sequence")
    if not isinstance(epoch, str) or not re.fullmatch("[A-Za-z0-9-]{1,64}", epoch):
        return None
    if isinstance(sequence, bool) or not isinstance(sequence, int):
        return None
    return (epoch, sequence) if 0 < sequence <= LARGEST_NUMBER else None


def code_against(event: dict[str, Any], tenant: str, device: str) -> str | None:
    """Why an event cannot be stored, as a code for the receipt; None if it can.

    An unknown type, field or value is no reason: the reader schema lets them through.
    """
    return judged(event, tenant, device)[0]


def judged(event: dict[str, Any], tenant: str, device: str) -> tuple[str | None, str]:
    """``code_against``, and the event as JSON; half characters are written out in it where it cannot be stored."""
    text = json.dumps(event, ensure_ascii=False)
    if (event.get("tenant"), event.get("device_id")) != (tenant, device):
        return "not_its_topic", text
    return _unstorable(event, text) or (
        None if _valid.is_valid(event) else "against_the_schema"
    ), text


def _unstorable(value: Any, text: str) -> str | None:
    if _may_be_deeper(text, MOST_NESTED) and is_deeper(value, MOST_NESTED):
        return "nested_too_deep"
    # PostgreSQL's jsonb takes neither of them.
    nul = "\\u0000" in text and _NUL.search(text)
    return "unreadable_text" if nul or _has_half_a_character(text) else None


def _has_half_a_character(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def key_in(event: dict[str, Any]) -> str | None:
    """The key that a birth names, as JSON; None if it names none, or is no birth."""
    if event["type"] != "device.birth":
        return None
    key = event["body"].get("signing_key") if isinstance(event["body"], dict) else None
    if not isinstance(key, dict):
        return None
    told = {name: key.get(name) for name in ("kid", "x")}
    return json.dumps(told) if all(isinstance(each, str) for each in told.values()) else None


def case_in(event: dict[str, Any]) -> str | None:
    """The case that an event is about; None if it names none that could be told."""
    body = event.get("body")
    case_id = body.get("case_id") if isinstance(body, dict) else None
    return case_id if isinstance(case_id, str) and 0 < len(case_id) <= MOST_OF_ID else None


def losses_in(event: dict[str, Any], key: dict[str, Any]) -> list[tuple[str, int, int, str, str]]:
    """The ranges of a loss report: (epoch, first, last, lane, reason); none if the key did not sign it for this event.

    Version 1 signed the list alone, bound to nothing: such a report can be sent twice, but not be another's.
    """
    bound = {name: event[name] for name in ("tenant", "device_id", "event_id")}
    try:
        signed: Any = verify(event["body"]["jws"], key, {})
        # What version 2 signed stays bound, whichever version the event around it claims.
        if not (isinstance(signed, list) and event.get("contract") == 1):
            signed = verify(event["body"]["jws"], key, bound)
        losses = signed if isinstance(signed, list) else signed["losses"]
        if _unstorable(losses, json.dumps(losses, ensure_ascii=False)):
            return []
        found = [
            (loss["epoch"], first, last, str(loss.get("lane")), str(loss.get("reason")))
            for loss in losses
            for first, last in loss["ranges"]
        ]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []
    return [each for each in found if _is_range(*each[:3])]


def _is_range(epoch: Any, first: Any, last: Any) -> bool:
    ends = [number_of({"epoch": epoch, "sequence": end}) for end in (first, last)]
    return None not in ends and first <= last
