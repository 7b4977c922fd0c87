"""What the device says of itself: the heartbeat and its parts.

A field is declared here once, with its example, and filled in one place: one at the top of the heartbeat
by the gauge of its name (:mod:`agent.telemetry.gauges`), one of a part by the gauge that makes the part.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from agent.protocol.base import (
    MAX_CAMERAS,
    MAX_PLACES,
    MAX_WORDS,
    Blindness,
    Counts,
    Models,
    Range,
    Wire,
)
from agent.protocol.field_examples import BEGAN_AT, EPOCH, Example, Under, example_of, sha256_of
from agent.protocol.fields import (
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
    Version,
    Whole,
    Within,
    Word,
)
from agent.protocol.news import QUIET, News

MAX_SET_ASIDE = 100
"""Ranges of numbers that a heartbeat names as set aside."""
MAX_JUDGED = 64
"""Zones and kinds of cases of which a heartbeat says what reviewers found."""
_REFUSED = "pace: backlog_events_per_s: Input should be greater than or equal to 0.1"


class Reported(Wire):
    """A heartbeat or a part of one: who makes it fills every field, null or empty where nothing is known.

    One that is read may lack what has a default: an older agent wrote it.

    Raises:
        TypeError: A field was left out by its maker.
    """

    def __init__(self, /, **facts: Any) -> None:
        if left_out := [name for name in type(self).model_fields if name not in facts]:
            raise TypeError(f"{type(self).__name__} is made without {', '.join(left_out)}")
        super().__init__(**facts)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


class ViewHealth(Reported):
    """What one camera's picture is good for.

    ``view`` is ``good`` or what is the matter with most of it. ``commissioned`` says whether there
    is a commissioning picture to hold it against: without one it is not known whether the view is
    moved, blocked or out of focus. ``abstaining`` are the zones of which nothing is said now.
    """

    view: Annotated[Literal["good"] | Blindness, Example("good")]
    for_s: Annotated[Seconds, Example(120.0), QUIET]
    commissioned: Annotated[Flag, Example(True)]
    abstaining: Annotated[
        dict[Name, Blindness], AtMost(MAX_PLACES), Example({"kerb": "view_blocked"})
    ] = {}


class CameraHealth(Reported):
    """One camera since the agent started.

    ``state`` is ``opening``, ``running``, ``ended``, or why it was lost; ``for_s`` is for how long
    that has been so. ``frames`` were captured, ``dropped`` of them replaced by a newer one before
    they were analysed. ``brightness`` is the mean of the last frame, 0 to 255.
    """

    state: Annotated[Sentence, Example("running")]
    for_s: Annotated[Seconds, Example(5590.0), QUIET]
    reopened: Annotated[Count, Example(0)]
    frames: Annotated[Count, Example(27950), QUIET]
    dropped: Annotated[Count, Example(2), QUIET]
    brightness: Annotated[Annotated[float, Within(0, 255)] | None, Example(104.2), QUIET] = None
    profile: Annotated[Name | None, Example("day")] = None


class Looking(Reported):
    """What the analysis does, since the last heartbeat.

    ``gated_share`` is the share of the analysed frames in which no network ran, because nothing had
    changed or its turn had not come. ``rate_factor`` is what heat leaves of the configured rate.
    """

    frames_per_s: Annotated[Rate, Example(4.98), News(share=0.5)]
    network_runs_per_s: Annotated[Rate, Example(0.35), QUIET]
    gated_share: Annotated[Share | None, Example(0.94), QUIET]
    rate_factor: Annotated[Share, Example(1.0), News(0.1)]


class PowerHealth(Reported):
    """The firmware's flags: what is so now, and what has been so since boot."""

    under_voltage: Annotated[Flag, Example(False)]
    throttled: Annotated[Flag, Example(False)]
    under_voltage_since_boot: Annotated[Flag, Example(True)]
    throttled_since_boot: Annotated[Flag, Example(False)]


class DiskHealth(Reported):
    """The disk that holds the state.

    ``written_bytes`` is what the agent has written since it started; ``life_used_percent`` is what
    an eMMC says of its wear, in steps of ten (most cards say nothing). ``total_inodes`` is how many
    files it can hold, ``free_inodes`` how many more; null where the file system does not count them.
    """

    total_bytes: Annotated[Count, Example(31_000_000_000)]
    written_bytes: Annotated[Count | None, Example(48_000_000), QUIET] = None
    life_used_percent: Annotated[int, Whole(0, 1000)] | None = None
    total_inodes: Annotated[Count | None, Example(1_900_000)] = None
    free_inodes: Annotated[Count | None, Example(1_712_000), News(share=0.1)] = None


