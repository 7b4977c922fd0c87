"""The connection to the platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from agent.config import broker_address
from agent.config.sections.base import ForPeople, Section
from wording.messages import said


class DailyBytesSection(Section):
    """Data budget of a metered link per day, by class; see :mod:`agent.delivery.data_budget`. None: no limit."""

    cases: int | None = Field(default=None, ge=0)
    backlog: int | None = Field(default=None, ge=0)
    evidence: int | None = Field(default=None, ge=0)
    health: int | None = Field(default=None, ge=0)
    rest: int | None = Field(default=None, ge=0)

    def limits(self) -> dict[str, int]:
        """The limits that are set."""
        return {name: limit for name, limit in self if limit is not None}


class UplinkSection(Section):
    """The connection to the platform. Without a broker everything stays in the outbox."""

    broker: str | None = Field(default=None, pattern=r"^mqtts?://[^\s/@]+$")
    topic_prefix: Annotated[str, Field(pattern=r"^[^#+.\s]+$", max_length=200), ForPeople] = (
        "kerbwatch/v2"
    )
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = Field(default=None, validate_default=True)
    username: Annotated[str, Field(max_length=200), ForPeople] | None = None
    password_file: Path | None = None
    keepalive_s: int = Field(default=30, ge=5, le=30)
    window_bytes: int = Field(default=32_768, ge=1024)
    backlog_events_per_message: int = Field(default=20, ge=1, le=50)
    connect_timeout_s: float = Field(default=10, gt=0)
    acknowledge_timeout_s: float = Field(default=30, gt=0)
    reconnect_max_s: float = Field(default=60, gt=0)
    heartbeat_s: float = Field(default=60, gt=0)
    """How often the device's health is looked at, and told where something is news."""
    heartbeat_full_s: float = Field(default=3600, ge=0)
    """How often all of it is told; 0: each time. It is told with every connection, too."""
    heartbeat_silence_s: float = Field(default=600, gt=0)
    """How long nothing may be told at most: a sign of life."""
    confirm: Literal["broker", "platform"] = "broker"
    """What confirms an event: the broker's acknowledgement, or the platform's receipt."""
    receipt_timeout_s: float = Field(default=60, gt=0)
    """An event that the broker acknowledged but no receipt names is sent again after this time, or later
    where receipts come late."""
    keep_arrived: int = Field(default=5000, ge=0, le=1_000_000)
    """Number of confirmed events kept, in case the platform requests them again."""
    backlog_events_per_s: float | None = Field(default=None, gt=0, le=1e9)
    """Maximum rate of the backlog; the platform may set another."""
    pack_backlog: bool = True
    """Whether batches of the backlog are compressed with gzip."""
    live_within_s: float = Field(default=30, gt=0)
    """An event older than this when it is first sent is flagged as historical."""
    daily_summary: bool = True
    """Whether a summary of each day is sent to the platform."""
    daily_bytes: DailyBytesSection = DailyBytesSection()

    @field_validator("broker", mode="before")
    @classmethod
    def _host_and_port(cls, value: Any) -> Any:
        return broker_address.checked(value) if isinstance(value, str) else value

    @field_validator("key_file")
    @classmethod
    def _certificate_and_key_together(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        # A fault of its own field: those of others do not hide it.
        if "certificate_file" in info.data and (info.data["certificate_file"] is None) != (
            value is None
        ):
            raise ValueError(
                said("certificate_file and key_file go together: give both or neither")
            )
        return value

    def located(self, base: Path) -> Self:
        """These settings with relative paths taken from the folder ``base``."""
        moved = {name: base / value for name, value in self if isinstance(value, Path)}
        return self.model_copy(update=moved)
