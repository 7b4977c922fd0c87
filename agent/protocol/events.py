"""The wire format: what the platform receives. The one source of the schemas in ``contract/``.

A :class:`Message` is what one MQTT publish on the ``events`` channel carries: one event, or a
batch of them. A :class:`Receipt` and a :data:`Command` are what the platform sends back. Field names are English; texts are UTF-8. Times are ISO 8601 with the site's
offset. ``docs/integrator.md`` explains the contract to its readers.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from agent.protocol.fields import (
    MADE_HERE,
    MOST_NUMBER,
    MOST_REASON,
    AtMost,
    Celsius,
    Count,
    Flag,
    Id,
    Label,
    Moment,
    Name,
    Number,
    Rate,
    Seconds,
    Sentence,
    Sha256,
    Share,
    Text,
    Version,
    Whole,
    Within,
    Word,
    null_if_no_number,
)

if TYPE_CHECKING:
    from drivers.clock import Clock

CONTRACT_VERSION: Final = 1
SOURCE: Final = "智能感知"
"""The platform's word for how a matter was found."""


class Wire(BaseModel):
    """What all parts of the contract share: frozen, nothing unknown, and made to fit by its maker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, /, **facts: Any) -> None:
        for name, value in facts.items():
            if isinstance(value, float) and not math.isfinite(value) and self._may_be_null(name):
                facts[name] = None
        self.__pydantic_validator__.validate_python(facts, self_instance=self, context=MADE_HERE)

    # As pydantic marks its own: reading does not go through here, only making does.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def _may_be_null(cls, name: str) -> bool:
        field = cls.model_fields.get(name)
        return field is not None and type(None) in get_args(field.annotation)


Range = tuple[Number, Number]
"""The first and the last of numbers that follow each other."""
MOST_EVENTS = 100
"""Of one message."""
MOST_RANGES = 500
"""Of one loss report."""
MOST_PLACES = 1000
"""Zones of a device; members of one case."""
MOST_CAMERAS = 64
MOST_MODELS = 16
MOST_WORDS = 64
"""Entries of a table that goes by words of ours, such as causes of a start."""


ClockState = Literal["synchronised", "unsynchronised"]


class ClockReading(Wire):
    """How far the times of an event can be trusted.

    ``replay``: the times are those of a recording. ``error_s`` is how far off the clock is at most, as the
    device's system reckons; null where nobody knows. ``monotonic_s`` is the same moment as ``occurred_at``,
    in seconds since the boot ``boot_id``.
    """

    state: ClockState | Literal["replay"]
    boot_id: Id
    monotonic_s: Seconds
    error_s: Seconds | None = None

    @classmethod
    def of(cls, clock: Clock) -> Self:
        """Read a device's clock."""
        return cls(
            state="synchronised" if clock.synchronised else "unsynchronised",
            boot_id=clock.boot_id,
            monotonic_s=clock.monotonic_s(),
            error_s=clock.error_s,
        )


Code = Annotated[str, Field(max_length=32, pattern=r"^[0-9A-Za-z._-]{1,32}$")]


class EventCode(Wire):
    """The matter's code in the city's scheme; ``code`` is null where none is known."""

    profile: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    code: Code | None
    name: Label


class Coordinates(Wire):
    """A surveyed point. ``crs`` always says in which system."""

    longitude: float = Field(ge=-180, le=180)
    latitude: float = Field(ge=-90, le=90)
    crs: Literal["CGCS2000", "WGS84"]


Address = Annotated[str, Text(256)]
Unit = Annotated[str, Text(200)]
"""Who is responsible for a place, by name."""
GridCode = Annotated[str, Field(max_length=15, pattern=r"^[0-9A-Z]{15}$")]


class Place(Wire):
    """Where it is, as the city files it."""

    place_id: Name
    zone_id: Name
    camera_id: Name
    address: Address
    grid_code: GridCode | None = None
    responsible_unit: Unit | None = None
    coordinates: Coordinates | None = None


