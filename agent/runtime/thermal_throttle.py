"""Thermal throttle: lowers the inference rate before the processor's firmware throttles. Pure.

A Pi lowers its clock from 80 °C, and frames are then missed unnoticed. So the analysis rate is lowered
in steps from a lower temperature on, and raised again slowly.
"""

from __future__ import annotations

from dataclasses import dataclass

FALL_PER_S = 1 / 30
RISE_PER_S = 1 / 300
"""The factor falls from full to nothing within half a minute, and comes back within five."""


@dataclass(frozen=True, slots=True)
class ThermalThrottle:
    """Between which temperatures the rate falls, and how far.

    Attributes:
        from_c: Up to this temperature the rate is full.
        full_c: From this temperature on the rate is ``least``.
        least: The least factor, above 0: the device never stops looking.
    """

    from_c: float
    full_c: float
    least: float

    def wanted(self, temperature_c: float | None, *, throttled: bool) -> float | None:
        """The factor for a temperature; None if there is no reading.

        Args:
            temperature_c: Of the processor.
            throttled: Whether the firmware reports that it throttles.
        """
        if throttled:
            return self.least
        if temperature_c is None:
            return None
        share = (temperature_c - self.from_c) / (self.full_c - self.from_c)
        return 1.0 - (1.0 - self.least) * min(1.0, max(0.0, share))


class AnalysisRate:
    """The current factor on the analysis rate. Written by one thread, read by any.

    Args:
        cooling: When to lower the rate.
    """

    def __init__(self, cooling: ThermalThrottle) -> None:
        self._cooling = cooling
        self._now_s: float | None = None
        self.factor = 1.0
        self.temperature_c: float | None = None

    def feel(self, temperature_c: float | None, now_s: float, *, throttled: bool = False) -> float:
        """Take a reading and return the factor, between ``least`` and 1.

        A sensor that falls silent leaves the factor where it is, until the rate of a cool device
        would be reached: silence is no proof of heat, and no proof of its end.
        """
        since_s = 0.0 if self._now_s is None else max(0.0, now_s - self._now_s)
        self._now_s, self.temperature_c = now_s, temperature_c
        wanted = self._cooling.wanted(temperature_c, throttled=throttled)
        if wanted is None:
            return self.factor
        if wanted < self.factor:
            self.factor = max(wanted, self.factor - FALL_PER_S * since_s)
        else:
            self.factor = min(wanted, self.factor + RISE_PER_S * since_s)
        return self.factor
