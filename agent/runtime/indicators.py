"""The GPIO indicators and switches: light, button, tamper switch, fan, lamp, buzzer.

The judging parts are pure and take the time as an argument; :class:`Indicators` runs them on the pins.
"""

from __future__ import annotations

import enum
import logging
import time
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from agent.capture.camera_profiles import CameraProfile, ProfileSwitcher
from drivers.gpio import OUTPUTS, GpioError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime

    from agent.config.schema import GpioSection
    from drivers.gpio import Gpio

STEP_S = 0.05
"""The pins are looked at this often: a button's bounce is shorter, a press longer."""
LONG_PRESS_S = 5.0
IDENTIFY_S = 30.0
BEEP_S = 0.3
LOOK_EVERY_S = 1.0
WARN_S, WARN_BEEPS_S = 10.0, 3.0
"""So long the lamp flashes to warn, and so long of that the buzzer sounds."""
WARN_PATTERN = (0.5, 0.5)
"""Seconds on and off of both."""

_log = logging.getLogger(__name__)


class Sign(enum.IntEnum):
    """What the light shows; if several apply, the first in this list."""

    IDENTIFY = 0
    FAULT = 1
    TRIAL = 2
    TESTING = 3
    TESTED = 4
    ACCEPTED = 5
    TAMPER = 6
    CAMERA_LOST = 7
    HOT = 8
    ENROLLING = 9
    STARTING = 10
    OFFLINE = 11
    SEEDED = 12
    WAITING = 13
    PROVISIONAL = 14
    WATCHING = 15


PATTERNS: dict[Sign, tuple[float, ...]] = {
    Sign.IDENTIFY: (0.1, 0.1),
    Sign.FAULT: (1.0,),
    Sign.TRIAL: (0.9, 0.1),
    Sign.TESTING: (0.1, 0.4),
    Sign.TESTED: (0.8, 0.2, 0.8, 1.2),
    Sign.ACCEPTED: (0.8, 0.2, 0.8, 0.2, 0.8, 1.2),
    Sign.TAMPER: (1.0, 1.0),
    Sign.CAMERA_LOST: (0.2, 0.3, 0.2, 0.3, 0.2, 1.8),
    Sign.HOT: (0.2, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2, 1.8),
    Sign.ENROLLING: (0.1, 0.3, 0.8, 1.8),
    Sign.STARTING: (0.5, 0.5),
    Sign.OFFLINE: (0.2, 0.3, 0.2, 2.3),
    Sign.SEEDED: (0.8, 2.2),
    Sign.WAITING: (0.8, 0.3, 0.1, 1.8),
    Sign.PROVISIONAL: (0.1, 1.4),
    Sign.WATCHING: (0.1, 2.9),
}
"""Seconds on, off, on, off …; one number alone is steady light. The table is in docs/signals.md."""
AT_WORK = frozenset({Sign.TRIAL, Sign.TESTING, Sign.TESTED, Sign.ACCEPTED})
"""Steps of somebody who works at the open housing and waits for them: they go before what he knows."""
SOUNDS: dict[Sign, tuple[float, ...]] = {
    Sign.TRIAL: (0.1,),
    Sign.TESTED: (0.1, 0.1, 0.1),
    Sign.ACCEPTED: (0.1, 0.1, 0.1, 0.1, 0.1),
}
"""Seconds on, off, on of the buzzer as a step begins; never in the quiet times."""


def is_quiet(section: GpioSection, local: datetime) -> bool:
    """Whether the buzzer is silent at a time of the site's clock."""
    return any(each.window.holds(local) for each in section.quiet)


def can_warn(section: GpioSection, local: datetime) -> bool:
    """Whether anybody could notice a warning at a time of the site's clock: by the lamp, or by a buzzer that may sound."""
    return section.lamp is not None or (section.buzzer is not None and not is_quiet(section, local))


