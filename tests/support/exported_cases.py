"""What devices of the contract's examples told, stored; each test changes of it what it is about."""

from __future__ import annotations

import copy
import json
import uuid
from typing import TYPE_CHECKING, Any

from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message

from tests.support.paths import ROOT

if TYPE_CHECKING:
    import psycopg

EXAMPLES = ROOT / "contract" / "examples"
TENANT, DEVICE = "example-city", "example-corner"


def told(name: str) -> dict[str, Any]:
    """The first event of an example, such as ``message-live``."""
    [first, *_] = json.loads((EXAMPLES / f"{name}.json").read_bytes())["events"]
    return dict(first)


def case(case_id: str, type_: str = "case.opened", **body: Any) -> dict[str, Any]:
    """An event of a case, with an id of its own."""
    event = copy.deepcopy(told("message-live"))
    event |= {"event_id": str(uuid.uuid4()), "type": type_}
    event["body"] |= {"case_id": case_id} | body
    return event


def take(connection: psycopg.Connection, *events: dict[str, Any]) -> None:
    """Store events, numbered in their order after what is there."""
    [reached] = connection.execute(
        "SELECT coalesce(max(sequence), 0) FROM numbered"
    ).fetchone() or (0,)
    for number, event in enumerate(events, int(reached) + 1):
        event["sequence"] = number
    payload = json.dumps({"contract": 2, "historical": False, "events": list(events)}).encode()
    store.take(connection, [Message(f"kerbwatch/v2/{TENANT}/{DEVICE}/events", payload)])
    [count] = connection.execute("SELECT max(sequence) FROM numbered").fetchone() or (0,)
    assert count == int(reached) + len(events), "every event of the test was taken"