class Fraction(Wire):
    """A box in fractions of the frame."""

    left: Share
    top: Share
    right: Share
    bottom: Share


class Thing(Wire):
    """One member of a case: a bike, a stall, a bin.

    ``operator`` is whose shared bike it is by its paint, or ``unknown``; null where the site names
    no operators. ``plate`` says of a bike that no number was read: none is ever guessed.
    """

    member_id: Annotated[str, Field(max_length=96, pattern=r"^[A-Za-z0-9_-]{1,96}$")]
    label: Word
    box: Fraction
    since: Moment
    operator: Name | None = None
    plate: Literal["plate_unreadable"] | None = None


_PICTURE = r"^[A-Za-z0-9-]{1,64}/[a-z_]{1,16}(-[A-Za-z0-9_-]{1,96})?\.jpg$"


class Picture(Wire):
    """A picture that proves the case; it stays on the device until it is asked for.

    ``file`` is the id of the case, a stroke, and a name that has none.
    """

    role: Literal["begin", "threshold", "close_up", "plate_view", "after"]
    file: Annotated[str, Field(max_length=182, pattern=_PICTURE)]
    sha256: Sha256
    size_bytes: Annotated[int, Field(strict=True, gt=0, le=2**31 - 1)]
    width_px: Annotated[int, Field(strict=True, gt=0, le=65_535)]
    height_px: Annotated[int, Field(strict=True, gt=0, le=65_535)]
    captured_at: Moment


class ModelUsed(Wire):
    """The model that judged."""

    name: Annotated[str, Field(max_length=255, pattern=r"^[a-z0-9][a-z0-9_-]{0,254}$")]
    version: Label
    sha256: Sha256


Models = Annotated[tuple[ModelUsed, ...], AtMost(MOST_MODELS)]

Blindness = Literal[
    "view_dark",
    "view_over_exposed",
    "view_blocked",
    "view_moved",
    "view_out_of_focus",
    "view_frozen",
    "camera_lost",
    "camera_hangs",
]
"""Why a camera cannot tell anything of a zone."""


class Abstention(Wire):
    """Nothing can be said of the case: no camera that saw it can see its place.

    ``since`` is when the view went bad, which is before it was bad for long enough to be told.
    """

    because: Blindness
    since: Moment


class ViewHealth(Wire):
    """What one camera's picture is good for.

    ``view`` is ``good`` or what is the matter with most of it. ``commissioned`` says whether there
    is a commissioning picture to hold it against: without one it is not known whether the view is
    moved, blocked or out of focus. ``abstaining`` are the zones of which nothing is said now.
    """

    view: Literal["good"] | Blindness
    for_s: Seconds
    commissioned: Flag
    abstaining: Annotated[dict[Name, Blindness], AtMost(MOST_PLACES)] = {}


Fact = Annotated[
    Annotated[int, Whole(-MOST_NUMBER, MOST_NUMBER)]
    | Annotated[float, Within(-1e15, 1e15)]
    | Annotated[str, Text(500)]
    | Flag
    | None,
    BeforeValidator(null_if_no_number),
]
"""One of the figures that a rule went by."""


class CaseBody(Wire):
    """One street problem as it stands at the event's time.

    ``began_at`` is when the thing came to stand, ``last_present_at`` when it was last there. What
    came or went while people hid the place did so between two sights of it: then it is the middle.
    ``evidence_fault`` is why the disk did not take every picture of it; null if it did.
    """

    case_id: Id
    kind: Word
    state: Literal["open", "cleared"]
    code: EventCode
    place: Place
    began_at: Moment
    opened_at: Moment
    last_present_at: Moment
    cleared_at: Moment | None = None
    dwell_s: Seconds
    allowed_s: Seconds
    count: Count
    members: Annotated[tuple[Thing, ...], AtMost(MOST_PLACES)] = ()
    confidence: Share
    reason: Annotated[dict[Word, Fact], AtMost(MOST_WORDS)] = {}
    models: Models = ()
    configuration_sha256: Sha256
    pictures: Annotated[tuple[Picture, ...], AtMost(32)] = ()
    evidence_fault: Sentence | None = None
    evidence_status: Literal["lead_only"] = "lead_only"
    abstention: Abstention | None = None


