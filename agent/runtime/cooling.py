"""The thread that lowers the analysis rate while the processor is hot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from drivers.power import read_power
from drivers.temperature import processor_c

if TYPE_CHECKING:
    from agent.runtime.run_context import RunContext

FEEL_EVERY_S = 5.0
HOT_ENOUGH = 0.05
"""Changes of the analysis rate smaller than this are not worth a line in the log."""

_log = logging.getLogger(__name__)


def keep_cool(run: RunContext) -> None:
    """Lower the inference rate while it is hot, and log that; until the run ends."""
    pace, stop, sensor = run.pace, run.workers.stop, run.configuration.cooling.sensor
    told = pace.factor
    while not stop.is_set():
        power = read_power()
        throttled = power is not None and power.throttled
        factor = pace.feel(processor_c(sensor), run.clock.monotonic_s(), throttled=throttled)
        if abs(factor - told) > HOT_ENOUGH or (factor == 1.0) != (told == 1.0):
            _log.warning("analysis rate × %.2f at %s °C", factor, pace.temperature_c)
            told = factor
        stop.wait(FEEL_EVERY_S)
