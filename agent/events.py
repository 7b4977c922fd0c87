"""The wire format: what the platform receives. The one source of the schemas in ``contract/``.

A :class:`Message` is what one MQTT publish on the ``events`` channel carries: one event, or a
batch of them. A :class:`Receipt` and a :data:`Command` are what the platform sends back. Field names are English; texts are UTF-8. Times are ISO 8601 with the site's
offset. ``docs/integrator.md`` explains the contract to its readers.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

if TYPE_CHECKING:
    from drivers.clock import Clock

CONTRACT_VERSION: Final = 1
SOURCE: Final = "智能感知"
"""The platform's word for how a matter was found."""


class Wire(BaseModel):
    """What all parts of the contract share: frozen, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


ClockState = Literal["synchronised", "unsynchronised"]


class ClockReading(Wire):
    """How far the times of an event can be trusted.

    ``replay``: the times are those of a recording. ``error_s`` is how far off the clock is at most, as the
    device's system reckons; null where nobody knows. ``monotonic_s`` is the same moment as ``occurred_at``,
    in seconds since the boot ``boot_id``.
    """

    state: ClockState | Literal["replay"]
    boot_id: str
    monotonic_s: float
    error_s: float | None = None

    @classmethod
    def of(cls, clock: Clock) -> Self:
        """Read a device's clock."""
        return cls(
            state="synchronised" if clock.synchronised else "unsynchronised",
            boot_id=clock.boot_id,
            monotonic_s=clock.monotonic_s(),
            error_s=clock.error_s,
        )


class EventCode(Wire):
    """The matter's code in the city's scheme; ``code`` is null where none is known."""

    profile: str
    code: str | None
    name: str


class Coordinates(Wire):
    """A surveyed point. ``crs`` always says in which system."""

    longitude: float = Field(ge=-180, le=180)
    latitude: float = Field(ge=-90, le=90)
    crs: Literal["CGCS2000", "WGS84"]


class Place(Wire):
    """Where it is, as the city files it."""

    place_id: str
    zone_id: str
    camera_id: str
    address: str
    grid_code: str | None = None
    responsible_unit: str | None = None
    coordinates: Coordinates | None = None


class Fraction(Wire):
    """A box in fractions of the frame."""

    left: float
    top: float
    right: float
    bottom: float


class Thing(Wire):
    """One member of a case: a bike, a stall, a bin.

    ``operator`` is whose shared bike it is by its paint, or ``unknown``; null where the site names
    no operators. ``plate`` says of a bike that no number was read: none is ever guessed.
    """

    member_id: str
    label: str
    box: Fraction
    since: datetime
    operator: str | None = None
    plate: Literal["plate_unreadable"] | None = None


class Picture(Wire):
    """A picture that proves the case; it stays on the device until it is asked for."""

    role: Literal["begin", "threshold", "close_up", "plate_view", "after"]
    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(gt=0)
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    captured_at: datetime


class ModelUsed(Wire):
    """The model that judged."""

    name: str
    version: str
    sha256: str


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
    since: datetime


class ViewHealth(Wire):
    """What one camera's picture is good for.

    ``view`` is ``good`` or what is the matter with most of it. ``commissioned`` says whether there
    is a commissioning picture to hold it against: without one it is not known whether the view is
    moved, blocked or out of focus. ``abstaining`` are the zones of which nothing is said now.
    """

    view: Literal["good"] | Blindness
    for_s: float
    commissioned: bool
    abstaining: dict[str, Blindness] = {}


class CaseBody(Wire):
    """One street problem as it stands at the event's time.

    ``began_at`` is when the thing came to stand, ``last_present_at`` when it was last there. What
    came or went while people hid the place did so between two sights of it: then it is the middle.
    ``evidence_fault`` is why the disk did not take every picture of it; null if it did.
    """

    case_id: str
    kind: str
    state: Literal["open", "cleared"]
    code: EventCode
    place: Place
    began_at: datetime
    opened_at: datetime
    last_present_at: datetime
    cleared_at: datetime | None = None
    dwell_s: float = Field(ge=0)
    allowed_s: float = Field(ge=0)
    count: int = Field(ge=0)
    members: tuple[Thing, ...] = ()
    confidence: float = Field(ge=0, le=1)
    reason: dict[str, float | int | str | bool | None] = {}
    models: tuple[ModelUsed, ...] = ()
    configuration_sha256: str
    pictures: tuple[Picture, ...] = ()
    evidence_fault: str | None = None
    evidence_status: Literal["lead_only"] = "lead_only"
    abstention: Abstention | None = None