_Base64Url = Annotated[str, Field(max_length=43, pattern=r"^[A-Za-z0-9_-]{43}$")]
"""Of 32 bytes."""


class PublicKey(Wire):
    """The device's signing key, as a JSON Web Key (RFC 8037); the private half never leaves it."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    kid: _Base64Url
    x: _Base64Url


class BirthBody(Wire):
    """A connection's first event: who speaks, and from which database."""

    session_id: Id
    previous_epoch: Id | None = None
    agent_version: Version
    configuration_sha256: Sha256
    signing_key: PublicKey | None = None


class CameraHealth(Wire):
    """One camera since the agent started.

    ``state`` is ``opening``, ``running``, ``ended``, or why it was lost; ``for_s`` is for how long
    that has been so. ``frames`` were captured, ``dropped`` of them replaced by a newer one before
    they were analysed. ``brightness`` is the mean of the last frame, 0 to 255.
    """

    state: Sentence
    for_s: Seconds
    reopened: Count
    frames: Count
    dropped: Count
    brightness: Annotated[float, Within(0, 255)] | None = None
    profile: Name | None = None


class Looking(Wire):
    """What the analysis does, since the last heartbeat.

    ``gated_share`` is the share of the analysed frames in which no network ran, because nothing had
    changed or its turn had not come. ``rate_factor`` is what heat leaves of the configured rate.
    """

    frames_per_s: Rate
    network_runs_per_s: Rate
    gated_share: Share | None
    rate_factor: Share


class PowerHealth(Wire):
    """The firmware's flags: what is so now, and what has been so since boot."""

    under_voltage: Flag
    throttled: Flag
    under_voltage_since_boot: Flag
    throttled_since_boot: Flag


class DiskHealth(Wire):
    """The disk that holds the state.

    ``written_bytes`` is what the agent has written since it started; ``life_used_percent`` is what
    an eMMC says of its wear, in steps of ten (most cards say nothing). ``total_inodes`` is how many
    files it can hold, ``free_inodes`` how many more; null where the file system does not count them.
    """

    total_bytes: Count
    written_bytes: Count | None = None
    life_used_percent: Annotated[int, Whole(0, 1000)] | None = None
    total_inodes: Count | None = None
    free_inodes: Count | None = None


class Waiting(Wire):
    """What waits in one lane of the outbox."""

    rows: Count
    oldest_s: Seconds


Counts = Annotated[dict[Word, Count], AtMost(MOST_WORDS)]


class RecoveryHealth(Wire):
    """How the device has helped itself.

    ``began_after`` is why this run began: ``first``, ``planned``, ``camera_hang``, ``uplink_stuck``,
    ``disk_back``, ``fault``, ``killed`` (from outside, within one boot) or ``power_cut``; ``begun`` counts all runs by
    that. ``left_out`` are cameras that hang. ``asked`` is how often in a row a restart of the network or
    a reboot was asked for; ``restarted`` counts threads, by name, that failed and began again.
    """

    began_after: Word
    begun: Counts
    left_out: Annotated[tuple[Name, ...], AtMost(MOST_CAMERAS)] = ()
    asked: Counts = {}
    restarted: Annotated[dict[Label, Count], AtMost(MOST_CAMERAS + MOST_WORDS)] = {}
    uplinks_left_behind: Count = 0


class CertificateHealth(Wire):
    """The certificate that the device shows the broker.

    ``days_left`` is negative once it has expired; null while the clock cannot be trusted.
    """

    not_after: Moment | None
    days_left: Annotated[float, Within(-4e6, 4e6)] | None


