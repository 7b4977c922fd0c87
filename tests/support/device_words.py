"""Messages that devices might send, good and bad, as small sequences to try a platform with."""

from __future__ import annotations

import gzip
import json
from typing import Any

from hypothesis import strategies as st

from agent.protocol.examples import examples
from agent.protocol.vectors import public_key, signed_by

TENANT, DEVICES = "city", ("corner-1", "corner-2")
EPOCHS = ("e1", "e2")
BOOTS = {"b1": 0.25, "b2": 0.375}
"""Each with its own part of a second, so that no two events of different boots are at one time."""


def topic(device: str, tenant: str = TENANT) -> str:
    return f"kerbwatch/v2/{tenant}/{device}/events"


def moment(second: float) -> str:
    minute, rest = divmod(second, 60)
    return f"2026-03-01T{12 + int(minute) // 60:02}:{int(minute) % 60:02}:{rest:06.3f}+08:00"


def _case(draw: Any, second: int, state: str) -> dict[str, Any]:
    member = {"member_id": draw(st.sampled_from(("1", "2"))), "operator": "blue"}
    stay = member | {"since": moment(second - 49.89), "last_present_at": moment(second - 1)}
    left = [member | {"since": moment(second - 49.89), "until": moment(second - 9)}]
    return {
        "case_id": draw(st.sampled_from(("k1", "k2"))),
        "kind": "misparked_bike",
        "state": state,
        "place": {
            "place_id": "p",
            "zone_id": "kerb",
            "responsible_unit_id": "unit-1",
            "sla_s": 600,
        },
        "opened_at": moment(second - 40),
        "last_present_at": moment(second - 1),
        "cleared_at": moment(second) if state == "cleared" else None,
        "members": [stay] if draw(st.booleans()) else [],
        "left": left if draw(st.booleans()) else [],
        "reason": {},
    }


def _loss(draw: Any, device: str, event_id: str) -> dict[str, Any]:
    first = draw(st.integers(1, 6))
    loss = {
        "epoch": draw(st.sampled_from(EPOCHS)),
        "lane": "rest",
        "reason": "evicted",
        "ranges": [[first, first + draw(st.integers(0, 2))]],
    }
    of = {"tenant": TENANT, "device_id": device, "event_id": event_id}
    return {"jws": signed_by(draw(st.sampled_from(("device", "another"))), of | {"losses": [loss]})}


def _birth(draw: Any, epoch: str) -> dict[str, Any]:
    before = {"epoch": "e1" if epoch == "e2" else "e0", "last_sequence": draw(st.integers(0, 7))}
    owner = draw(st.sampled_from(("device", "another", None)))
    return {
        "because": "power_cut",
        "predecessor": draw(st.sampled_from((before, None))),
        "carried": draw(st.integers(0, 3)),
        "signing_key": owner and public_key(owner).model_dump(),
        "open_cases": draw(st.lists(st.sampled_from(("k1", "k2")), unique=True)),
    }


def _body(draw: Any, type_: str, device: str, event_id: str, epoch: str, second: int) -> Any:
    views = {"street": {"view": draw(st.sampled_from(("good", "dark"))), "abstaining": {}}}
    zone = {
        "zone_id": "kerb",
        "camera_id": "street",
        "zone_kind": "no_parking",
        "kind": "no_parking",
    }
    hours = zone | {"place_id": "p", "sensing_s": 60.5, "abstained_s": 3, "blind_s": second}
    match type_:
        case "device.birth":
            return _birth(draw, epoch)
        case "device.loss":
            return _loss(draw, device, event_id)
        case "device.clock":
            boot, part = draw(st.sampled_from(tuple(BOOTS.items())))
            return {"boot_id": boot, "zero_at": moment(draw(st.integers(0, 900)) + part)}
        case "device.heartbeat":
            return {"views": views}
        case "device.changes":
            return {"of": draw(_ids), "changed": draw(st.sampled_from(({"views": views}, {})))}
        case "device.summary":
            return {"day": "2026-03-01", "zones": [hours, hours], "open_cases": ["k1"]}
        case "device.inventory":
            part = {"inventory_id": draw(st.sampled_from(("i1", "i2"))), "parts": 2}
            camera = {"camera_id": "street", "width_px": 1280, "view_sha256": "0"}
            return part | {"part": draw(st.integers(1, 2)), "zones": [zone], "cameras": [camera]}
        case _:
            return _case(draw, second, type_.removeprefix("case.").replace("opened", "open"))


_ids = st.sampled_from([f"019cb000-0000-7000-8000-00000000000{each}" for each in range(8)])
_types = st.sampled_from(
    (
        *("case.opened", "case.cleared", "case.persisting") * 3,
        *("device.birth", "device.loss", "device.clock") * 2,
        *("device.heartbeat", "device.changes", "device.summary", "device.inventory"),
    )
)


@st.composite
def events(draw: Any, device: str, second: int) -> dict[str, Any]:
    """One event of a later contract, whose body nobody checks; in a tenth of them something breaks the envelope."""
    type_, event_id, epoch = draw(_types), draw(_ids), draw(st.sampled_from(EPOCHS))
    event = {
        "contract": 3,
        "event_id": event_id,
        "tenant": TENANT,
        "device_id": device,
        "epoch": epoch,
        "sequence": draw(st.integers(1, 6)),
        "type": type_,
        "test": draw(st.sampled_from((False,) * 5 + (True,))),
        "occurred_at": moment(second),
        "clock": {"boot_id": draw(st.sampled_from((*BOOTS, "b3"))), "monotonic_s": second + 0.0},
        "body": _body(draw, type_, device, event_id, epoch, second),
    }
    broken: dict[str, Any] = draw(st.sampled_from(_BROKEN)) if draw(st.integers(0, 9)) == 0 else {}
    return event | broken


_BROKEN: tuple[dict[str, Any], ...] = (
    {"type": None},
    {"tenant": "other"},
    {"event_id": "not an id"},
    {"sequence": "7"},
    {"body": {"later": "\0"}},
    {"body": None},
    {"occurred_at": "soon", "clock": None},
)


@st.composite
def batches(draw: Any) -> list[list[tuple[str, bytes]]]:
    """Some transactions of some messages of some events, as topics and payloads."""
    second = iter(range(100, 10_000, 7))
    told = []
    for _ in range(draw(st.integers(1, 4))):
        batch = []
        for _ in range(draw(st.integers(1, 3))):
            device = draw(st.sampled_from(DEVICES))
            of = [draw(events(device, next(second))) for _ in range(draw(st.integers(1, 4)))]
            text = json.dumps({"contract": 3, "historical": False, "events": of}).encode()
            batch.append((topic(device), gzip.compress(text) if draw(st.booleans()) else text))
        told.append(batch)
    return told


def of_the_contract() -> list[tuple[str, bytes]]:
    """Every example message of the contract."""
    place = "kerbwatch/v2/example-city/example-corner/events"
    return [
        (place, json.dumps(each, ensure_ascii=False).encode())
        for name, each in examples().items()
        if name.startswith("message-")
    ]