class BirthBody(Wire):
    """A connection's first event: who speaks, and from which database."""

    session_id: str
    previous_epoch: str | None = None
    agent_version: str
    configuration_sha256: str
    signing_key: PublicKey | None = None


class CameraHealth(Wire):
    """One camera since the agent started.

    ``state`` is ``opening``, ``running``, ``ended``, or why it was lost; ``for_s`` is for how long
    that has been so. ``frames`` were captured, ``dropped`` of them replaced by a newer one before
    they were analysed. ``brightness`` is the mean of the last frame, 0 to 255.
    """

    state: str
    for_s: float
    reopened: int
    frames: int
    dropped: int
    brightness: float | None = None
    profile: str | None = None


class Looking(Wire):
    """What the analysis does, since the last heartbeat.

    ``gated_share`` is the share of the analysed frames in which no network ran, because nothing had
    changed or its turn had not come. ``rate_factor`` is what heat leaves of the configured rate.
    """

    frames_per_s: float
    network_runs_per_s: float
    gated_share: float | None
    rate_factor: float


class PowerHealth(Wire):
    """The firmware's flags: what is so now, and what has been so since boot."""

    under_voltage: bool
    throttled: bool
    under_voltage_since_boot: bool
    throttled_since_boot: bool


class DiskHealth(Wire):
    """The disk that holds the state.

    ``written_bytes`` is what the agent has written since it started; ``life_used_percent`` is what
    an eMMC says of its wear, in steps of ten (most cards say nothing).
    """

    total_bytes: int
    written_bytes: int | None = None
    life_used_percent: int | None = None


class Waiting(Wire):
    """What waits in one lane of the outbox."""

    rows: int
    oldest_s: float


class RecoveryHealth(Wire):
    """How the device has helped itself.

    ``began_after`` is why this run began: ``first``, ``planned``, ``camera_hang``, ``uplink_stuck``,
    ``disk_back``, ``fault``, ``killed`` (from outside, within one boot) or ``power_cut``; ``begun`` counts all runs by
    that. ``left_out`` are cameras that hang. ``asked`` is how often in a row a restart of the network or
    a reboot was asked for; ``restarted`` counts threads, by name, that failed and began again.
    """

    began_after: str
    begun: dict[str, int]
    left_out: tuple[str, ...] = ()
    asked: dict[str, int] = {}
    restarted: dict[str, int] = {}
    uplinks_left_behind: int = 0


class CertificateHealth(Wire):
    """The certificate that the device shows the broker.

    ``days_left`` is negative once it has expired; null while the clock cannot be trusted.
    """

    not_after: datetime | None
    days_left: float | None


class CardHealth(Wire):
    """The card that holds the state, as far as it and its file system tell.

    ``name`` and ``made`` are the card's own; ``end_of_life`` is an eMMC's ``normal``, ``warning`` or
    ``urgent``; ``file_system_errors`` is what ext4 found wrong since it was last repaired;
    ``written_ever_bytes`` is everybody's, since the file system was made.
    """

    name: str | None
    made: str | None
    end_of_life: Literal["normal", "warning", "urgent"] | None
    file_system_errors: int | None
    written_ever_bytes: int | None
    read_only: bool


class KeptHealth(Wire):
    """What retention found when it last looked: pictures of cases, and legal holds.

    ``short_bytes`` is what is missing to the room that there should be, though nothing more may go.
    """

    cases: int
    size_bytes: int
    held: int
    short_bytes: int


class AuditHead(Wire):
    """The newest record of the device's audit log: its number and its hash.

    Keep them: records that are cut off at the log's end are missed only against this.
    """

    number: int
    hash: str


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
    dead_letters: int
    losses_unreported: int
    written_today_bytes: int | None = None
    written_yesterday_bytes: int | None = None
    unknown: dict[str, str] = {}


class StorageHealth(Wire):
    """Whether what the device keeps would outlive a power cut.

    ``volatile``: the disk takes nothing for this ``reason``, and everything is kept in memory. Since the
    agent started, of ``events_without_pictures`` the disk did not take every picture;
    ``changes_waiting`` of cases wait for room on a full disk.
    """

    state: Literal["durable", "volatile"]
    reason: str | None = None
    events_without_pictures: int = 0
    changes_waiting: int = 0


