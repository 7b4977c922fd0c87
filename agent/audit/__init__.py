"""Who changed what, and when: an append-only log in which every record vouches for those before it.

Files of JSON lines in ``audit/`` of the state folder, apart from the database, which may be what is
broken. A record's hash covers its own facts and the hash of the record before it, so a record that
was changed, taken out or put in shows at its place. Cutting off the end does not: therefore the newest
hash travels in the heartbeat. The agent, the technician's command and the timers all append, one at a
time, under a lock.

The log is bounded: when a file is full another one begins, and the oldest go. That is a record itself,
which names the hash at which the rest begins.

What the platform orders has a log of its own in ``audit/platform``, built alike: who may only command can push
out what the platform ordered before, and nothing else. The device's own log names its newest record now and
then, so that its end is missed, too.
"""

from __future__ import annotations

from agent.audit.log import OF_PLATFORM, ORDERS_RECORDED, AuditError, AuditLog, AuditRecord, Head
from agent.audit.verification import Break, Verification, records, verify, verify_orders

PLATFORM_SEGMENTS_KEPT = 4

__all__ = [
    "OF_PLATFORM",
    "ORDERS_RECORDED",
    "PLATFORM_SEGMENTS_KEPT",
    "AuditError",
    "AuditLog",
    "AuditRecord",
    "Break",
    "Head",
    "Verification",
    "records",
    "verify",
    "verify_orders",
]
