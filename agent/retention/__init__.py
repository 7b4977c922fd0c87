"""What is kept for how long, and what goes first when there is no room.

A card is full after months of pictures, and nobody may keep pictures of a street for longer than they
are needed. So pictures of cases that are over go after a time, and earlier where there is no room; so do
rows that nothing asks for any more. A legal hold keeps a case's pictures whatever else is said.

No wall clock decides: things age by the time that the device has lived through (:mod:`.lifetime`).
"""

from __future__ import annotations

from agent.config.retention import Settings
from agent.retention.legal_holds import Hold, HoldError, Holds, TooManyHoldsError
from agent.retention.sample_crops import Crops
from agent.retention.sweep import Outcome, Retention

__all__ = [
    "Crops",
    "Hold",
    "HoldError",
    "Holds",
    "Outcome",
    "Retention",
    "Settings",
    "TooManyHoldsError",
]
