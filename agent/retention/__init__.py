"""Retention: how long pictures and rows are kept, and what is deleted first when space is short.

A card is full after months of pictures, and pictures of a street may not be kept for longer than needed. So
pictures of closed cases are deleted after their retention period, or earlier when space is short; so are
database rows no longer needed. A legal hold keeps a case's pictures in any case.

The wall clock is not used: ages are measured in lived time (:mod:`agent.storage.lived_time`).
"""

from __future__ import annotations

from agent.config.retention import Settings
from agent.retention.legal_holds import HoldError, LegalHold, LegalHolds, TooManyHoldsError
from agent.retention.sample_crops import SampleCrops
from agent.retention.sweep import Outcome, Retention

__all__ = [
    "HoldError",
    "LegalHold",
    "LegalHolds",
    "Outcome",
    "Retention",
    "SampleCrops",
    "Settings",
    "TooManyHoldsError",
]
