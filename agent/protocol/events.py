"""The event messages: the wire format that the platform receives, and source of ``contract/``.

A :class:`Message` is what one MQTT publish on the ``events`` channel carries: one event, or a
batch of them. What comes back is in :mod:`agent.protocol.downlink` and
:mod:`agent.protocol.commands`. Field names are English;
texts are UTF-8. Times are ISO 8601 with the site's offset. ``docs/platform/`` explains the contract to
its readers.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from agent.domain.case_lifecycle import ChangeType
from agent.protocol.base import (
    CONTRACT_VERSION,
    MAX_EVENTS,
    MAX_RANGES,
    SOURCE,
    Base64Url,
    ClockReading,
    ClockState,
    LaneName,
    Range,
    Wire,
)
from agent.protocol.case import CaseBody, OpenCases
from agent.protocol.evidence import CompactJws, DeletedBody, PackedBody
from agent.protocol.fields import (
    MAX_REASON,
    Count,
    Flag,
    Id,
    Moment,
    Name,
    Number,
    Sentence,
    Sha256,
    Text,
    Version,
    Within,
)
from agent.protocol.heartbeat import ChangesBody, HeartbeatBody
from agent.protocol.inventory import InventoryBody
from agent.protocol.picture_transfer import NotSentBody, SnapshotBody, StoredBody
from agent.protocol.service import AcceptanceBody, DecommissionedBody
from agent.protocol.summary import SummaryBody

if TYPE_CHECKING:
    from agent.domain.ids import Ids
    from drivers.clock import Clock


class PublicKey(Wire):
    """The device's signing key, as a JSON Web Key (RFC 8037); the private half never leaves it."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    kid: Base64Url
    x: Base64Url


Because = Literal[
    "first_start",
    "missing",
    "quarantined",
    "volatile",
    "durable",
    "power_cut",
    "rolled_back",
    "copied",
    "upgraded",
    "replay",
]
"""Why an epoch began.

``first_start``: a new device. ``missing``: its database was not there. ``quarantined``: it was damaged.
``volatile``, ``durable``: the disk took nothing and memory stood in, and the disk came back. ``power_cut``: a card may
have lost the last that it said it wrote. ``rolled_back``: the platform has numbers that this database never gave.
``copied``: the platform has other events under its numbers; it was set back, or two devices have one card.
``upgraded``: an agent that wrote version 1 of the contract was followed by this one.
"""


class Predecessor(Wire):
    """The epoch that another one continues, and the last number given there; null: nobody knows.

    Of its numbers up to ``last_sequence`` each has come, or was reported as lost, or was set aside and may still
    come, or was moved: its event comes under a number of the new epoch, with the same ``event_id``.
    """

    epoch: Id
    last_sequence: Count | None


class BirthBody(Wire):
    """A connection's first event: who speaks, from which database, and which cases are open.

    The birth with number 1 begins its epoch, and goes before anything else of it; later connections in the same
    epoch have births with later numbers. ``carried`` events waited when the epoch began, and were numbered from 2
    on. Of ``open_cases`` none is left out: a case that is not named is not open on the device.
    """

    session_id: Id
    predecessor: Predecessor | None = None
    because: Because
    carried: Count = 0
    agent_version: Version
    contract_version: Annotated[str, Field(max_length=16, pattern=r"^[0-9]{1,7}\.[0-9]{1,7}$")]
    configuration_sha256: Sha256
    signing_key: PublicKey | None = None
    open_cases: OpenCases = ()


class Loss(Wire):
    """Sequence numbers of one lane that will never be delivered, and why.

    ``ranges`` are first and last, all numbers between them lost; ``from_at`` to ``to_at`` is when
    that was decided.
    """

    epoch: Id
    lane: LaneName
    reason: Annotated[str, Text(MAX_REASON)]
    ranges: Annotated[tuple[Range, ...], Field(min_length=1, max_length=MAX_RANGES)]
    from_at: Moment
    to_at: Moment


