"""A remark: one implausible setting of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from wording.messages import Said, said


@dataclass(frozen=True, slots=True)
class Remark:
    """What is odd, what that means for the device, and what to do.

    ``what`` begins with the place in the configuration. ``blind``: because of it, the device judges nothing at
    all.
    """

    what: str
    meaning: Said
    remedy: Said
    blind: bool = False


def zone_key(index: int, key: str, zone_id: str) -> Said:
    """The place of one key of a zone, as in faults."""
    return said("{where} (zone {name!r})", where=f"zones.{index}.{key}", name=zone_id)


def at_zone(index: int, key: str, zone_id: str, what: str) -> Said:
    """A remark on one key of a zone, with its place as in faults."""
    return said("{where}: {message}", where=zone_key(index, key, zone_id), message=what)
