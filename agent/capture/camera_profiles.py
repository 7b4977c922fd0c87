"""Day and night: which of a camera's profiles holds, by schedule and by light.

A profile holds when its schedule does and the light has said so for long enough; one that names
neither holds always. The first that holds is taken; if none does, the camera's plain settings are.
Light has hysteresis, because a longer exposure makes the night look like day.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from agent.capture.camera_reader import CameraActivity
    from agent.domain.schedule import Window
    from drivers.cameras import Camera, Frame

MARGIN = 15.0
"""Once dark, it is bright again only this much above the threshold (of 255), and the reverse."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CameraProfile:
    """When other settings of a camera hold.

    Attributes:
        name: As in the configuration.
        windows: Stretches of local time; empty: at any time.
        darker_than: Mean brightness, 0 to 255, below which it is dark enough; None: in any light.
        brighter_than: Likewise above which it is bright enough.
        hold_s: For how long the light must say so.
    """

    name: str
    windows: tuple[Window, ...] = ()
    darker_than: float | None = None
    brighter_than: float | None = None
    hold_s: float = 30.0


class _Light:
    """One threshold of light, with hysteresis and a hold."""

    def __init__(self, threshold: float, hold_s: float, *, darker: bool) -> None:
        self._threshold, self._hold_s, self._darker = threshold, hold_s, darker
        self._holds: bool | None = None
        self._against_since_s: float | None = None

    def feel(self, luma: float, now_s: float) -> bool:
        margin = (MARGIN if self._darker else -MARGIN) if self._holds else 0.0
        limit = self._threshold + margin
        says = luma < limit if self._darker else luma > limit
        if self._holds is None:
            self._holds = says  # at the first frame there is nothing to wait for
        elif says == self._holds:
            self._against_since_s = None
        elif self._against_since_s is None:
            self._against_since_s = now_s
        elif now_s - self._against_since_s >= self._hold_s:
            self._holds, self._against_since_s = says, None
        return bool(self._holds)


class ProfileSwitcher:
    """Chooses among the profiles of one camera. Pure.

    Args:
        profiles: In the order of the configuration.
    """

    def __init__(self, profiles: Sequence[CameraProfile]) -> None:
        self._profiles = [(profile, _lights(profile)) for profile in profiles]

    def choose(self, local: datetime, luma: float, now_s: float) -> str | None:
        """The name of the profile that holds; None for the plain settings.

        Args:
            local: The site's wall clock.
            luma: The frame's mean brightness, 0 to 255.
            now_s: The frame's ``monotonic_s``.
        """
        chosen = None
        for profile, lights in self._profiles:
            felt = [light.feel(luma, now_s) for light in lights]  # every one, at every frame
            due = not profile.windows or any(window.holds(local) for window in profile.windows)
            if chosen is None and due and all(felt):
                chosen = profile.name
        return chosen


def _lights(profile: CameraProfile) -> list[_Light]:
    lights = []
    if profile.darker_than is not None:
        lights.append(_Light(profile.darker_than, profile.hold_s, darker=True))
    if profile.brighter_than is not None:
        lights.append(_Light(profile.brighter_than, profile.hold_s, darker=False))
    return lights


class Switch:
    """Adjusts one camera when another profile holds, and after every reopening.

    Args:
        daylight: Chooses.
        settings: The driver's settings by profile; None: the plain ones.
        timezone: The site's.
        activity: Told the profile's name.
    """

    def __init__(
        self,
        daylight: ProfileSwitcher,
        settings: Mapping[str | None, Any],
        timezone: tzinfo,
        activity: Callable[[], CameraActivity],
    ) -> None:
        self._daylight, self._settings = daylight, settings
        self._timezone, self._activity = timezone, activity
        self._camera: Camera | None = None
        self._profile: str | None = None

    def look_at(self, frame: Frame, camera: Camera) -> None:
        """Take one frame of the open camera.

        Raises:
            CameraError: The camera refused the settings; it is lost then, as while reading.
        """
        local = frame.captured_at.astimezone(self._timezone)
        profile = self._daylight.choose(local, float(frame.luma.mean()), frame.monotonic_s)
        if camera is not self._camera:
            self._camera, self._profile = camera, None  # opened anew, with the plain settings
        if profile == self._profile:
            return
        adjust = getattr(camera, "adjust", None)
        if adjust is None:
            _log.warning("camera %s cannot be adjusted while it runs", frame.camera_id)
        else:
            adjust(self._settings[profile])
            _log.info("camera %s: profile %s", frame.camera_id, profile or "of the day")
        self._profile = self._activity().profile = profile