class LossReport(Wire):
    """What is lost, since the last report: the payload that a loss report's signature is over.

    ``tenant``, ``device_id`` and ``event_id`` are those of the event that carries it.
    """

    tenant: Name
    device_id: Name
    event_id: Id
    losses: Annotated[tuple[Loss, ...], Field(min_length=1, max_length=MAX_RANGES)]


class LossBody(Wire):
    """A loss report, signed with the device's key (RFC 7515, compact, EdDSA).

    Its payload is a :class:`LossReport` as JSON. What is lost stands there and nowhere else, so that what is read
    is what was signed.
    """

    jws: CompactJws


class StorageBody(Wire):
    """What became of the device's storage.

    ``quarantined``: the database was damaged and is kept aside (``kept_as``). ``events`` waiting ones and
    ``cases`` open ones could still be read and go on under a new epoch; what could not be read is lost, and
    how much that is nobody can say. ``volatile``: the disk takes nothing; those go on under a new epoch in
    memory, which a power cut takes, and ``left`` waiting events remain on the disk. ``durable``: the disk takes
    writes again; under a new epoch it has got ``events`` waiting ones and ``cases`` that came since.
    ``missing``: the database of a device that had one was not there; a new epoch began, what had waited is
    lost, and how much that is nobody can say.
    ``previous_epoch`` is null where it could not be read.
    """

    state: Literal["quarantined", "volatile", "durable", "missing"]
    reason: Sentence
    kept_as: (
        Annotated[str, Field(max_length=64, pattern=r"^[a-z]{1,32}/[A-Za-z0-9-]{1,31}$")] | None
    )
    previous_epoch: Id | None
    events: Count
    cases: Count
    left: Count = 0


class Concerned(Wire):
    """Events of ``epoch`` from number ``first`` to ``last``, as far as they are of the boot that is meant."""

    epoch: Id
    first: Number
    last: Number


class ClockBody(Wire):
    """The clock was set, or how good it is has changed: what earlier events of this boot are to be read by.

    Nothing that was sent is sent again with another time. The time of any event of ``boot_id`` is
    ``zero_at`` + its ``clock.monotonic_s``, by the newest ``device.clock`` of that boot. ``offset_s`` is by
    how much the clock moved since the last one, or since the boot: what it adds to the ``occurred_at`` of the
    events that are ``concerned`` (null if there are none). ``to_state`` says whether it is to be believed
    now.
    """

    boot_id: Id
    zero_at: Moment
    offset_s: Annotated[float, Within(-1e12, 1e12)]
    from_state: ClockState
    to_state: ClockState
    concerned: Concerned | None


class Envelope(Wire):
    """What every event has.

    ``test``: it was made to try the way, by people or by a program; nothing that is counted counts it.
    """

    contract: Literal[2] = CONTRACT_VERSION
    event_id: Id
    tenant: Name
    device_id: Name
    epoch: Id
    sequence: Number
    occurred_at: Moment
    clock: ClockReading
    source: Literal["智能感知"] = SOURCE
    purpose: Annotated[str, Text(200)]
    test: Flag = False


ToldType = Literal["case.ticketed", "case.judged"]
"""The platform told something of a case: its number there, or what a reviewer found."""


class CaseEvent(Envelope):
    """What happened to a case.

    ``case.ticketed`` and ``case.judged`` confirm what the platform told of it: the case as it was told last, with
    the ``ticket``, ``verdict`` and ``evidence_status`` that it has now. Nothing has changed in the street by them.
    """

    type: Literal[ChangeType, ToldType]
    body: CaseBody


class BirthEvent(Envelope):
    type: Literal["device.birth"]
    body: BirthBody


class HeartbeatEvent(Envelope):
    type: Literal["device.heartbeat"]
    body: HeartbeatBody


class ChangesEvent(Envelope):
    type: Literal["device.changes"]
    body: ChangesBody


class LossEvent(Envelope):
    type: Literal["device.loss"]
    body: LossBody


class StorageEvent(Envelope):
    type: Literal["device.storage"]
    body: StorageBody


class SummaryEvent(Envelope):
    type: Literal["device.summary"]
    body: SummaryBody


class ClockEvent(Envelope):
    type: Literal["device.clock"]
    body: ClockBody


class InventoryEvent(Envelope):
    type: Literal["device.inventory"]
    body: InventoryBody


