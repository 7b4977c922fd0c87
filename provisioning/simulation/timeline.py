"""How a device's own time goes: in an outage it may live through a day within minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provisioning.simulation.plan import Outage


class Timeline:
    """Seconds of a simulation, and of the life of a device in it; both begin at 0.

    Args:
        outage: In which it lives faster; None: it never does.
    """

    def __init__(self, outage: Outage | None) -> None:
        self._at_s, self._for_s, self._lived_s = 0.0, 0.0, 0.0
        if outage is not None:
            self._at_s, self._for_s = outage.at_s, outage.for_s
            self._lived_s = outage.hours * 3600

    def lived_s(self, at_s: float) -> float:
        """How long a device has lived when the simulation is ``at_s`` old."""
        within_s = min(max(0.0, at_s - self._at_s), self._for_s)
        return at_s - within_s + (within_s * self._lived_s / self._for_s if within_s else 0.0)

    def at_s(self, lived_s: float) -> float:
        """How old the simulation is when a device has lived for ``lived_s``."""
        within_s = min(max(0.0, lived_s - self._at_s), self._lived_s)
        return lived_s - within_s + (within_s * self._for_s / self._lived_s if within_s else 0.0)
