"""The time that the platform has lived through: what is kept ages by it, and no wrong clock deletes anything.

Within a boot it counts by the kernel's clock, which nobody sets. Between two boots, or two machines, it counts what the
wall clock says has passed, seven days at most and never less than nothing. A device ages what it keeps in the same way.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import psycopg

DAY_S = 86_400.0
MOST_BETWEEN_BOOTS_S = 7 * DAY_S
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Reading(NamedTuple):
    """This machine's clocks: which boot it is in, for how many seconds it has run, what its wall clock says."""

    boot_id: str
    running_s: float
    at: datetime


def reading() -> Reading:
    """The clocks now."""
    boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
    return Reading(boot_id, time.clock_gettime(time.CLOCK_BOOTTIME), datetime.now(UTC))


def advance(connection: psycopg.Connection, now: Reading | None = None) -> float:
    """Count what has passed since the last time; how many seconds the platform has lived."""
    row = connection.execute(
        """
        INSERT INTO lived_time AS l (lived_s, boot_id, running_s, at) VALUES (0, %s, %s, %s)
        ON CONFLICT (one) DO UPDATE SET
          lived_s = l.lived_s + CASE WHEN l.boot_id = excluded.boot_id
            THEN greatest(excluded.running_s - l.running_s, 0)
            ELSE least(greatest(extract(epoch FROM excluded.at - l.at)::float8, 0), %s) END,
          boot_id = excluded.boot_id, running_s = excluded.running_s, at = excluded.at
        RETURNING lived_s
        """,
        (*(now or reading()), MOST_BETWEEN_BOOTS_S),
    ).fetchone()
    assert row is not None
    return float(row[0])
