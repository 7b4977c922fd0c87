"""What judges and how often, and what is kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from agent.config import upload_url
from agent.config.sections.base import ForPeople, Section


class ModelsSection(Section):
    """The models to use, by folder name."""

    detector: str = "street"
    bin_state: str = "bin-state"
    verifier: str = "verifier"
    """Says what a candidate for a case is. Without it (``""``, or while it is missing or refused) scenarios
    judge by their other rules."""
    threads: int = Field(default=2, ge=1, le=16)


class AnalysisSection(Section):
    """How much is analysed, and how often."""

    frames_per_s: float = Field(default=5.0, gt=0, le=30)
    runs_per_s: float = Field(default=6.0, gt=0, le=100)
    """Upper limit on model runs per second, over all regions of all cameras."""
    change_threshold: float = Field(default=6.0, gt=0, le=255)
    """Mean difference of brightness (0–255) in one cell that counts as a change."""
    look_every_s: float = Field(default=0.4, ge=0)
    """Minimum interval between model runs on a region that keeps changing."""
    look_again_s: float = Field(default=30.0, gt=0)
    """Maximum interval between model runs on an unchanged region."""
    persist_every_s: float = Field(default=3600.0, gt=0)
    """How often a case that stays open is reported again."""
    change_every_s: float = Field(default=60.0, gt=0)
    """How often at most it is reported that members of an open case came or went."""
    hold_back_s: float = Field(default=86_400.0, ge=0, le=366 * 86_400.0)
    """After a reviewer found a case to be a false alarm, what looks alike at its place opens none for so long; 0: it
    does. A day: what is always there would be a false alarm several times a day, as the light changes; and what is
    wrongly held back is one look at one place, and no longer than that."""
    snapshot_every_s: float = Field(default=10.0, gt=0)
    """Interval between snapshots of the analysis, besides those at each event; six times longer while
    no case is pending."""


class EvidenceSection(Section):
    """How pictures are stored, and where else than to the broker redacted ones may go."""

    jpeg_quality: int = Field(default=90, ge=50, le=100)
    close_up_margin: float = Field(default=0.5, ge=0, le=3)
    upload_hosts: tuple[str, ...] = Field(default=(), max_length=16)
    """Hosts to which a picture that was asked for may be put by HTTPS, each ``HOST`` or ``HOST:PORT``."""
    upload_ca_file: Path | None = None
    """Authorities that vouch for these hosts; unless given, the system's."""

    @field_validator("upload_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(upload_url.checked_host(each) for each in hosts)


class CollectionSection(Section):
    """Whether doubtful judgements are stored for labelling; see :mod:`agent.analysis.sample_collection`."""

    consent: Annotated[str, Field(min_length=8, max_length=500), ForPeople] | None = None
    """Who allowed it and in which document; stored with every crop. Without it nothing is stored."""
    quota_mb: float = Field(default=200, gt=0, le=10_000)
    per_day: int = Field(default=40, ge=1, le=10_000)
    min_gap_s: float = Field(default=900, ge=0)
    """Between two crops of one zone and kind."""
    keep_days: int = Field(default=30, ge=1, le=365)

    @property
    def quota_bytes(self) -> float:
        return self.quota_mb * 1e6
