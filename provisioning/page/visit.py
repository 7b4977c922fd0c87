"""The installer's visit: from the first sign-in until the acceptance, a day at most.

A unit has no clock that can be trusted. The day ends by the wall clock or by the time that the page was on,
whichever is first: setting the clock back prolongs nothing for ever.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from drivers.disk import replace_file

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 86_400.0
NOTED_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of the visit.

    Attributes:
        began_at: Wall clock, ISO 8601; empty: it has not begun.
        used_s: For how long the page was on since then.
        over: Why it has ended: ``accepted``, ``time``; empty: it has not.
    """

    began_at: str = ""
    used_s: float = 0.0
    over: str = ""


class Visit:
    """Keeps whether the installer may still do anything here.

    Args:
        path: Its file. Root removes it to open another visit.
        now_s: The time since boot.
    """

    def __init__(self, path: Path, now_s: float) -> None:
        self._path, self._noted_s = path, now_s
        self._kept = _read(path)

    def over(self, now_s: float) -> str:
        """Why it is over, ``accepted`` or ``time``; empty: it is not."""
        kept = self._kept
        if kept.began_at and not kept.over:
            used_s = kept.used_s + now_s - self._noted_s
            by_clock_s = (datetime.now(UTC) - datetime.fromisoformat(kept.began_at)).total_seconds()
            if max(used_s, by_clock_s) > DAY_S:
                self.end("time")
            elif now_s - self._noted_s > NOTED_EVERY_S:
                self._write(replace(kept, used_s=used_s))
                self._noted_s = now_s
        return self._kept.over

    def begin(self, now_s: float) -> None:
        """Somebody has signed in; only the first time counts.

        Raises:
            OSError: It could not be kept.
        """
        if not self._kept.began_at:
            self._noted_s = now_s
            self._write(Kept(began_at=datetime.now(UTC).isoformat(timespec="seconds")))

    def end(self, why: str) -> None:
        """End it for good.

        Raises:
            OSError: It could not be kept.
        """
        self._write(replace(self._kept, over=why))

    def _write(self, kept: Kept) -> None:
        replace_file(self._path, json.dumps(asdict(kept)))
        self._kept = kept


def _read(path: Path) -> Kept:
    """What is kept; a damaged record ends the visit."""
    try:
        told = Kept(**json.loads(path.read_text("ascii")))
        if told.began_at:
            datetime.fromisoformat(told.began_at).astimezone(UTC)
        return Kept(str(told.began_at), float(told.used_s), str(told.over))
    except FileNotFoundError:
        return Kept()
    except (OSError, ValueError, TypeError):
        return Kept(over="damaged")
