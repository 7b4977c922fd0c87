"""The status file of a running agent, for a technician at the device; written once a second.

It lies on a file system in memory (systemd's RuntimeDirectory), so that it does not wear the card, and
is sent nowhere. ``kerbwatch watch`` shows it.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from agent.domain.finite import Figure
from agent.protocol.base import ModelUsed
from agent.protocol.heartbeat import ConfigurationHealth, StorageHealth, VerifierHealth, ViewHealth
from drivers.disk import replace_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

FILE = "status.json"
EVERY_S = 1.0

_log = logging.getLogger(__name__)


class _Part(BaseModel):
    """What was written can be read: a figure that is none is null (:mod:`agent.domain.finite`).

    A part that shows what another object of the agent holds is read off it, field by field of the same name.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)


class CameraStatus(_Part):
    """One camera, and what the analysis does with it. Counters are since the start."""

    state: str
    for_s: Figure
    reopened: int
    captured: int
    dropped: int
    brightness: Figure
    profile: str | None
    view: ViewHealth | None = None
    analysed: int
    gated: int
    network_runs: int
    stage_s: dict[str, Figure]
    tracks: dict[str, int]
    """How many things of each label are followed now."""
    silent_s: Figure = None
    """For how long it has given no frame."""
    sharpness: Figure = None
    """Of its picture, and …"""
    noise: Figure = None
    """… its noise, both in grey levels (:mod:`agent.perception.picture_quality`)."""


class MeasureStatus(_Part):
    """A measure that a rule compares with a threshold now; see :mod:`agent.analysis.decision_trace`."""

    name: str
    value: Figure
    threshold: Figure
    needs: Literal["at_least", "at_most"]


class PendingStatus(_Part):
    """A zone in which something may become a case, or is one."""

    camera_id: str
    zone_id: str
    scenario: str
    measures: tuple[MeasureStatus, ...]


class CaseStatus(_Part):
    """An open case."""

    case_id: str
    kind: str
    zone_id: str
    stands_s: Figure


class UplinkStatus(_Part):
    """The way to the platform."""

    connected_since: datetime | None
    sent: int
    confirmed: int
    last_error: str | None
    codes: dict[str, int] = {}
    """The broker's last answer by channel, and …"""
    heard: dict[str, datetime] = {}
    """… when something last came there; see :class:`agent.delivery.channel_rights.ChannelRights`."""
    deaf: str | None = None
    dead_letters: int = 0
    """Events that the broker refused for good, since the start."""
    unreceipted: int = 0
    """Events that no receipt of the platform's named in time, since the start."""


class Software(_Part):
    """The running software and configuration; what is installed by now may differ."""

    pid: int
    agent_version: str
    configuration_sha256: str
    """Of what shapes a judgement, as on the wire."""
    settings_sha256: str
    """Of every single setting."""
    configuration: ConfigurationHealth
    models: tuple[ModelUsed, ...]


class AcceptanceStatus(_Part):
    """Whether people have accepted the device; see :class:`agent.control.messages.service.AcceptanceReply`."""

    state: Literal["none", "refused", "provisional", "complete"]
    result: str | None = None
    at: datetime | None = None
    as_configured: bool = True


class Status(_Part):
    """Everything at one moment."""

    version: Literal[1] = 1
    at: datetime
    uptime_s: Figure
    device_id: str
    address: str
    rate_factor: Figure
    temperature_c: Figure
    cameras: dict[str, CameraStatus]
    pending: tuple[PendingStatus, ...]
    cases: tuple[CaseStatus, ...]
    waiting: dict[str, int]
    """Rows in the outbox, by lane."""
    uplink: UplinkStatus | None
    timezone: str | None = None
    """The site's."""
    boot_id: str | None = None
    """In this boot …"""
    monotonic_s: Figure = None
    """… and the time of writing on the monotonic clock."""
    software: Software | None = None
    storage: StorageHealth | None = None
    verifier: VerifierHealth | None = None
    """None where no scenario here would ask it."""
    acceptance: AcceptanceStatus | None = None


def keep_written(
    folder: Path, status: Callable[[], Status], stop: threading.Event, every_s: float = EVERY_S
) -> None:
    """Write the status every second until stopped; then delete it.

    If it cannot be written, that is logged once; the agent does not depend on it.
    """
    path, told = folder / FILE, False
    while not stop.is_set():
        try:
            # Not durable: it is of this second only, and must wear no card where it lies on one.
            replace_file(path, status().model_dump_json(), durable=False)
        except Exception as error:  # noqa: BLE001 - a view of the watching must never end it
            if not told:
                _log.warning("no status for `kerbwatch watch`: %s", words_of(error))
            told = True
        stop.wait(every_s)
    path.unlink(missing_ok=True)