class Waiting(Reported):
    """What waits in one lane of the outbox."""

    rows: Annotated[Count, Example(2), QUIET]
    oldest_s: Annotated[Seconds, Example(12.5), News(600)]


class RecoveryHealth(Reported):
    """How the device has helped itself.

    ``began_after`` is why this run began: ``first``, ``planned``, ``camera_hang``, ``uplink_stuck``,
    ``disk_back``, ``fault``, ``killed`` (from outside, within one boot) or ``power_cut``; ``begun`` counts all runs by
    that. ``left_out`` are cameras that hang. ``asked`` is how often in a row a restart of the network or
    a reboot was asked for; ``restarted`` counts threads, by name, that failed and began again.
    """

    began_after: Annotated[Word, Example("power_cut")]
    begun: Annotated[Counts, Example({"first": 1, "planned": 3, "power_cut": 2})]
    left_out: Annotated[tuple[Name, ...], AtMost(MAX_CAMERAS)] = ()
    asked: Annotated[Counts, Example({"network": 0, "reboot": 0})] = {}
    restarted: Annotated[dict[Label, Count], AtMost(MAX_CAMERAS + MAX_WORDS)] = {}
    uplinks_left_behind: Count = 0


class CertificateHealth(Reported):
    """The certificate that the device shows the broker.

    ``days_left`` is negative once it has expired; null while the clock cannot be trusted.
    """

    not_after: Annotated[Moment | None, Example(BEGAN_AT + timedelta(days=200, hours=6))]
    days_left: Annotated[Annotated[float, Within(-4e6, 4e6)] | None, Example(200.25), News(1)]


class CardHealth(Reported):
    """The card that holds the state, as far as it and its file system tell.

    ``name`` and ``made`` are the card's own; ``end_of_life`` is an eMMC's ``normal``, ``warning`` or
    ``urgent``; ``file_system_errors`` is what ext4 found wrong since it was last repaired;
    ``written_ever_bytes`` is everybody's, since the file system was made.
    """

    name: Annotated[Label | None, Example("SD32G")]
    made: Annotated[Label | None, Example("08/2025")]
    end_of_life: Annotated[Literal["normal", "warning", "urgent"] | None, Example(None)]
    file_system_errors: Annotated[Count | None, Example(0)]
    written_ever_bytes: Annotated[Count | None, Example(81_000_000_000), QUIET]
    read_only: Annotated[Flag, Example(False)]


class KeptHealth(Reported):
    """What retention found when it last looked: pictures of cases, and legal holds.

    ``short_bytes`` is what is missing to the room that there should be, though nothing more may go.
    """

    cases: Annotated[Count, Example(412), QUIET]
    size_bytes: Annotated[Count, Example(310_000_000), QUIET]
    held: Annotated[Count, Example(1)]
    short_bytes: Annotated[Count, Example(0), News(share=0.1)]


class AuditHead(Reported):
    """The newest record of the device's audit log: its number and its hash.

    Keep them: records that are cut off at the log's end are missed only against this.
    """

    number: Annotated[Count, Example(118)]
    hash: Annotated[Sha256, Example(sha256_of("example record"))]


_Field = Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_.]{0,63}$")]


class SetAside(Reported):
    """Numbers of an epoch that the broker refused, first and last; kept, not lost, and perhaps sent later."""

    epoch: Annotated[Id, Example(EPOCH)]
    ranges: Annotated[tuple[Range, ...], AtMost(MAX_SET_ASIDE), Example(((17, 18),))]


class Upkeep(Reported):
    """What whoever looks after many devices wants to know of one.

    ``dead_letters`` are events that the broker refused and that are still kept; of ``set_aside`` the numbers may
    still come, the newest epoch's first;
    ``losses_unreported`` are ranges of lost numbers that are not reported yet. ``packets_waiting`` are stages of
    cases whose pictures are still to be redacted, ``pictures_waiting`` those of which the platform has not said that
    it has them. What the agent wrote today
    and yesterday, by the site's days, is a few minutes old. ``unknown`` says of what is null why it is.
    """

    certificate: CertificateHealth
    card: CardHealth | None
    kept: KeptHealth | None
    audit: AuditHead | None
    dead_letters: Annotated[Count, Example(0)]
    set_aside: Annotated[tuple[SetAside, ...], AtMost(MAX_SET_ASIDE)] = ()
    losses_unreported: Annotated[Count, Example(0)]
    packets_waiting: Annotated[Count, Example(1), QUIET] = 0
    pictures_waiting: Annotated[Count, Example(2), QUIET] = 0
    written_today_bytes: Annotated[Count | None, Example(96_000_000), QUIET] = None
    written_yesterday_bytes: Annotated[Count | None, Example(410_000_000), QUIET] = None
    unknown: Annotated[
        dict[_Field, Sentence],
        AtMost(MAX_WORDS),
        Example({"card.end_of_life": "the card does not say"}),
    ] = {}


