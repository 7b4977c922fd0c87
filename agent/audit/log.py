"""Appending to the audit log."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from drivers.disk import make_folder, refusal, sync_folder
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from drivers.clock import Clock

ORIGIN = "0" * 64
"""What the first record of all names as the hash before it."""
SEGMENT_BYTES = 1_000_000
SEGMENTS_KEPT = 16
"""Of ordinary years: a device writes some hundred kilobytes of it in one."""
OF_PLATFORM = "platform"
"""The folder of the log of what the platform orders, in that of the device's own."""
ORDERS_RECORDED = "orders.recorded"
"""A record of the device's own log that names the newest one of that."""
_LONGEST_BYTES = 65_536
"""No record is longer; so much is read from the end to find the last one."""


class AuditError(OSError):
    """The audit log could not be written or read."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(said("audit log in {folder}: {reason}", folder=folder, reason=reason))
        self.folder, self.reason = folder, reason


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One thing that was done.

    Attributes:
        number: Counts all records of the device from 1; it never begins anew.
        at: When, by the wall clock, as ISO 8601 in UTC.
        clock: ``synchronised`` or ``unsynchronised``: then ``at`` may be wrong by years.
        boot_id: Which boot it was …
        monotonic_s: … and when in it.
        by: Whose doing: ``agent``, or the command and its user.
        what: The kind, such as ``configuration.changed``.
        facts: Text, whole numbers, lists and tables of them.
        previous: The hash of the record before.
    """

    number: int
    at: str
    clock: str
    boot_id: str
    monotonic_s: int
    by: str
    what: str
    facts: Mapping[str, Any]
    previous: str

    @property
    def hash(self) -> str:
        """SHA-256 of the hash before it (hexadecimal) and the record as canonical JSON, joined.

        Canonical as by RFC 8785: keys sorted, no spaces, UTF-8; there are no fractions in it.
        """
        facts = {name: getattr(self, name) for name in self.__slots__}
        return hashlib.sha256((self.previous + canonical(facts)).encode()).hexdigest()

    def line(self) -> str:
        """The record as it is written: its own canonical JSON with its hash, and a line's end."""
        facts = {name: getattr(self, name) for name in self.__slots__}
        return canonical({**facts, "hash": self.hash}) + "\n"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record: its number (0: there is none) and its hash."""

    number: int
    hash: str


class AuditLog:
    """The log of one device. From any thread and any process.

    Args:
        folder: Where it lies; made at the first record.
        clock: For the records' times.
        by: Whose doing is recorded.
        segments_kept: So many files of a megabyte; :data:`SEGMENTS_KEPT` unless told.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        by: str = "agent",
        *,
        segments_kept: int | None = None,
    ) -> None:
        self._folder, self._clock, self.by = folder, clock, by
        self._segments_kept = SEGMENTS_KEPT if segments_kept is None else segments_kept

    def append(self, what: str, **facts: Any) -> AuditRecord:
        """Record something; it is on the disk when this returns.

        Raises:
            AuditError: The disk did not take it.
            ValueError: The facts are too long, or no JSON.
        """
        try:
            with self._alone():
                return self._append(what, facts)
        except OSError as error:
            raise AuditError(self._folder, refusal(error, self._folder)) from error

    def head(self) -> Head:
        """The newest record.

        Raises:
            AuditError: The log cannot be read.
        """
        try:
            found = segments(self._folder)
            return _last(found[-1])[0] if found else Head(0, ORIGIN)
        except OSError as error:
            raise AuditError(self._folder, refusal(error, self._folder)) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        make_folder(self._folder)
        lock = self._folder / "lock"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _append(self, what: str, facts: Mapping[str, Any]) -> AuditRecord:
        found = segments(self._folder)
        head, torn_bytes = _last(found[-1]) if found else (Head(0, ORIGIN), 0)
        if torn_bytes:  # power went while it was written: it was never confirmed to anybody
            _cut_off(found[-1], torn_bytes)
            head = self._write(found[-1], head, "audit.torn_record_cut_off", {"bytes": torn_bytes})
        if not found:
            found.append(self._begin(1))
        elif found[-1].stat().st_size >= SEGMENT_BYTES:
            head = self._roll(found, head)
        self._write(found[-1], head, what, facts)
        return self._written

    def _roll(self, found: list[Path], head: Head) -> Head:
        """Begin another file; name where the rest begins before the oldest goes."""
        found.append(self._begin(int(found[-1].stem) + 1))
        gone, kept = found[: -self._segments_kept], found[-self._segments_kept :]
        if not gone:
            return head
        first = json.loads(_first_line(kept[0]))
        facts = {"first_kept": first["number"], "previous": first["previous"]}
        head = self._write(found[-1], head, "audit.oldest_let_go", facts)
        for path in gone:
            path.unlink()
        return head

    def _begin(self, number: int) -> Path:
        path = self._folder / f"{number:06d}.jsonl"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        sync_folder(self._folder)
        return path

    def _write(self, path: Path, head: Head, what: str, facts: Mapping[str, Any]) -> Head:
        record = AuditRecord(
            number=head.number + 1,
            at=self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds"),
            clock="synchronised" if self._clock.synchronised else "unsynchronised",
            boot_id=self._clock.boot_id,
            monotonic_s=int(self._clock.monotonic_s()),
            by=self.by,
            what=what,
            facts=facts,
            previous=head.hash,
        )
        line = record.line().encode()
        if len(line) > _LONGEST_BYTES:
            raise ValueError(f"an audit record of {len(line)} bytes")
        _add(path, line)
        self._written = record
        return Head(record.number, record.hash)


def _add(path: Path, line: bytes) -> None:
    """Add a line whole or not at all; it is on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    try:
        before = os.fstat(descriptor).st_size
        try:
            written = os.write(descriptor, line)
            if written == len(line):
                os.fsync(descriptor)
                return
        except OSError:
            os.ftruncate(descriptor, before)
            raise
        os.ftruncate(descriptor, before)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def canonical(value: Any) -> str:
    """A JSON value in the one form that is hashed."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


def segments(folder: Path) -> list[Path]:
    """The log's files, the oldest first."""
    return sorted(
        path
        for path in folder.glob("*.jsonl")
        if path.stem.isdigit() and stat.S_ISREG(path.lstat().st_mode)
    )


def _last(path: Path) -> tuple[Head, int]:
    """The last whole record of a file, and how many bytes of a torn one follow it.

    Where the last line is no record the chain goes on from what is there, and verifying shows it.
    """
    with path.open("rb") as opened:
        opened.seek(0, os.SEEK_END)
        opened.seek(max(0, opened.tell() - 2 * _LONGEST_BYTES))
        whole, _, torn = opened.read().rpartition(b"\n")
    line = whole.rpartition(b"\n")[2]
    if not line:
        return _before(path), len(torn)
    try:
        told = json.loads(line)
        return Head(int(told["number"]), str(told["hash"])), len(torn)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Head(0, hashlib.sha256(line).hexdigest()), len(torn)


def _before(path: Path) -> Head:
    """Where the chain stands at the beginning of a file that is empty."""
    earlier = [each for each in segments(path.parent) if each.name < path.name]
    return _last(earlier[-1])[0] if earlier else Head(0, ORIGIN)


def _first_line(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.readline()


def _cut_off(path: Path, torn_bytes: int) -> None:
    with path.open("r+b") as opened:
        opened.truncate(path.stat().st_size - torn_bytes)
        os.fsync(opened.fileno())
