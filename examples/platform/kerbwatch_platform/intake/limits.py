"""How much a device may send: a bucket of messages and of bytes for each, in each worker.

What is beyond is settled with the broker unread: reading it is what would slow the others. No receipt names it, so the
device keeps it and sends it again, each time later than before; of a device that goes by its broker's word, the gap is
asked for once there is room. To wait with it instead would fill the window that all devices share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kerbwatch_platform.settings import Limits

Device = tuple[str, str]
"""Tenant and device."""
_MOST_BUCKETS = 100_000
_PACKED = b"\x1f\x8b"
LARGEST_UNPACKED = 16_000_000
"""What is read of a message that is packed, at most."""


class Over(NamedTuple):
    """What a device sent beyond its limits."""

    messages: int
    bytes: int


@dataclass(slots=True)
class _Bucket:
    messages: float
    bytes: float
    at_s: float


@dataclass(slots=True)
class Buckets:
    """What each device may still send."""

    limits: Limits
    _of: dict[Device, _Bucket] = field(default_factory=dict)
    _over: dict[Device, Over] = field(default_factory=dict)

    def admits(self, device: Device, payload: bytes, now_s: float) -> bool:
        """Whether this message is still within the device's limits; if it is, it is charged."""
        cost = cost_of(payload)
        bucket = self._bucket(device, now_s)
        if bucket.messages < 1 or bucket.bytes < min(cost, self.limits.burst_bytes):
            messages, size = self._over.get(device, Over(0, 0))
            self._over[device] = Over(messages + 1, size + len(payload))
            return False
        bucket.messages -= 1
        bucket.bytes -= cost
        return True

    def charge(self, costs: Mapping[Device, int], now_s: float) -> None:
        """Charge for what turned out to be rubbish: it may cost a device all that it has, and more."""
        for device, cost in costs.items():
            bucket = self._bucket(device, now_s)
            bucket.bytes = max(bucket.bytes - cost, -float(self.limits.burst_bytes))

    def over(self) -> dict[Device, Over]:
        """What was beyond since this was asked last."""
        told, self._over = self._over, {}
        return told

    def _bucket(self, device: Device, now_s: float) -> _Bucket:
        limits = self.limits
        bucket = self._of.get(device)
        if bucket is None:
            if len(self._of) >= _MOST_BUCKETS:
                self._forget()
            full = _Bucket(float(limits.burst_messages), float(limits.burst_bytes), now_s)
            self._of[device] = full
            return full
        passed_s = max(0.0, now_s - bucket.at_s)
        bucket.messages = min(
            limits.burst_messages, bucket.messages + passed_s * limits.messages_per_s
        )
        bucket.bytes = min(limits.burst_bytes, bucket.bytes + passed_s * limits.bytes_per_s)
        bucket.at_s = now_s
        return bucket

    def __len__(self) -> int:
        return len(self._of)

    def _forget(self) -> None:
        """Forget those that have the most left: of them the least is forgotten. Names cost nobody anything else."""
        left = sorted(self._of, key=lambda of: self._left(self._of[of]))
        self._of = {of: self._of[of] for of in left[: _MOST_BUCKETS // 2]}

    def _left(self, bucket: _Bucket) -> float:
        """The share of a burst that a device may still send."""
        limits = self.limits
        return min(bucket.messages / limits.burst_messages, bucket.bytes / limits.burst_bytes)


def cost_of(payload: bytes) -> int:
    """Bytes that reading a message takes: of one that is packed, what its end says that it unpacks to.

    One that lies about it cannot be read, and is charged as rubbish then.
    """
    if not payload.startswith(_PACKED):
        return len(payload)
    told = int.from_bytes(payload[-4:], "little")
    return max(len(payload), min(told, LARGEST_UNPACKED))
