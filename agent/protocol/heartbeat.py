"""The heartbeat message and its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from agent.protocol.base import (
    MOST_CAMERAS,
    MOST_PLACES,
    MOST_WORDS,
    Blindness,
    Counts,
    Models,
    Wire,
)
from agent.protocol.fields import (
    AtMost,
    Celsius,
    Count,
    Flag,
    Label,
    Moment,
    Name,
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

if TYPE_CHECKING:
    pass


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
