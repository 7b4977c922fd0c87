"""PostgreSQL: the tables, what is taken in, receipts, gaps."""

from __future__ import annotations

from kerbwatch_platform.store.connecting import PAGE, WORKER, Patience, connect, migrate, pool
from kerbwatch_platform.store.receipts import receipts
from kerbwatch_platform.store.taking import Taken, take

__all__ = [
    "PAGE",
    "WORKER",
    "Patience",
    "Taken",
    "connect",
    "migrate",
    "pool",
    "receipts",
    "take",
]
