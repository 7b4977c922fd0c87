"""The retention policy: which cases' pictures to delete now, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from agent.storage.lived_time import DAY_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Why = Literal["age", "room"]


@dataclass(frozen=True, slots=True)
class Kept:
    """The pictures of one case.

    Attributes:
        case_id: Whose.
        size_bytes: Of all of them.
        recorded: Position in the order of recording, later is higher. For pictures without a known
            case, 0.
        over: Whether the case is closed. True without a case; pictures of an open case stay.
        heard: Whether the platform has confirmed all events of the case.
        kept_s: How long they have been kept since the case was closed and confirmed; 0 if it is not.
        held: Whether there is a legal hold on the case.
        inodes: How many files, with their folder.
    """

    case_id: str
    size_bytes: int
    recorded: int
    over: bool
    heard: bool
    kept_s: float
    held: bool
    inodes: int = 0


@dataclass(frozen=True, slots=True)
class Going:
    """A case whose pictures are to be deleted, and why: so many files of so many bytes."""

    case_id: str
    size_bytes: int
    files: int
    why: Why

    @classmethod
    def of(cls, kept: Kept, why: Why) -> Self:
        """Delete these."""
        return cls(kept.case_id, kept.size_bytes, max(0, kept.inodes - 1), why)


def choose(
    kept: Iterable[Kept],
    *,
    days: float,
    budget_bytes: float,
    wanted_bytes: float,
    wanted_inodes: int = 0,
) -> Iterator[Going]:
    """Choose which pictures to delete, in order.

    Args:
        kept: All pictures.
        days: How long pictures are kept.
        budget_bytes: Maximum size of all.
        wanted_bytes: Bytes that should become free on the disk; none if not above 0.
        wanted_inodes: Inodes that should become free; none if not above 0.

    Yields:
        First what is past its retention period. Then what makes room: the oldest cases first, confirmed
        ones before the others.
    """
    everything = list(kept)
    free = [each for each in everything if each.over and not each.held]
    old = [each for each in free if each.kept_s >= days * DAY_S]
    yield from (Going.of(each, "age") for each in old)
    going_bytes, going_inodes = (
        sum(each.size_bytes for each in old),
        sum(each.inodes for each in old),
    )
    over_bytes = max(sum(each.size_bytes for each in everything) - budget_bytes, wanted_bytes)
    gone = {each.case_id for each in old}
    for each in sorted(free, key=lambda one: (not one.heard, one.recorded, one.case_id)):
        if going_bytes >= over_bytes and going_inodes >= wanted_inodes:
            return
        if each.case_id not in gone:
            going_bytes, going_inodes = going_bytes + each.size_bytes, going_inodes + each.inodes
            yield Going.of(each, "room")