class CardHealth(Wire):
    """The card that holds the state, as far as it and its file system tell.

    ``name`` and ``made`` are the card's own; ``end_of_life`` is an eMMC's ``normal``, ``warning`` or
    ``urgent``; ``file_system_errors`` is what ext4 found wrong since it was last repaired;
    ``written_ever_bytes`` is everybody's, since the file system was made.
    """

    name: Label | None
    made: Label | None
    end_of_life: Literal["normal", "warning", "urgent"] | None
    file_system_errors: Count | None
    written_ever_bytes: Count | None
    read_only: Flag


class KeptHealth(Wire):
    """What retention found when it last looked: pictures of cases, and legal holds.

    ``short_bytes`` is what is missing to the room that there should be, though nothing more may go.
    """

    cases: Count
    size_bytes: Count
    held: Count
    short_bytes: Count


class AuditHead(Wire):
    """The newest record of the device's audit log: its number and its hash.

    Keep them: records that are cut off at the log's end are missed only against this.
    """

    number: Count
    hash: Sha256


_Field = Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_.]{0,63}$")]


class Upkeep(Wire):
    """What whoever looks after many devices wants to know of one.

    ``dead_letters`` are events that the broker refused for good and that are still kept;
    ``losses_unreported`` are ranges of lost numbers that are not reported yet. What the agent wrote today
    and yesterday, by the site's days, is a few minutes old. ``unknown`` says of what is null why it is.
    """

    certificate: CertificateHealth
    card: CardHealth | None
    kept: KeptHealth | None
    audit: AuditHead | None
    dead_letters: Count
    losses_unreported: Count
    written_today_bytes: Count | None = None
    written_yesterday_bytes: Count | None = None
    unknown: Annotated[dict[_Field, Sentence], AtMost(MOST_WORDS)] = {}


class StorageHealth(Wire):
    """Whether what the device keeps would outlive a power cut.

    ``volatile``: the disk takes nothing for this ``reason``, and everything is kept in memory. Since the
    agent started, of ``events_without_pictures`` the disk did not take every picture;
    ``changes_waiting`` of cases wait for room on a full disk.
    """

    state: Literal["durable", "volatile"]
    reason: Sentence | None = None
    events_without_pictures: Count = 0
    changes_waiting: Count = 0


class ConfigurationHealth(Wire):
    """Whether the configuration in place is used.

    ``last_good``: it has ``faults``, and the device goes on with the one with which it last came up, kept at
    ``kept_at``.
    """

    state: Literal["as_written", "last_good"]
    kept_at: Moment | None = None
    faults: Annotated[tuple[Sentence, ...], AtMost(50)] = ()


class UplinkHealth(Wire):
    """What broker and platform make of the way out, since the agent started.

    ``state_retained``: whether the broker keeps the device's state for later subscribers. ``refused`` counts
    what the platform said and was not believed, ``declined`` commands that were answered with why they are not
    done, and ``last_refused`` is why, the last time.
    ``backlog_events_per_s`` is the pace of the backlog now, null: as fast as it goes; ``paced_by`` is whose it
    is. ``resend_left`` is how many events may be asked for again now. ``epochs_begun`` is how many epochs the
    platform's word has begun; the next one may begin in ``epoch_wait_s``.
    """

    state_retained: Flag
    refused: Count
    declined: Count
    last_refused: Sentence | None
    backlog_events_per_s: Rate | None
    paced_by: Literal["site", "platform"]
    resend_left: Count
    epochs_begun: Count
    epoch_wait_s: Seconds


