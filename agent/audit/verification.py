"""Reading the audit log, and finding where its chain breaks."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agent.audit.log import (
    OF_PLATFORM,
    ORDERS_RECORDED,
    ORIGIN,
    AuditError,
    AuditRecord,
    Head,
    segments,
)
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAMES = frozenset((*AuditRecord.__slots__, "hash"))


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain does not hold: the file, the line in it, and what is wrong there."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying found.

    Attributes:
        records: How many were read.
        first: The number of the oldest that is kept; 0 if there is none.
        head: The newest.
        breaks: Empty if the chain holds.
    """

    records: int
    first: int
    head: Head
    breaks: tuple[Break, ...]


def records(folder: Path) -> Iterator[AuditRecord]:
    """The records as they stand, the oldest first; lines that are none are left out.

    Raises:
        AuditError: The log cannot be read.
    """
    for _, _, record, _ in _lines(folder):
        if record is not None:
            yield record


def verify(folder: Path, known: Head | None = None) -> Verification:
    """Follow the chain from its beginning to its end.

    Args:
        folder: The log's.
        known: A head that was told at some time, as by a heartbeat: it must be in the chain. Without
            it, records that were cut off at the end are not missed.

    Raises:
        AuditError: The log cannot be read.
    """
    breaks: list[Break] = []
    chain: list[AuditRecord] = []
    expected: Head | None = None
    found_known = known is None or known.number == 0
    for file, number, record, claimed in _lines(folder):
        if record is None:
            breaks.append(Break(file, number, said("this line is no record")))
            continue
        reason = _wrong(record, claimed, expected)
        if reason is not None:
            breaks.append(Break(file, number, reason))
        found_known = found_known or Head(record.number, claimed) == known
        expected = Head(record.number, claimed)
        chain.append(record)
    breaks += _beginning(folder, chain)
    if not found_known and known is not None:
        breaks.append(_missing(folder, known, chain))
    return Verification(
        records=len(chain),
        first=chain[0].number if chain else 0,
        head=expected or Head(0, ORIGIN),
        breaks=tuple(breaks),
    )


def verify_orders(folder: Path) -> Verification:
    """Verify the platform's log, and compare it with its newest record that the device's own log names.

    Args:
        folder: The device's own log's.

    Raises:
        AuditError: The log cannot be read.
    """
    orders, known = folder / OF_PLATFORM, None
    for each in records(folder):
        if each.what == ORDERS_RECORDED and isinstance(each.facts.get("number"), int):
            known = Head(each.facts["number"], str(each.facts.get("hash")))
    verdict = verify(orders)
    if known is not None and known.number >= verdict.first:  # else it has been let go since
        verdict = verify(orders, known)
    in_folder = (replace(each, file=f"{OF_PLATFORM}/{each.file}") for each in verdict.breaks)
    return replace(verdict, breaks=tuple(in_folder))


def _wrong(record: AuditRecord, claimed: str, expected: Head | None) -> str | None:
    """What is wrong with a record, given the one before it."""
    if record.hash != claimed:
        return said("the record does not match its hash: it was changed")
    if expected is None:
        return None
    if record.previous != expected.hash:
        return said("the record does not follow the one before it")
    if record.number != expected.number + 1:
        return said(
            "number {number} follows {before}", number=record.number, before=expected.number
        )
    return None


def _beginning(folder: Path, chain: list[AuditRecord]) -> list[Break]:
    """The oldest record must be number 1, or be named where older ones were deleted."""
    if not chain:
        return []
    first = chain[0]
    if (first.number, first.previous) == (1, ORIGIN):
        return []
    rolled = [each for each in chain if each.what == "audit.oldest_let_go"]
    if rolled and rolled[-1].facts == {"first_kept": first.number, "previous": first.previous}:
        return []
    reason = said("records before number {number} are missing", number=first.number)
    return [Break(segments(folder)[0].name, 1, reason)]


def _missing(folder: Path, known: Head, chain: list[AuditRecord]) -> Break:
    last = chain[-1].number if chain else 0
    found = segments(folder)
    if known.number > last:
        reason = said(
            "record {number} is missing: the log ends at {last}", number=known.number, last=last
        )
    else:
        reason = said("record {number} is not the one that was reported", number=known.number)
    return Break(found[-1].name if found else "–", 0, reason)


def _lines(folder: Path) -> Iterator[tuple[str, int, AuditRecord | None, str]]:
    """File, line number, record and the hash that it names; None for what is no record."""
    try:
        for path in segments(folder):
            with path.open("rb") as opened:
                for number, line in enumerate(opened, 1):
                    yield (path.name, number, *_parsed(line))
    except OSError as error:
        raise AuditError(folder, reason_of(error)) from error


def _parsed(line: bytes) -> tuple[AuditRecord | None, str]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None, ""
    if not _is_record(told):
        return None, ""
    claimed = told.pop("hash")
    record = AuditRecord(**told)
    try:
        _ = record.hash
    except (ValueError, RecursionError):  # what no JSON of ours holds, such as half a character
        return None, ""
    return record, claimed


def _is_record(told: Any) -> bool:
    if not isinstance(told, dict) or told.keys() != _NAMES:
        return False
    numbers = all(
        isinstance(told[name], int) and not isinstance(told[name], bool)
        for name in ("number", "monotonic_s")
    )
    texts = ("at", "clock", "boot_id", "by", "what", "previous", "hash")
    return (
        numbers
        and isinstance(told["facts"], dict)
        and all(isinstance(told[name], str) for name in texts)
    )