def lit(sign: Sign, at_s: float) -> bool:
    """Whether the light is on at a moment of a sign's pattern."""
    pattern = PATTERNS[sign]
    if len(pattern) == 1:
        return True
    place_s = at_s % sum(pattern)
    index = sum(end_s <= place_s for end_s in accumulate(pattern))
    return index % 2 == 0


@dataclass(frozen=True, slots=True)
class Situation:
    """The state of the device that the indicators show."""

    running_cameras: int
    lost_cameras: int
    analysed_frames: int
    hot: bool
    online: bool | None
    """None where no broker is configured."""
    open_cases: int
    brightness: float | None
    """Mean brightness, 0 to 255, of the cameras that run."""
    step: Sign | None = None
    """Of installing; None: nobody installs it."""


def sign_of(situation: Situation, *, opened: bool | None, identify: bool, fault: bool) -> Sign:
    """The most important sign that applies."""
    if identify:
        return Sign.IDENTIFY
    if fault:
        return Sign.FAULT
    step = situation.step
    if step in AT_WORK:
        return step
    if opened:
        return Sign.TAMPER
    if situation.lost_cameras:
        return Sign.CAMERA_LOST
    if situation.hot:
        return Sign.HOT
    if step is Sign.ENROLLING:
        return step
    if not situation.analysed_frames:
        return Sign.STARTING
    if situation.online is False:
        return Sign.OFFLINE
    return Sign.WATCHING if step is None else step


def sounds(sign: Sign, for_s: float) -> bool:
    """Whether the buzzer sounds so long after a sign began."""
    ends = accumulate(SOUNDS.get(sign, ()))
    index = sum(end_s <= for_s for end_s in ends)
    return index < len(SOUNDS.get(sign, ())) and index % 2 == 0


class Thermostat:
    """Switches a fan without chattering.

    Args:
        on_c: It runs from this temperature up.
        off_c: It stops from this temperature down; below ``on_c``.
    """

    def __init__(self, on_c: float, off_c: float) -> None:
        self._on_c, self._off_c = on_c, off_c
        self.on = False

    def feel(self, temperature_c: float | None) -> bool:
        """Take a reading; without one the fan runs."""
        if temperature_c is None or temperature_c >= self._on_c:
            self.on = True
        elif temperature_c <= self._off_c:
            self.on = False
        return self.on


Press = str
"""``short`` or ``long``."""