class StorageHealth(Reported):
    """Whether what the device keeps would outlive a power cut.

    ``volatile``: the disk takes nothing for this ``reason``, and everything is kept in memory. Since the
    agent started, of ``events_without_pictures`` the disk did not take every picture;
    ``changes_waiting`` of cases wait for room on a full disk.
    """

    state: Annotated[Literal["durable", "volatile"], Example("durable")]
    reason: Sentence | None = None
    events_without_pictures: Count = 0
    changes_waiting: Count = 0


class AppliedHealth(Reported):
    """The configuration that was applied last, by a technician or by the platform's ``apply``.

    ``number`` is the device's own of it, ``ordered`` the platform's, null: it was not the platform's. ``reverted``: the
    one before holds again, ``because`` says why.
    """

    number: Annotated[Count, Example(3)]
    ordered: Annotated[Number | None, Example(7)]
    state: Annotated[Literal["on_trial", "in_force", "reverted"], Example("in_force")]
    because: Annotated[Sentence | None, Example(None)] = None


class ConfigurationHealth(Reported):
    """Whether the configuration in place is used.

    ``last_good``: it has ``faults``, and the device goes on with the one with which it last came up, kept at
    ``kept_at``. ``applied``, if any was, says which one was applied while the device ran.
    """

    state: Annotated[Literal["as_written", "last_good"], Example("as_written")]
    kept_at: Moment | None = None
    faults: Annotated[tuple[Sentence, ...], AtMost(50)] = ()
    applied: Annotated[AppliedHealth | None, Example(example_of(AppliedHealth))] = None


AS_WRITTEN = ConfigurationHealth(state="as_written", kept_at=None, faults=(), applied=None)


class UplinkHealth(Reported):
    """What broker and platform make of the way out, since the agent started.

    ``state_retained``: whether the broker keeps the device's state for later subscribers. ``refused`` counts
    what the platform said and was not believed, ``declined`` commands that were answered with why they are not
    done, and ``last_refused`` is why, the last time.
    ``backlog_events_per_s`` is the pace of the backlog now, null: as fast as it goes; ``paced_by`` is whose it
    is. ``resend_left`` is how many events may be asked for again now. ``epochs_begun`` is how many epochs the
    platform's word has begun; the next one may begin in ``epoch_wait_s``. ``refused_events`` counts events that the
    platform will not store, by the code of its receipts.
    """

    state_retained: Annotated[Flag, Example(True)]
    refused: Annotated[Count, Example(1)]
    declined: Annotated[Count, Example(0)]
    last_refused: Annotated[Sentence | None, Example(_REFUSED)]
    backlog_events_per_s: Annotated[Rate | None, Example(20.0)]
    paced_by: Annotated[Literal["site", "platform"], Example("platform")]
    resend_left: Annotated[Count, Example(5000), QUIET]
    epochs_begun: Annotated[Count, Example(0)]
    epoch_wait_s: Annotated[Seconds, Example(0.0), QUIET]
    refused_events: Annotated[Counts, Example({"unknown_zone": 2})] = {}


class SuppressedHere(Reported):
    """Candidates for a kind of case in a zone that the verifier saw as something else."""

    zone_id: Annotated[Name, Example("kerb")]
    kind: Annotated[Word, Example("street_vending")]
    seen_as: Annotated[Word, Example("people")]
    count: Annotated[Count, Example(4)]


class VerifierHealth(Reported):
    """The model that says what a candidate for a case is, since the agent started.

    It is optional: while it is ``off``, ``refused`` or ``failing``, for this ``reason``, cases are judged
    without it. ``suppressed`` counts candidates that were a case by all else, and were kept from it or ended
    by its word.
    """

    state: Annotated[Literal["ready", "off", "refused", "failing"], Example("ready")]
    reason: Sentence | None = None
    runs: Annotated[Count, Example(58), QUIET] = 0
    suppressed: Annotated[
        tuple[SuppressedHere, ...],
        AtMost(MAX_PLACES),
        Example((example_of(SuppressedHere),)),
        QUIET,
    ] = ()


