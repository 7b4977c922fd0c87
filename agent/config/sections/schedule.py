"""Stretches of local time."""

from __future__ import annotations

from datetime import time

from pydantic import Field, field_validator

from agent.config.sections.base import Section
from agent.domain.schedule import Window
from wording.messages import said


class WindowSection(Section):
    """A stretch of local time on some days of the week (1 Monday … 7 Sunday)."""

    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    begin: time = Field(alias="from")
    end: time = Field(alias="to")

    @field_validator("days")
    @classmethod
    def _days_of_the_week(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if not days or any(not 1 <= day <= 7 for day in days):
            raise ValueError(said("days are 1 (Monday) to 7 (Sunday), at least one"))
        return days

    @field_validator("begin", "end")
    @classmethod
    def _local(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError(said('give local time as "HH:MM", without a zone'))
        return value

    @property
    def window(self) -> Window:
        return Window(self.days, self.begin, self.end)