class ConfigurationHealth(Wire):
    """Whether the configuration in place is used.

    ``last_good``: it has ``faults``, and the device goes on with the one with which it last came up, kept at
    ``kept_at``.
    """

    state: Literal["as_written", "last_good"]
    kept_at: datetime | None = None
    faults: tuple[str, ...] = ()


class HeartbeatBody(Wire):
    """What the device says of itself at intervals.

    What nothing measures on a device is left out or null.
    """

    uptime_s: float
    cameras: dict[str, str]
    frames: int
    frames_dropped: int
    inferences: int
    open_cases: int
    outbox_rows: int
    outbox_oldest_s: float
    temperature_c: float | None
    disk_free_bytes: int
    memory_rss_bytes: int
    agent_version: str
    configuration_sha256: str
    camera_health: dict[str, CameraHealth] = {}
    looking: Looking | None = None
    power: PowerHealth | None = None
    disk: DiskHealth | None = None
    waiting: dict[str, Waiting] = {}
    """By lane: ``case``, ``evidence``, ``health``, ``rest``."""
    models: tuple[ModelUsed, ...] = ()
    spent_today: dict[str, int] = {}
    """Bytes sent since the site's midnight, by class of the daily budget."""
    inputs: dict[str, bool] = {}
    """Switches at the housing, such as ``tamper``: true while the housing is open."""
    views: dict[str, ViewHealth] = {}
    """By camera."""
    recovery: RecoveryHealth | None = None
    upkeep: Upkeep | None = None
    configuration: ConfigurationHealth | None = None
    storage: StorageHealth | None = None


CASE_EVENTS = ("case.opened", "case.persisting", "case.cleared", "case.abstained")
CaseEventType = Literal["case.opened", "case.persisting", "case.cleared", "case.abstained"]


class Loss(Wire):
    """Sequence numbers of one lane that will never be delivered, and why.

    ``ranges`` are first and last, all numbers between them lost; ``from_at`` to ``to_at`` is when
    that was decided.
    """

    epoch: str
    lane: Literal["case", "evidence", "health", "rest"]
    reason: str
    ranges: tuple[tuple[int, int], ...] = Field(min_length=1)
    from_at: datetime
    to_at: datetime


class KindDay(Wire):
    """One kind of case in one zone on one day; ``stood_s`` is how long all that cleared had stood."""

    kind: str
    code: EventCode
    opened: int
    cleared: int
    abstained: int
    stood_s: float


class ZoneDay(Wire):
    """One zone on one day.

    ``sensing_s`` is for how long it was watched and could be seen; ``abstained_s`` for how long its view
    was bad, so that nothing was claimed of it; ``blind_s`` for how long its camera gave nothing besides.
    What is missing to the day's length the agent did not run, or was ended without warning in between.
    """

    zone_id: str
    place_id: str | None
    responsible_unit: str | None
    sensing_s: float
    abstained_s: float
    blind_s: float
    cases: tuple[KindDay, ...] = ()


class DeviceDay(Wire):
    """The device on one day.

    ``began_after`` counts the runs that began, by why. ``lost`` is how many numbers were lost. The highest
    values are of what was sampled; null is what nothing measures. ``unsynchronised_s`` is for how long of
    ``uptime_s`` the clock could not be trusted, and therefore neither the day.
    """

    uptime_s: float
    unsynchronised_s: float
    began_after: dict[str, int]
    lost: int
    temperature_c_max: float | None
    throttled_s: float | None
    under_voltage_s: float | None
    waiting_rows_max: int | None
    waiting_s_max: float | None
    written_bytes: int | None


class SummaryBody(Wire):
    """One local day of one device (日报); ``complete`` says that the day was over."""

    day: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    timezone: str
    complete: bool
    configuration_sha256: str
    zones: tuple[ZoneDay, ...]
    device: DeviceDay


class LossBody(Wire):
    """What is lost, since the last report.

    ``jws`` signs ``losses`` with the device's key (RFC 7515, compact, EdDSA): its payload is the
    list as JSON.
    """

    losses: tuple[Loss, ...] = Field(min_length=1)
    jws: str


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
    reason: str
    kept_as: str | None
    previous_epoch: str | None
    events: int
    cases: int
    left: int = 0


class Concerned(Wire):
    """Events of ``epoch`` from number ``first`` to ``last``, as far as they are of the boot that is meant."""

    epoch: str
    first: int
    last: int