class JudgedHere(Reported):
    """What reviewers found of a kind of case in a zone, as in the daily summary's ``reviewed``."""

    zone_id: Annotated[Name, Example("kerb")]
    kind: Annotated[Word, Example("misparked_bike")]
    valid: Annotated[Count, Example(18)]
    false: Annotated[Count, Example(2)]
    duplicate: Annotated[Count, Example(1)]
    precision: Annotated[Share | None, Example(0.9)]


class HeldBackHere(Reported):
    """Candidates for a kind of case in a zone that look like a false alarm at the same place.

    ``places`` is of how many false alarms that is so now; since the agent started, ``count`` candidates were held
    back for it.
    """

    zone_id: Annotated[Name, Example("kerb")]
    kind: Annotated[Word, Example("misparked_bike")]
    places: Annotated[Count, Example(1)]
    count: Annotated[Count, Example(3)]


class HeartbeatBody(Reported):
    """What the device says of itself: at each birth, and at intervals.

    What nothing measures on a device is null. What changes in between is told by :class:`ChangesBody`.
    """

    uptime_s: Annotated[Seconds, Example(5600.0), QUIET]
    cameras: Annotated[dict[Name, Sentence], AtMost(MAX_CAMERAS), Example({"street": "running"})]
    frames: Annotated[Count, Example(3300), QUIET]
    frames_dropped: Annotated[Count, Example(2), QUIET]
    inferences: Annotated[Count, Example(410), QUIET]
    open_cases: Annotated[Count, Example(0)]
    outbox_rows: Annotated[Count, Example(0), QUIET]
    outbox_oldest_s: Annotated[Seconds, Example(0.0), News(600)]
    temperature_c: Annotated[Celsius | None, Example(51.5), News(5)]
    disk_free_bytes: Annotated[Count, Example(12_000_000_000), News(share=0.1)]
    memory_rss_bytes: Annotated[Count, Example(210_000_000), News(share=0.25)]
    agent_version: Annotated[Version, Example("0.2.0")]
    configuration_sha256: Annotated[Sha256, Example(sha256_of("example configuration"))]
    camera_health: Annotated[dict[Name, CameraHealth], AtMost(MAX_CAMERAS), Under("street")] = {}
    looking: Looking | None = None
    power: PowerHealth | None = None
    disk: DiskHealth | None = None
    waiting: Annotated[dict[Word, Waiting], AtMost(MAX_WORDS), Under("case")] = {}
    """By lane: ``case``, ``evidence``, ``health``, ``rest``."""
    models: Models = ()
    spent_today: Annotated[Counts, Example({"cases": 21_400, "health": 96_000}), QUIET] = {}
    """Bytes sent since the site's midnight, by class of the daily budget."""
    inputs: Annotated[dict[Word, Flag], AtMost(MAX_WORDS), Example({"tamper": False})] = {}
    """Switches at the housing, such as ``tamper``: true while the housing is open."""
    views: Annotated[dict[Name, ViewHealth], AtMost(MAX_CAMERAS), Under("street")] = {}
    """By camera."""
    recovery: RecoveryHealth | None = None
    upkeep: Upkeep | None = None
    configuration: ConfigurationHealth | None = None
    storage: StorageHealth | None = None
    uplink: UplinkHealth | None = None
    verifier: VerifierHealth | None = None
    """Null where no scenario here would ask it."""
    judged: Annotated[
        tuple[JudgedHere, ...], AtMost(MAX_JUDGED), Example((example_of(JudgedHere),)), QUIET
    ] = ()
    """By the last verdict on each case; those of which most were judged first."""
    held_back: Annotated[
        tuple[HeldBackHere, ...], AtMost(MAX_JUDGED), Example((example_of(HeldBackHere),)), QUIET
    ] = ()


class SomeFields:
    """Of a table by name: fields of the heartbeat, each as it is declared there."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        fields = {
            name: core_schema.typed_dict_field(handler.generate_schema(hint), required=False)
            for name, hint in get_type_hints(HeartbeatBody, include_extras=True).items()
            if name in HeartbeatBody.model_fields
        }
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid")

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        made = handler(schema)
        made.pop("required", None)  # a message has every field of its own; here any may be absent
        for field in made["properties"].values():
            field.pop("title", None)
        return made


class ChangesBody(Wire):
    """What is news since the full heartbeat ``of`` (its event's id), and a sign of life.

    ``changed`` has, by name, those fields of the heartbeat in which something is news. All others are as that
    one told them. A later one replaces an earlier one of the same heartbeat.
    """

    of: Id
    changed: Annotated[dict[str, Any], SomeFields()]