class HeartbeatBody(Wire):
    """What the device says of itself at intervals.

    What nothing measures on a device is left out or null.
    """

    uptime_s: Seconds
    cameras: Annotated[dict[Name, Sentence], AtMost(MOST_CAMERAS)]
    frames: Count
    frames_dropped: Count
    inferences: Count
    open_cases: Count
    outbox_rows: Count
    outbox_oldest_s: Seconds
    temperature_c: Celsius | None
    disk_free_bytes: Count
    memory_rss_bytes: Count
    agent_version: Version
    configuration_sha256: Sha256
    camera_health: Annotated[dict[Name, CameraHealth], AtMost(MOST_CAMERAS)] = {}
    looking: Looking | None = None
    power: PowerHealth | None = None
    disk: DiskHealth | None = None
    waiting: Annotated[dict[Word, Waiting], AtMost(MOST_WORDS)] = {}
    """By lane: ``case``, ``evidence``, ``health``, ``rest``."""
    models: Models = ()
    spent_today: Counts = {}
    """Bytes sent since the site's midnight, by class of the daily budget."""
    inputs: Annotated[dict[Word, Flag], AtMost(MOST_WORDS)] = {}
    """Switches at the housing, such as ``tamper``: true while the housing is open."""
    views: Annotated[dict[Name, ViewHealth], AtMost(MOST_CAMERAS)] = {}
    """By camera."""
    recovery: RecoveryHealth | None = None
    upkeep: Upkeep | None = None
    configuration: ConfigurationHealth | None = None
    storage: StorageHealth | None = None
    uplink: UplinkHealth | None = None


CASE_EVENTS = ("case.opened", "case.persisting", "case.cleared", "case.abstained")
CaseEventType = Literal["case.opened", "case.persisting", "case.cleared", "case.abstained"]


LaneName = Literal["case", "evidence", "health", "rest"]


class Loss(Wire):
    """Sequence numbers of one lane that will never be delivered, and why.

    ``ranges`` are first and last, all numbers between them lost; ``from_at`` to ``to_at`` is when
    that was decided.
    """

    epoch: Id
    lane: LaneName
    reason: Annotated[str, Text(MOST_REASON)]
    ranges: Annotated[tuple[Range, ...], Field(min_length=1, max_length=MOST_RANGES)]
    from_at: Moment
    to_at: Moment


class KindDay(Wire):
    """One kind of case in one zone on one day; ``stood_s`` is how long all that cleared had stood."""

    kind: Word
    code: EventCode
    opened: Count
    cleared: Count
    abstained: Count
    stood_s: Seconds


class ZoneDay(Wire):
    """One zone on one day.

    ``sensing_s`` is for how long it was watched and could be seen; ``abstained_s`` for how long its view
    was bad, so that nothing was claimed of it; ``blind_s`` for how long its camera gave nothing besides.
    What is missing to the day's length the agent did not run, or was ended without warning in between.
    """

    zone_id: Name
    place_id: Name | None
    responsible_unit: Unit | None
    sensing_s: Seconds
    abstained_s: Seconds
    blind_s: Seconds
    cases: Annotated[tuple[KindDay, ...], AtMost(MOST_WORDS)] = ()


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
    timezone: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$")]
    complete: Flag
    configuration_sha256: Sha256
    zones: Annotated[tuple[ZoneDay, ...], AtMost(2 * MOST_PLACES)]
    device: DeviceDay


class LossBody(Wire):
    """What is lost, since the last report.

    ``jws`` signs ``losses`` with the device's key (RFC 7515, compact, EdDSA): its payload is the
    list as JSON.
    """

    losses: Annotated[tuple[Loss, ...], Field(min_length=1, max_length=MOST_RANGES)]
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


class _Envelope(Wire):
    contract: Literal[1] = CONTRACT_VERSION
    event_id: Id
    tenant: Name
    device_id: Name
    epoch: Id
    sequence: Number
    occurred_at: Moment
    clock: ClockReading
    source: Literal["智能感知"] = SOURCE
    purpose: Annotated[str, Text(200)]


class CaseEvent(_Envelope):
    type: CaseEventType
    body: CaseBody


class BirthEvent(_Envelope):
    type: Literal["device.birth"]
    body: BirthBody


class HeartbeatEvent(_Envelope):
    type: Literal["device.heartbeat"]
    body: HeartbeatBody


class LossEvent(_Envelope):
    type: Literal["device.loss"]
    body: LossBody


class StorageEvent(_Envelope):
    type: Literal["device.storage"]
    body: StorageBody


class SummaryEvent(_Envelope):
    type: Literal["device.summary"]
    body: SummaryBody


