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

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agent.protocol.base import (
    CONTRACT_VERSION,
    MAX_EVENTS,
    MAX_OPEN_CASES,
    MAX_PLACES,
    MAX_RANGES,
    MAX_WORDS,
    SOURCE,
    Abstention,
    ClockReading,
    ClockState,
    Counts,
    EventCode,
    LaneName,
    Models,
    PictureFile,
    Range,
    Wire,
)
from agent.protocol.fields import (
    MAX_NUMBER,
    MAX_REASON,
    AtMost,
    Celsius,
    Count,
    Flag,
    Id,
    Label,
    Moment,
    Name,
    Number,
    Seconds,
    Sentence,
    Sha256,
    Share,
    Text,
    TimeZone,
    Version,
    Whole,
    Within,
    Word,
    null_if_no_number,
)
from agent.protocol.heartbeat import ChangesBody, HeartbeatBody
from agent.protocol.inventory import InventoryBody
from agent.protocol.place import Place, PlaceId, Unit, UnitId
from agent.protocol.service import AcceptanceBody, DecommissionedBody

if TYPE_CHECKING:
    from agent.domain.ids import Ids
    from drivers.clock import Clock


class Fraction(Wire):
    """A box in fractions of the frame."""

    left: Share
    top: Share
    right: Share
    bottom: Share


MemberId = Annotated[str, Field(max_length=103, pattern=r"^[A-Za-z0-9_-]{1,96}(\.[0-9]{1,6})?$")]
"""Of one stay of one thing in one case: what comes back after it has gone has another, with a number behind
a dot."""


class Thing(Wire):
    """One member of a case: a bike, a stall, a bin.

    ``since`` is when it came to stand; time in which nobody could see it is left out, so that it may be later in
    a later event. ``last_present_at`` is when it was last there; null in what an older agent kept.
    ``operator`` is whose shared bike it is by its paint, or ``unknown``; null where the site names
    no operators. ``plate`` says of a bike that no number was read: none is ever guessed.
    """

    member_id: MemberId
    label: Word
    box: Fraction
    since: Moment
    last_present_at: Moment | None = None
    operator: Name | None = None
    plate: Literal["plate_unreadable"] | None = None


class Departed(Thing):
    """A member that has gone: it stood from ``since`` to ``until``."""

    until: Moment


class Picture(Wire):
    """A picture that proves the case; it stays on the device until it is asked for.

    ``file`` is the id of the case, a stroke, and a name that has none.
    """

    role: Literal["begin", "threshold", "close_up", "plate_view", "after"]
    file: PictureFile
    sha256: Sha256
    size_bytes: Annotated[int, Field(strict=True, gt=0, le=2**31 - 1)]
    width_px: Annotated[int, Field(strict=True, gt=0, le=65_535)]
    height_px: Annotated[int, Field(strict=True, gt=0, le=65_535)]
    captured_at: Moment


Fact = Annotated[
    Annotated[int, Whole(-MAX_NUMBER, MAX_NUMBER)]
    | Annotated[float, Within(-1e15, 1e15)]
    | Annotated[str, Text(500)]
    | Flag
    | None,
    BeforeValidator(null_if_no_number),
]
"""One of the figures that a rule went by."""


class Withdrawn(Wire):
    """A case has ended without anybody seeing how, because what it was judged by has changed.

    ``zone_gone``: its zone is drawn no more. ``zone_changed``: where it stood is no longer judged by the same
    rule. ``unit_moved``: the unit or its camera stands or looks elsewhere. ``scenario_off``: what judged it is off.
    """

    reason: Literal["zone_gone", "zone_changed", "unit_moved", "scenario_off"]
    at: Moment


_Base64Url = Annotated[str, Field(max_length=43, pattern=r"^[A-Za-z0-9_-]{43}$")]
"""Of 32 bytes."""


class Verdict(Wire):
    """What a reviewer found of a case, as the platform told it.

    ``reference`` leads to who judged there, and why; ``key`` is the key (RFC 7638) that signed it, in the role of a
    reviewer; ``at`` is when it came. It makes no evidence of a lead.
    """

    verdict: Literal["valid", "false", "duplicate"]
    duplicate_of: Id | None
    reference: Label
    at: Moment
    key: _Base64Url


