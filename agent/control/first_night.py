"""The first night after an acceptance: what nobody at the pole can judge by day is judged by the agent itself.

Pure: it takes one look a minute and the site's local hour, and says in the end what each camera's night was like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from agent.analysis.reference_image import BRIGHT, DARK
from agent.protocol.service import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

FROM_H, UNTIL_H = 22, 5
"""The night, in hours of the site's clock: dark at any season where people live."""
NEEDED_MIN = 180
"""So many minutes of it have to be seen: a device that was off for most of a night says nothing of it."""
MOST, HALF = 0.8, 0.5
"""Shares of the minutes from which on a night was good, and from which on it was bearable."""


class Sample(BaseModel):
    """One camera in one minute.

    Attributes:
        good: Whether its view was as it was commissioned.
        brightness: Mean of its picture, 0 to 255; None: it gave none.
        profile: The name of the profile that holds; None: the plain settings.
        has_profiles: Whether it has any.
    """

    model_config = ConfigDict(frozen=True)

    good: bool
    brightness: float | None
    profile: str | None
    has_profiles: bool


class _Camera(BaseModel):
    minutes: int = 0
    good: int = 0
    lit: int = 0
    profiled: int = 0
    has_profiles: bool = False


class FirstNight(BaseModel):
    """What was seen of the night so far; kept over restarts as JSON."""

    minutes: int = 0
    cameras: dict[str, _Camera] = {}

    def add(self, hour: int, samples: Mapping[str, Sample]) -> None:
        """Take one look a minute; by day it counts for nothing.

        Args:
            hour: Of the site's clock.
            samples: By camera.
        """
        if not is_night(hour):
            return
        self.minutes += 1
        for camera_id, sample in samples.items():
            one = self.cameras.setdefault(camera_id, _Camera())
            one.minutes += 1
            one.good += sample.good
            one.lit += sample.brightness is not None and DARK <= sample.brightness <= BRIGHT
            one.profiled += sample.profile is not None
            one.has_profiles = sample.has_profiles

    def is_over(self, hour: int) -> bool:
        """Whether enough of a night was seen, and it is day again."""
        return self.minutes >= NEEDED_MIN and not is_night(hour)

    def checks(self) -> tuple[Check, ...]:
        """What each camera's night was like: its view, its light, and its profile where it has any."""
        found = []
        for camera_id, one in sorted(self.cameras.items()):
            shares = {"night_view": one.good, "night_light": one.lit}
            if one.has_profiles:
                shares["night_profile"] = one.profiled
            found += [
                Check(code=code, state=_state(count / max(1, one.minutes)), subject=camera_id)
                for code, count in shares.items()
            ]
        return tuple(found)


def is_night(hour: int) -> bool:
    """Whether an hour of the site's clock is of the night."""
    return hour >= FROM_H or hour < UNTIL_H


def _state(share: float) -> Literal["passed", "remark", "failed"]:
    if share >= MOST:
        return "passed"
    return "remark" if share >= HALF else "failed"