class AcceptanceEvent(Envelope):
    type: Literal["device.acceptance"]
    body: AcceptanceBody


class DecommissionedEvent(Envelope):
    type: Literal["device.decommissioned"]
    body: DecommissionedBody


class StoredEvent(Envelope):
    type: Literal["evidence.stored"]
    body: StoredBody


class SnapshotEvent(Envelope):
    type: Literal["evidence.snapshot"]
    body: SnapshotBody


class NotSentEvent(Envelope):
    type: Literal["evidence.not_sent"]
    body: NotSentBody


class PackedEvent(Envelope):
    type: Literal["evidence.packed"]
    body: PackedBody


class DeletedEvent(Envelope):
    type: Literal["evidence.deleted"]
    body: DeletedBody


Event = Annotated[
    CaseEvent
    | BirthEvent
    | HeartbeatEvent
    | ChangesEvent
    | LossEvent
    | StorageEvent
    | ClockEvent
    | SummaryEvent
    | InventoryEvent
    | AcceptanceEvent
    | DecommissionedEvent
    | StoredEvent
    | NotSentEvent
    | SnapshotEvent
    | PackedEvent
    | DeletedEvent,
    Field(discriminator="type"),
]
DeviceBody = (
    BirthBody
    | HeartbeatBody
    | ChangesBody
    | LossBody
    | StorageBody
    | ClockBody
    | SummaryBody
    | InventoryBody
    | AcceptanceBody
    | DecommissionedBody
    | StoredBody
    | NotSentBody
    | SnapshotBody
    | PackedBody
    | DeletedBody
)
Body = CaseBody | DeviceBody

DEVICE_EVENTS: dict[type[DeviceBody], tuple[str, LaneName]] = {
    BirthBody: ("device.birth", "rest"),
    HeartbeatBody: ("device.heartbeat", "health"),
    ChangesBody: ("device.changes", "health"),
    # With the cases: a gap is explained, and a case's time corrected, before the backlog is through.
    LossBody: ("device.loss", "case"),
    ClockBody: ("device.clock", "case"),
    StorageBody: ("device.storage", "health"),
    SummaryBody: ("device.summary", "rest"),
    InventoryBody: ("device.inventory", "rest"),
    AcceptanceBody: ("device.acceptance", "rest"),
    DecommissionedBody: ("device.decommissioned", "rest"),
    StoredBody: ("evidence.stored", "evidence"),
    NotSentBody: ("evidence.not_sent", "evidence"),
    SnapshotBody: ("evidence.snapshot", "evidence"),
    PackedBody: ("evidence.packed", "evidence"),
    DeletedBody: ("evidence.deleted", "evidence"),
}
"""What the device tells besides its cases: the type on the wire, and the lane in which it goes."""


class Message(Wire):
    """The payload of one publish on the ``events`` channel.

    ``historical``: the events waited while the link was down; they are not live.
    """

    contract: Literal[2] = CONTRACT_VERSION
    historical: Flag
    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=MAX_EVENTS)]


class DeviceState(Wire):
    """The retained payload of the ``state`` channel; also the will.

    A will is only to be believed if its ``session_id`` is that of the newest birth.
    """

    contract: Literal[2] = CONTRACT_VERSION
    session_id: Id
    online: Flag
    epoch: Id
    predecessor: Predecessor | None = None


class Draft(BaseModel):
    """An event before the outbox gave it its epoch and sequence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str
    type: str
    occurred_at: datetime
    clock: ClockReading
    body: Body
    test: bool = False

    @classmethod
    def of_device(cls, body: DeviceBody, clock: Clock, ids: Ids) -> Self:
        """What the device tells of itself now."""
        at = clock.now()
        type_, _ = DEVICE_EVENTS[type(body)]
        clock_reading = ClockReading.of(clock)
        return cls(event_id=ids.new(at), type=type_, occurred_at=at, clock=clock_reading, body=body)

    @property
    def lane(self) -> LaneName:
        """The lane in which its kind goes."""
        return "case" if isinstance(self.body, CaseBody) else DEVICE_EVENTS[type(self.body)][1]