class CaseBody(Wire):
    """One street problem as it stands at the event's time.

    ``began_at`` is when the thing came to stand, ``last_present_at`` when it was last there. What
    came or went while people hid the place did so between two sights of it: then it is the middle.
    ``members`` are what it consists of; of a case that has ended, what stood there last. ``left`` are members
    that have gone since the case's last event: each is named there once.
    ``evidence_fault`` is why the disk did not take every picture of it; null if it did. ``ticket`` is the
    platform's number of it, ``verdict`` what a reviewer found; null until the platform told it.
    """

    case_id: Id
    kind: Word
    state: Literal["open", "cleared", "withdrawn"]
    code: EventCode
    place: Place
    began_at: Moment
    opened_at: Moment
    last_present_at: Moment
    cleared_at: Moment | None = None
    dwell_s: Seconds
    allowed_s: Seconds
    count: Count
    members: Annotated[tuple[Thing, ...], AtMost(MAX_PLACES)] = ()
    left: Annotated[tuple[Departed, ...], AtMost(MAX_PLACES)] = ()
    confidence: Share
    reason: Annotated[dict[Word, Fact], AtMost(MAX_WORDS)] = {}
    models: Models = ()
    configuration_sha256: Sha256
    pictures: Annotated[tuple[Picture, ...], AtMost(32)] = ()
    evidence_fault: Sentence | None = None
    evidence_status: Literal["lead_only"] = "lead_only"
    abstention: Abstention | None = None
    ticket: Label | None = None
    verdict: Verdict | None = None
    withdrawn: Withdrawn | None = None


OpenCases = Annotated[tuple[Id, ...], AtMost(MAX_OPEN_CASES)]
"""The cases that are open, the oldest first. What is not named there is not open, whatever was told of it."""


class PublicKey(Wire):
    """The device's signing key, as a JSON Web Key (RFC 8037); the private half never leaves it."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    kid: _Base64Url
    x: _Base64Url


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


CaseEventType = Literal[
    "case.opened",
    "case.persisting",
    "case.changed",
    "case.cleared",
    "case.abstained",
    "case.withdrawn",
]


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


class KindDay(Wire):
    """One kind of case in one zone on one day, whatever matter each case was told as.

    ``code`` is what such cases are told under in that zone when the summary is made. A single case may bear
    another: shared bikes of a known operator (``shared_bikes_as`` of the inventory), or a case that opened before
    the zone's code was changed. Who counts by code counts the cases' own events. ``stood_s`` is how long all that
    cleared had stood; what was withdrawn is not in it. ``suppressed`` counts candidates that were a case by all
    else, and were kept from it or ended by the verifier's word, by what it saw them as. ``judged`` counts the
    verdicts of reviewers that came on that day: ``valid``, ``false``, ``duplicate``.
    """

    kind: Word
    code: EventCode
    opened: Count
    cleared: Count
    abstained: Count
    stood_s: Seconds
    withdrawn: Count = 0
    suppressed: Counts = {}
    judged: Counts = {}


class ZoneDay(Wire):
    """One zone on one day.

    ``sensing_s`` is for how long it was watched and could be seen; ``abstained_s`` for how long its view
    was bad, so that nothing was claimed of it; ``blind_s`` for how long its camera gave nothing besides.
    What is missing to the day's length the agent did not run, or was ended without warning in between.
    ``camera_id``, ``zone_kind`` and ``place_id`` are null for a zone that is drawn no more.
    """

    zone_id: Name
    camera_id: Name | None
    zone_kind: Word | None
    place_id: PlaceId | None
    responsible_unit: Unit | None
    responsible_unit_id: UnitId | None
    sensing_s: Seconds
    abstained_s: Seconds
    blind_s: Seconds
    cases: Annotated[tuple[KindDay, ...], AtMost(MAX_WORDS)] = ()


class DeviceDay(Wire):
    """The device on one day.

    ``began_after`` counts the runs that began, by why. ``lost`` is how many numbers were lost. The highest
    values are of what was sampled; null is what nothing measures. ``unsynchronised_s`` is for how long of
    ``uptime_s`` the clock could not be trusted, and therefore neither the day.
    """

    uptime_s: Seconds
    unsynchronised_s: Seconds
    began_after: Counts
    lost: Count
    temperature_c_max: Celsius | None
    throttled_s: Seconds | None
    under_voltage_s: Seconds | None
    waiting_rows_max: Count | None
    waiting_s_max: Seconds | None
    written_bytes: Count | None


class SummaryBody(Wire):
    """One local day of one device (日报).

    ``complete`` says that the day was over, that a time source vouched for the clock all the time that is
    counted, and that the clock was not set out of the day or into it: else some of the day is told under
    another day, or some of another under this one. Two summaries of one day are of different times that the
    device lived through, and nothing is in both: a clock that was wrong has named the day as well.
    """

    day: Annotated[
        str, Field(max_length=10, pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
    ]
    timezone: TimeZone
    complete: Flag
    configuration_sha256: Sha256
    zones: Annotated[tuple[ZoneDay, ...], AtMost(2 * MAX_PLACES)]
    device: DeviceDay
    open_cases: OpenCases = ()


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

    jws: Annotated[
        str,
        Field(max_length=2_000_000, pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"),
    ]


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


class CaseEvent(Envelope):
    type: CaseEventType
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
    | DecommissionedEvent,
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
}
"""What the device tells of itself: its type on the wire, and the lane in which it goes."""


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
