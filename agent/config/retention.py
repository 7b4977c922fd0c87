"""The retention settings: how long data is kept, and how much space pictures may take."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """The ``[retention]`` section.

    Days count from when a case was over *and* the platform had heard of it; of other rows, from when
    nothing waited for them any more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pictures_days: float = Field(default=30, gt=0, le=3650)
    pictures_mb: float = Field(default=4000, ge=10, le=1_000_000)
    """What all pictures of cases may take; then the oldest go, those that the platform heard of first."""
    min_free_mb: float = Field(default=300, ge=0, le=1_000_000)
    """So much of the disk stays free of pictures."""
    min_free_inodes: int = Field(default=5000, ge=0, le=100_000_000)
    """So many more files the disk has room for, or a twentieth of what it can hold, if that is less."""
    cases_days: float = Field(default=180, gt=0, le=3650)
    """Closed cases, and why they opened (of the newest thousand)."""
    letters_days: float = Field(default=30, gt=0, le=3650)
    """Events that the broker refused permanently; they were reported as lost."""
    losses_days: float = Field(default=180, gt=0, le=3650)
    """Reported losses."""
    tracks_hours: float = Field(default=24, gt=0, le=168)
    """Tracks of the last hours, without pictures, for dry runs of other zones."""
    every_s: float = Field(default=600, ge=1)
    """Interval between two passes of the agent."""