class ClockEvent(_Envelope):
    type: Literal["device.clock"]
    body: ClockBody


Event = Annotated[
    CaseEvent | BirthEvent | HeartbeatEvent | LossEvent | StorageEvent | ClockEvent | SummaryEvent,
    Field(discriminator="type"),
]
Body = CaseBody | BirthBody | HeartbeatBody | LossBody | StorageBody | ClockBody | SummaryBody


class Message(Wire):
    """The payload of one publish on the ``events`` channel.

    ``historical``: the events waited while the link was down; they are not live.
    """

    contract: Literal[1] = CONTRACT_VERSION
    historical: Flag
    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=MOST_EVENTS)]


class DeviceState(Wire):
    """The retained payload of the ``state`` channel; also the will.

    A will is only to be believed if its ``session_id`` is that of the newest birth.
    """

    contract: Literal[1] = CONTRACT_VERSION
    session_id: Id
    online: Flag
    epoch: Id
    previous_epoch: Id | None = None


class Receipt(Wire):
    """What the platform has stored for good, on the ``receipts`` channel.

    Computed in its store after the commit: everything through ``contiguous_through``, and further
    ranges (first, last) above it; further receipts may name further ones. An event named in a loss report
    counts as stored.

    ``conflicts``: ranges of numbers under which another event came than is stored, and which it does
    not yet have under a number of its own. Left out where there is none.
    """

    contract: Literal[1] = CONTRACT_VERSION
    epoch: Id
    contiguous_through: int = Field(strict=True, ge=0, le=MOST_NUMBER)
    ranges: tuple[Range, ...] = Field(default=(), max_length=1000, fail_fast=True)
    conflicts: tuple[Range, ...] = Field(default=(), max_length=1000, fail_fast=True)

    @field_validator("ranges", "conflicts")
    @classmethod
    def _in_order(cls, ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        if any(first > last for first, last in ranges):
            raise ValueError("a range is (first, last), first not above last")
        return ranges

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Everything that is confirmed, as ranges."""
        head = ((1, self.contiguous_through),) if self.contiguous_through else ()
        return (*head, *self.ranges)

    @property
    def highest(self) -> int:
        """The highest number that is confirmed; 0 if none is."""
        return max((last for _, last in self.spans), default=0)


CommandId = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class Resend(Wire):
    """Send again what has arrived before, on the ``commands`` channel: a backup was restored."""

    contract: Literal[1] = CONTRACT_VERSION
    command: Literal["resend"]
    command_id: CommandId
    epoch: Id
    first: Number
    last: Number


LEAST_PACE_PER_S: Final = 0.1
"""The slowest that a platform may ask for: a backlog of a day, of 100,000 events, then takes twelve days."""


class Pace(Wire):
    """How fast the backlog may come, until this connection ends; null: as fast as it goes."""

    contract: Literal[1] = CONTRACT_VERSION
    command: Literal["pace"]
    command_id: CommandId
    backlog_events_per_s: float | None = Field(
        strict=True, ge=LEAST_PACE_PER_S, le=100_000, allow_inf_nan=False
    )


class HoldCase(Wire):
    """Keep a case's pictures whatever their age (``held``), or let them go again; a legal hold.

    ``reason`` is written down with the hold: why, and by whose order.
    """

    contract: Literal[1] = CONTRACT_VERSION
    command: Literal["hold"]
    command_id: CommandId
    case_id: Id
    held: Flag
    reason: Annotated[Sentence, Field(min_length=1)]


Command = Annotated[Resend | Pace | HoldCase, Field(discriminator="command")]


class Answer(Wire):
    """What became of a command, on the ``answers`` channel. ``count``: of events, for a resend."""

    contract: Literal[1] = CONTRACT_VERSION
    command_id: CommandId
    accepted: Flag
    reason: Sentence | None = None
    count: Count | None = None


class Draft(BaseModel):
    """An event before the outbox gave it its epoch and sequence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str
    type: str
    occurred_at: datetime
    clock: ClockReading
    body: Body
