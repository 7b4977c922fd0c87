"""What anybody may publish on a device's ``events``: no message of the contract, or one of another device."""

from __future__ import annotations

import copy
import functools
import gzip
import json
import zlib
from typing import Any

from agent.protocol import examples

TOPIC = "kerbwatch/v2/example-city/example-corner/events"
LIVE = json.dumps(examples.examples()["message-live"], ensure_ascii=False)
LARGEST_BYTES = 16_000_000


def changed(**fields: Any) -> str:
    """The message, with other fields in its event."""
    document = copy.deepcopy(examples.examples()["message-live"])
    document["events"][0] |= fields
    return json.dumps(document)


@functools.cache
def bomb() -> bytes:
    """16 MB of blanks and more, from some ten thousand bytes, and packed once more."""
    packing = zlib.compressobj(wbits=31)
    blanks = [packing.compress(b" " * 1_000_000) for _ in range(200)]
    return b"".join([*blanks, packing.compress(LIVE.encode()), packing.flush()])


def nested(levels: int) -> str:
    """The message, with a field that nobody knows in its event, of so many levels."""
    return LIVE.replace('"reason": {}', '"reason": {}, "later": ' + "[" * levels + "]" * levels)


UNREADABLE: dict[str, str | bytes] = {
    "nothing": "",
    "no JSON": "{",
    "no UTF-8": b"\xff\xfe{}",
    "a number": "7",
    "a list": "[]",
    "many digits": LIVE.replace('"sequence": 2', '"sequence": ' + "9" * 100_000),
    "deep": LIVE.replace('"reason": {}', '"reason": ' + '{"a":' * 100_000 + "1" + "}" * 100_000),
    "900 deep": nested(900),
    "deeper": "[" * 2_000_000,
    "large": b" " * (LARGEST_BYTES + 1),
    "cut off": gzip.compress(LIVE.encode())[:-9],
    "packed garbage": b"\x1f\x8b" + b"\x00" * 100,
    "a bomb": bomb(),
    "a bomb in a bomb": gzip.compress(bomb()),
    "something behind it": gzip.compress(LIVE.encode()) + b"{}",
    "packed twice": gzip.compress(gzip.compress(LIVE.encode())),
}
"""Of which nobody can say what is in it."""
AMBIGUOUS: dict[str, str] = {
    "a key twice": LIVE.replace('"historical"', '"historical": true, "historical"'),
    "a key twice, deep": LIVE.replace('"left"', '"left": 0.5, "left"'),
    "NaN": LIVE.replace('"confidence": 0.78', '"confidence": NaN'),
    "infinite": LIVE.replace('"dwell_s": ', '"dwell_s": Infinity, "x": '),
    "infinite by its digits": LIVE.replace('"confidence": 0.78', '"confidence": 1e999'),
}
"""Which two readers of JSON may read as two messages."""
ANOTHERS: dict[str, str] = {
    "another device": changed(device_id="other-corner"),
    "another tenant": changed(tenant="other-city"),
}
DEEP: dict[str, str] = {f"{levels} deep": nested(levels) for levels in (70, 150, 200)}
"""Which Python's JSON still reads, and what walks over it by recursion may not."""
NUMBERLESS: dict[str, str] = {
    "2^63": LIVE.replace('"sequence": 2', f'"sequence": {2**63}'),
    "a number as text": LIVE.replace('"sequence": 2', '"sequence": "2"'),
}
NO_TEXT: dict[str, str] = {
    "half a character": LIVE.replace("示例", "\\ud800"),
    "NUL": LIVE.replace("示例", "\\u0000"),
}
UNKNOWN: dict[str, str] = {
    "a path": LIVE.replace("/begin.jpg", "/../../../etc/passwd"),
    "too long": LIVE.replace("示例", "长" * 300),
    "no event": LIVE[: LIVE.index("[")] + "[]}",
}
HOSTILE: dict[str, str | bytes] = {
    **UNREADABLE,
    **AMBIGUOUS,
    **ANOTHERS,
    **DEEP,
    **NUMBERLESS,
    **NO_TEXT,
    **UNKNOWN,
    "one of them another's": json.dumps(
        {
            **examples.examples()["message-live"],
            "events": [
                examples.examples()["message-live"]["events"][0],
                {**examples.examples()["message-live"]["events"][0], "device_id": "other"},
            ],
        }
    ),
}