class ClockBody(Wire):
    """The clock was set, or how good it is has changed: what earlier events of this boot are to be read by.

    Nothing that was sent is sent again with another time. The time of any event of ``boot_id`` is
    ``zero_at`` + its ``clock.monotonic_s``, by the newest ``device.clock`` of that boot. ``offset_s`` is by
    how much the clock moved since the last one, or since the boot: what it adds to the ``occurred_at`` of the
    events that are ``concerned`` (null if there are none). ``to_state`` says whether it is to be believed
    now.
    """

    boot_id: str
    zero_at: datetime
    offset_s: float
    from_state: ClockState
    to_state: ClockState
    concerned: Concerned | None


class PublicKey(Wire):
    """The device's signing key, as a JSON Web Key (RFC 8037); the private half never leaves it."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    kid: str
    x: str


class _Envelope(Wire):
    contract: Literal[1] = CONTRACT_VERSION
    event_id: str
    tenant: str
    device_id: str
    epoch: str
    sequence: int = Field(gt=0)
    occurred_at: datetime
    clock: ClockReading
    source: Literal["智能感知"] = SOURCE
    purpose: str


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
    historical: bool
    events: tuple[Event, ...] = Field(min_length=1)


class DeviceState(Wire):
    """The retained payload of the ``state`` channel; also the will.

    A will is only to be believed if its ``session_id`` is that of the newest birth.
    """

    contract: Literal[1] = CONTRACT_VERSION
    session_id: str
    online: bool
    epoch: str
    previous_epoch: str | None = None


MOST_NUMBER: Final = 2**53 - 1
"""The largest whole number that every JSON parser reads as what it is (RFC 8259, 6)."""

Number = Annotated[int, Field(strict=True, ge=1, le=MOST_NUMBER)]
"""A sequence number, as the platform names it."""
Ranges = Annotated[tuple[tuple[Number, Number], ...], Field(max_length=1000)]
"""Stretches of numbers: first and last of each."""
Epoch = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
ONE_LINE: Final = r"^[^\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+$"
"""Without what ends a line, steers a terminal, turns the reading order or is not seen."""


class Receipt(Wire):
    """What the platform has stored for good, on the ``receipts`` channel.

    Computed in its store after the commit: everything through ``contiguous_through``, and further
    ranges (first, last) above it; further receipts may name further ones. An event named in a loss report
    counts as stored.

    ``conflicts``: ranges of numbers under which another event came than is stored, and which it does
    not yet have under a number of its own. Left out where there is none.
    """

    contract: Literal[1] = CONTRACT_VERSION
    epoch: Epoch
    contiguous_through: int = Field(strict=True, ge=0, le=MOST_NUMBER)
    ranges: Ranges = ()
    conflicts: Ranges = ()

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


CommandId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class Resend(Wire):
    """Send again what has arrived before, on the ``commands`` channel: a backup was restored."""

    contract: Literal[1] = CONTRACT_VERSION
    command: Literal["resend"]
    command_id: CommandId
    epoch: Epoch
    first: Number
    last: Number


class Pace(Wire):
    """How fast the backlog may come, until this connection ends; null: as fast as it goes."""

    contract: Literal[1] = CONTRACT_VERSION
    command: Literal["pace"]
    command_id: CommandId
    backlog_events_per_s: float | None = Field(gt=0, le=100_000, allow_inf_nan=False)


class HoldCase(Wire):
    """Keep a case's pictures whatever their age (``held``), or let them go again; a legal hold.

    ``reason`` is written down with the hold: why, and by whose order.
    """

    contract: Literal[1] = CONTRACT_VERSION
    command: Literal["hold"]
    command_id: CommandId
    case_id: str = Field(pattern=r"^[0-9A-Za-z-]{1,64}$")
    held: bool
    reason: str = Field(min_length=1, max_length=500, pattern=ONE_LINE)


Command = Annotated[Resend | Pace | HoldCase, Field(discriminator="command")]


class Answer(Wire):
    """What became of a command, on the ``answers`` channel. ``count``: of events, for a resend."""

    contract: Literal[1] = CONTRACT_VERSION
    command_id: str
    accepted: bool
    reason: str | None = None
    count: int | None = None


class Draft(BaseModel):
    """An event before the outbox gave it its epoch and sequence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str
    type: str
    occurred_at: datetime
    clock: ClockReading
    body: Body