class Button:
    """Distinguishes short from long presses, from samples ``STEP_S`` apart."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._told = False

    def sample(self, now_s: float, *, pressed: bool) -> Press | None:
        """Take a sample; a long press is reported while it lasts, a short one when it ends."""
        if not pressed:
            since_s, told = self._since_s, self._told
            self._since_s, self._told = None, False
            real = since_s is not None and now_s - since_s >= 2 * STEP_S
            return "short" if real and not told else None
        if self._since_s is None:
            self._since_s = now_s
        if not self._told and now_s - self._since_s >= LONG_PRESS_S:
            self._told = True
            return "long"
        return None


class Indicators:
    """Drives the pins by the state of the device.

    Args:
        gpio: Open pins; :meth:`close` closes them.
        section: What is configured.
        situation: Asked once a second.
        temperature_c: Asked likewise.
        local: The site's wall clock.
        soon: Called when a heartbeat should go at once.
        end: Called at a long press: the agent stops, and its unit starts it again.
        pressed: Called at a short press, beside: who stands here may want the page.
        fault: Whether a part of the agent has ended.
    """

    def __init__(
        self,
        gpio: Gpio,
        section: GpioSection,
        *,
        situation: Callable[[], Situation],
        temperature_c: Callable[[], float | None],
        local: Callable[[], datetime],
        soon: Callable[[], None],
        end: Callable[[], None],
        fault: Callable[[], bool],
        pressed: Callable[[], None] = lambda: None,
    ) -> None:
        self._gpio, self._section = gpio, section
        self._situation, self._temperature_c, self._local = situation, temperature_c, local
        self._soon, self._end, self._fault = soon, end, fault
        self._pressed = pressed
        self._button = Button()
        self._thermostat = Thermostat(section.fan_on_c, section.fan_off_c)
        lamp = section.lamp_is_on
        windows = tuple(each.window for each in lamp.when)
        self._lamp = ProfileSwitcher(
            [CameraProfile("dark", windows, lamp.darker_than, None, lamp.hold_s)]
        )
        self._opened = gpio.opened
        self._identify_until_s = self._beep_until_s = self._warned_s = float("-inf")
        self._lamp_is_on = False
        self._cases = 0
        self._sign, self._sign_s = Sign.STARTING, float("-inf")

    @property
    def inputs(self) -> dict[str, bool]:
        """The switches, as in the heartbeat."""
        return {} if self._opened is None else {"tamper": self._opened}

    def identify(self, seconds: float) -> None:
        """Let light and buzzer say which device this is, for so long; from any thread."""
        now_s = time.monotonic()
        self._identify_until_s = now_s + seconds
        if not is_quiet(self._section, self._local()):
            self._beep_until_s = now_s + BEEP_S

    def warn(self, local: datetime) -> bool:
        """Warn whoever stands there, by lamp and buzzer; from any thread.

        Args:
            local: The site's clock.

        Returns:
            Whether anybody could notice.
        """
        if not can_warn(self._section, local):
            return False
        self._warned_s = time.monotonic()
        return True

    def run(self, stop: threading.Event) -> None:
        """Keep in step until told to stop; then everything is switched off.

        Only the light stays on where a fault ends the run: the threads are still given time to end,
        and whoever stands before the pole is to see that this is no planned end.
        """
        looked_s, situation = float("-inf"), self._situation()
        try:
            while not stop.is_set():
                now_s = time.monotonic()
                if now_s - looked_s >= LOOK_EVERY_S:
                    looked_s, situation = now_s, self._situation()
                    self._heed(situation, now_s)
                self._step(situation, now_s)
                stop.wait(STEP_S)
        finally:
            for output in OUTPUTS:
                self._gpio.switch(output, on=output == "led" and self._fault())

    def close(self) -> None:
        """Switch everything off and release the pins, once the run's thread has ended."""
        try:
            self._gpio.close()
        except GpioError as error:
            _log.warning("%s", error)

    def _heed(self, situation: Situation, now_s: float) -> None:
        """Handle what needs one look a second: fan, lamp, a newly opened case."""
        self._gpio.switch("fan", on=self._thermostat.feel(self._temperature_c()))
        if situation.brightness is not None:
            local = self._local()
            dark = self._lamp.choose(local, situation.brightness, now_s) == "dark"
            self._lamp_is_on = dark
        if situation.open_cases > self._cases and not is_quiet(self._section, self._local()):
            self._beep_until_s = now_s + BEEP_S
        self._cases = situation.open_cases

    def _step(self, situation: Situation, now_s: float) -> None:
        press = self._button.sample(now_s, pressed=self._gpio.pressed)
        if press == "short":
            _log.info("the button was pressed")
            self._identify_until_s = now_s + IDENTIFY_S
            self._soon()
            self._pressed()
        elif press == "long":
            _log.warning("the button was held: the agent ends")
            self._end()
        opened = self._gpio.opened
        if opened != self._opened:
            self._opened = opened
            _log.warning("the housing is %s", "open" if opened else "closed")
            self._soon()
        identify = now_s < self._identify_until_s
        sign = sign_of(situation, opened=opened, identify=identify, fault=self._fault())
        if sign is not self._sign:
            self._sign, self._sign_s = sign, now_s
        self._gpio.switch("led", on=lit(sign, now_s))
        since_s = now_s - self._warned_s
        flash = since_s % sum(WARN_PATTERN) < WARN_PATTERN[0]
        lamp = flash if since_s < WARN_S else self._lamp_is_on
        self._gpio.switch("lamp", on=lamp)
        wants = (since_s < WARN_BEEPS_S and flash) or sounds(sign, now_s - self._sign_s)
        beeps = wants and not is_quiet(self._section, self._local())
        self._gpio.switch("buzzer", on=beeps or now_s < self._beep_until_s)
