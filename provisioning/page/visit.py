"""The installer's visit: from the first sign-in until the acceptance, at most as long as the page is on for a day.

The wall clock decides nothing: a unit without one is set by months as soon as it has a network, and who was in the
office for the certificate yesterday, or has waited for the rain to end, goes on where he was.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from drivers.disk import replace_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 86_400.0
NOTED_EVERY_S = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of the visit.

    Attributes:
        began_at: Wall clock, ISO 8601, for people alone; empty: it has not begun.
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
        """Why it is over, ``accepted`` or ``time``; empty: it is not.

        A full disk loses what was noted last, and keeps nobody from looking why it is full.
        """
        kept = self._kept
        if kept.began_at and not kept.over:
            used_s = kept.used_s + now_s - self._noted_s
            if used_s > DAY_S:
                self._note(replace(kept, used_s=used_s, over="time"), now_s)
            elif now_s - self._noted_s > NOTED_EVERY_S:
                self._note(replace(kept, used_s=used_s), now_s)
        return self._kept.over

    def _note(self, kept: Kept, now_s: float) -> None:
        self._noted_s = now_s
        try:
            self._write(kept)
        except OSError as error:
            _log.error("%s: %s", self._path, words_of(error))

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
            OSError: It could not be kept; it is over until this process ends.
        """
        self._write(replace(self._kept, over=why))

    def _write(self, kept: Kept) -> None:
        self._kept = kept
        replace_file(self._path, json.dumps(asdict(kept)))


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
