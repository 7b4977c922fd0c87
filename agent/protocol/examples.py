"""One example of every message, as the contract publishes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.protocol.base import (
    VERSION,
    Abstention,
    ClockReading,
    ModelUsed,
)
from agent.protocol.case import CaseBody, Departed, Fraction, Picture, Thing, Verdict, Withdrawn
from agent.protocol.commands import (
    Answer,
    Command,
    JudgeCase,
    Refusal,
    SignedCommand,
    TicketCase,
    name_of,
    order_of,
    unsigned,
)
from agent.protocol.downlink import Receipt
from agent.protocol.event_codes import event_code
from agent.protocol.events import (
    AcceptanceEvent,
    BirthBody,
    BirthEvent,
    CaseEvent,
    ChangesEvent,
    ClockBody,
    ClockEvent,
    Concerned,
    DecommissionedEvent,
    DeletedEvent,
    DeviceState,
    HeartbeatEvent,
    InventoryEvent,
    Loss,
    LossBody,
    LossEvent,
    Message,
    NotSentEvent,
    PackedEvent,
    Predecessor,
    SnapshotEvent,
    StorageBody,
    StorageEvent,
    StoredEvent,
    SummaryEvent,
)
from agent.protocol.evidence import DeletedBody, Manifest, PackedBody, Tombstone
from agent.protocol.field_examples import BEGAN_AT, EPOCH, example_of, id_of, sha256_of
from agent.protocol.heartbeat import ChangesBody, HeartbeatBody
from agent.protocol.inventory import InventoryBody
from agent.protocol.picture_transfer import NotSentBody, SnapshotBody, StoredBody
from agent.protocol.place import Place
from agent.protocol.service import AcceptanceBody, DecommissionedBody
from agent.protocol.summary import DeviceDay, KindDay, Reviewed, SummaryBody, ZoneDay
from agent.protocol.vectors import example_order, example_record, example_report, public_key

if TYPE_CHECKING:
    from pydantic import BaseModel


def examples() -> dict[str, Any]:
    """Payloads as a device sends them, by name. Their facts are examples throughout."""
    opened, cleared = _case("case.opened", sequence=2), _case("case.cleared", sequence=3)
    payloads: dict[str, BaseModel] = {
        "message-live": Message(historical=False, events=(opened,)),
        "message-historical": Message(historical=True, events=(_birth(1), opened, cleared)),
        "message-heartbeat": Message(historical=False, events=(_heartbeat(4),)),
        "message-changes": Message(historical=False, events=(_changes(8, _heartbeat(4)),)),
        "message-inventory": Message(historical=False, events=(_inventory(10),)),
        "message-abstained": Message(historical=False, events=(_abstained(16),)),
        "message-changed": Message(historical=False, events=(_changed(14),)),
        "message-withdrawn": Message(historical=False, events=(_withdrawn(11),)),
        "message-judged": Message(historical=False, events=(_ticketed(41), _judged(42))),
        "message-service": Message(historical=False, events=(_acceptance(12), _taken_down(13))),
        "message-summary": Message(historical=False, events=(_summary(9),)),
        "message-evidence": Message(historical=False, events=(_packed(17), _deleted(18))),
        "message-loss": Message(historical=False, events=(_loss(5),)),
        "message-storage": Message(historical=False, events=(_storage(6), _volatile(7))),
        "message-clock": Message(historical=False, events=(_clock(15),)),
        "message-pictures": Message(historical=False, events=(_stored(31), _not_sent(32))),
        "message-snapshot": Message(historical=False, events=(_snapshot(33),)),
        "receipt": Receipt(epoch=EPOCH, contiguous_through=2, ranges=((4, 5),)),
        "receipt-pictures": Receipt(
            epoch=EPOCH,
            contiguous_through=32,
            pictures=(
                (sha256_of("example redacted close_up"), 31_000),
                (sha256_of("example redacted threshold"), 40_960),
            ),
        ),
        **{
            f"command-{name_of(each)}": _command(each) for each in sorted(unsigned(), key=_fullness)
        },
        "command-signed": SignedCommand(jws=example_order(_command(order_of(JudgeCase)))),
        "answer": Answer(command_id="r-1", status="done", count=2),
        "answer-refused": Refusal(
            "invalid_value",
            "backlog_events_per_s: Input should be greater than or equal to 0.1",
            field="backlog_events_per_s",
            least=0.1,
            most=100_000,
        ).answer("p-1"),
        "state-online": _state(online=True),
        "state-offline": _state(online=False),
    }
    return {name: payload.model_dump(mode="json") for name, payload in payloads.items()}


def _fullness(model: type[Command]) -> int:
    """The fullest first: it is what a reader is shown, where only one is shown."""
    return -len(model.model_fields)


def _command(model: type[Command]) -> Command:
    return example_of(model).model_copy(update={"command_id": f"{name_of(model)[0]}-1"})


_BOOT_ID = "6f2c1a9e-0d4b-4c57-9a1e-3b8d7c6f5e40"


_CORNER = {"tenant": "example-city", "device_id": "example-corner", "epoch": EPOCH}


def _envelope(sequence: int, at: datetime) -> dict[str, Any]:
    seconds = (at - BEGAN_AT).total_seconds()
    return {
        **_CORNER,
        "event_id": id_of(f"event {sequence}", at.astimezone(UTC)),
        "sequence": sequence,
        "occurred_at": at,
        "clock": ClockReading(
            state="synchronised", boot_id=_BOOT_ID, monotonic_s=5000 + seconds, error_s=0.02
        ),
        "purpose": "city-order",
    }


def _case(event_type: str, *, sequence: int) -> CaseEvent:
    opened_at = BEGAN_AT + timedelta(seconds=180)
    last_present_at = opened_at
    roles = ["begin", "threshold", "close_up"]
    cleared_at = None
    if event_type == "case.cleared":
        last_present_at = BEGAN_AT + timedelta(seconds=400)
        cleared_at = last_present_at + timedelta(seconds=10)
        roles = ["after"]
    taken_at = {"begin": BEGAN_AT, "after": cleared_at}
    body = CaseBody(
        case_id=id_of("case"),
        kind="misparked_bike",
        state="open" if cleared_at is None else "cleared",
        code=event_code("gbt-47678-5", "misparked_bike"),
        place=example_of(Place),
        began_at=BEGAN_AT,
        opened_at=opened_at,
        last_present_at=last_present_at,
        cleared_at=cleared_at,
        dwell_s=(last_present_at - BEGAN_AT).total_seconds(),
        allowed_s=180,
        count=1,
        members=(
            Thing(
                member_id="1",
                label="bicycle",
                box=Fraction(left=0.41, top=0.52, right=0.5, bottom=0.68),
                since=BEGAN_AT,
                last_present_at=last_present_at,
            ),
        ),
        confidence=0.78,
        models=(example_of(ModelUsed),),
        configuration_sha256=sha256_of("example configuration"),
        pictures=tuple(_picture(role, taken_at.get(role) or opened_at) for role in roles),
    )
    at = cleared_at or opened_at
    return CaseEvent.model_validate({**_envelope(sequence, at), "type": event_type, "body": body})


def _abstained(sequence: int) -> CaseEvent:
    """The post was hit: of the case nothing can be said until its view is put right."""
    opened = _case("case.opened", sequence=sequence)
    since = BEGAN_AT + timedelta(seconds=300)
    abstention = Abstention(because="view_moved", since=since)
    body = opened.body.model_copy(
        update={"abstention": abstention, "pictures": (), "last_present_at": since}
        | {"dwell_s": (since - BEGAN_AT).total_seconds()}
    )
    told = {**_envelope(sequence, since + timedelta(seconds=20)), "type": "case.abstained"}
    return CaseEvent.model_validate({**told, "body": body})


def _changed(sequence: int) -> CaseEvent:
    """A second bike came after the case had opened, and the first one was taken away."""
    opened = _case("case.opened", sequence=sequence)
    first = opened.body.members[0]
    at = BEGAN_AT + timedelta(seconds=420)
    gone = Departed(
        **{**dict(first), "last_present_at": at - timedelta(seconds=15)},
        until=at - timedelta(seconds=15),
    )
    other = Thing(
        member_id="4",
        label="bicycle",
        box=Fraction(left=0.55, top=0.53, right=0.63, bottom=0.69),
        since=BEGAN_AT + timedelta(seconds=200),
        last_present_at=at,
        operator="unknown",
        plate="plate_unreadable",
    )
    body = opened.body.model_copy(
        update={"members": (other,), "left": (gone,), "pictures": (), "last_present_at": at}
        | {"dwell_s": (at - BEGAN_AT).total_seconds()}
    )
    told = {**_envelope(sequence, at), "type": "case.changed"}
    return CaseEvent.model_validate({**told, "body": body})


def _ticketed(sequence: int) -> CaseEvent:
    """The platform has given the case a number."""
    return _retold("case.ticketed", sequence, BEGAN_AT + timedelta(hours=1))


def _judged(sequence: int) -> CaseEvent:
    """A reviewer found it valid; the site does not say yet that its technical review is done."""
    at = BEGAN_AT + timedelta(hours=2)
    order = example_of(JudgeCase)
    verdict = Verdict(
        verdict=order.verdict,
        duplicate_of=order.duplicate_of,
        reference=order.reference,
        at=at,
        key=public_key("reviewer").kid,
    )
    return _retold("case.judged", sequence, at, verdict=verdict, evidence_lacks=("tech_review_no",))


def _retold(event_type: str, sequence: int, at: datetime, **told: Any) -> CaseEvent:
    cleared = _case("case.cleared", sequence=sequence)
    ticket = example_of(TicketCase).ticket
    body = cleared.body.model_copy(update={"pictures": (), "ticket": ticket, **told})
    return CaseEvent.model_validate({**_envelope(sequence, at), "type": event_type, "body": body})


def _withdrawn(sequence: int) -> CaseEvent:
    """The zone was drawn elsewhere while the device was off."""
    opened = _case("case.opened", sequence=sequence)
    at = BEGAN_AT + timedelta(seconds=3600)
    body = opened.body.model_copy(
        update={"state": "withdrawn", "withdrawn": Withdrawn(reason="zone_changed", at=at)}
        | {"pictures": ()}
    )
    told = {**_envelope(sequence, at), "type": "case.withdrawn"}
    return CaseEvent.model_validate({**told, "body": body})


def _acceptance(sequence: int) -> AcceptanceEvent:
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=1000))
    return AcceptanceEvent(**envelope, type="device.acceptance", body=example_of(AcceptanceBody))


def _taken_down(sequence: int) -> DecommissionedEvent:
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=2000))
    body = example_of(DecommissionedBody)
    return DecommissionedEvent(**envelope, type="device.decommissioned", body=body)


def _stored(sequence: int) -> StoredEvent:
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=240))
    return StoredEvent(**envelope, type="evidence.stored", body=example_of(StoredBody))


def _snapshot(sequence: int) -> SnapshotEvent:
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=4))
    return SnapshotEvent(**envelope, type="evidence.snapshot", body=example_of(SnapshotBody))


def _not_sent(sequence: int) -> NotSentEvent:
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=250))
    return NotSentEvent(**envelope, type="evidence.not_sent", body=example_of(NotSentBody))


def _picture(role: str, captured_at: datetime) -> Picture:
    return Picture.model_validate(
        {
            "role": role,
            "file": f"{id_of('case')}/{role}.jpg",
            "sha256": sha256_of(f"example {role}"),
            "size_bytes": 240_000,
            "width_px": 1280,
            "height_px": 720,
            "captured_at": captured_at,
        }
    )


def _birth(sequence: int) -> BirthEvent:
    body = BirthBody(
        session_id=id_of("session"),
        predecessor=Predecessor(epoch="0123456789abcdef", last_sequence=41),
        because="power_cut",
        carried=3,
        agent_version="0.2.0",
        contract_version=VERSION,
        configuration_sha256=sha256_of("example configuration"),
        open_cases=(id_of("case"),),
    )
    envelope = _envelope(sequence, BEGAN_AT - timedelta(seconds=60))
    return BirthEvent(**envelope, type="device.birth", body=body)


def _summary(sequence: int) -> SummaryEvent:
    """A day on which a lens was fouled for a while, and the power was cut once."""
    kind = KindDay(
        kind="misparked_bike",
        code=event_code("gbt-47678-5", "misparked_bike"),
        opened=14,
        cleared=13,
        abstained=1,
        stood_s=9412.0,
        suppressed={"people": 3, "vehicle": 1},
        judged={"valid": 5, "false": 1},
        reviewed=Reviewed(valid=18, false=2, duplicate=1, precision=0.9),
    )
    zone = ZoneDay(
        zone_id="kerb",
        camera_id="street",
        zone_kind="no_parking",
        place_id="example-corner.kerb",
        responsible_unit="示例单位",
        responsible_unit_id="unit-1",
        sensing_s=84_360.0,
        abstained_s=1500.0,
        blind_s=30.0,
        cases=(kind,),
    )
    body = SummaryBody(
        day="2025-12-31",
        timezone="Asia/Shanghai",
        complete=True,
        configuration_sha256=sha256_of("example configuration"),
        zones=(zone,),
        device=DeviceDay(
            uptime_s=85_890.0,
            unsynchronised_s=45.0,
            began_after={"power_cut": 1},
            lost=0,
            temperature_c_max=63.1,
            throttled_s=0.0,
            under_voltage_s=15.0,
            waiting_rows_max=212,
            waiting_s_max=1833.0,
            written_bytes=410_000_000,
        ),
        open_cases=(id_of("case"),),
    )
    return SummaryEvent(**_envelope(sequence, BEGAN_AT), type="device.summary", body=body)


def _heartbeat(sequence: int) -> HeartbeatEvent:
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=600))
    return HeartbeatEvent(**envelope, type="device.heartbeat", body=example_of(HeartbeatBody))


def _changes(sequence: int, heartbeat: HeartbeatEvent) -> ChangesEvent:
    """Five minutes after it: the processor is warmer."""
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=650))
    body = ChangesBody(of=heartbeat.event_id, changed={"temperature_c": 58.1})
    return ChangesEvent(**envelope, type="device.changes", body=body)


def _inventory(sequence: int) -> InventoryEvent:
    envelope = _envelope(sequence, BEGAN_AT - timedelta(seconds=50))
    return InventoryEvent(**envelope, type="device.inventory", body=example_of(InventoryBody))


def _loss(sequence: int) -> LossEvent:
    at = BEGAN_AT + timedelta(seconds=700)
    loss = Loss(
        epoch=EPOCH,
        lane="rest",
        reason="evicted: database size limit reached",
        ranges=((1, 1),),
        from_at=at,
        to_at=at,
    )
    envelope = _envelope(sequence, at)
    body = LossBody(jws=example_report(envelope["event_id"], (loss,)))
    return LossEvent(**envelope, type="device.loss", body=body)


def _packed(sequence: int) -> PackedEvent:
    manifest = example_of(Manifest)
    body = PackedBody(
        case_id=manifest.case_id,
        stage=manifest.stage,
        number=manifest.number,
        jws=example_record(Manifest),
    )
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=190))
    return PackedEvent(**envelope, type="evidence.packed", body=body)


def _deleted(sequence: int) -> DeletedEvent:
    """Thirty days later: its pictures are deleted."""
    jws = example_record(Tombstone, number=18)
    body = DeletedBody(case_id=id_of("case"), number=18, jws=jws)
    envelope = _envelope(sequence, BEGAN_AT + timedelta(days=30))
    return DeletedEvent(**envelope, type="evidence.deleted", body=body)


def _storage(sequence: int) -> StorageEvent:
    body = StorageBody(
        state="quarantined",
        reason="database disk image is malformed",
        kept_as="quarantine/1",
        previous_epoch="0123456789abcdef",
        events=12,
        cases=1,
    )
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=800))
    return StorageEvent(**envelope, type="device.storage", body=body)


def _volatile(sequence: int) -> StorageEvent:
    """The card has worn out, and gives errors."""
    body = StorageBody(
        state="volatile",
        reason="disk I/O error",
        kept_as=None,
        previous_epoch="0123456789abcdef",
        events=3,
        cases=1,
    )
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=860))
    return StorageEvent(**envelope, type="device.storage", body=body)


def _clock(sequence: int) -> ClockEvent:
    """The network came, and a clock that had begun a year ago was set."""
    body = ClockBody(
        boot_id=_BOOT_ID,
        zero_at=BEGAN_AT - timedelta(seconds=5000),
        offset_s=31_536_000.0,
        from_state="unsynchronised",
        to_state="synchronised",
        concerned=Concerned(epoch=EPOCH, first=1, last=sequence - 1),
    )
    envelope = _envelope(sequence, BEGAN_AT + timedelta(seconds=900))
    return ClockEvent(**envelope, type="device.clock", body=body)


def _state(*, online: bool) -> DeviceState:
    return DeviceState(session_id=id_of("session"), online=online, epoch=EPOCH)
