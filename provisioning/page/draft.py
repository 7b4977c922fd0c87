"""The draft of the zones: what a technician has drawn and not yet applied, kept by the page itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from drivers.disk import replace_file
from provisioning.page.answers import PageError
from wording.messages import said

if TYPE_CHECKING:
    from pathlib import Path

NOTHING: dict[str, Any] = {"zones": None, "based_on": None, "saved_at": None}


class Draft:
    """One draft for the unit, whichever phone draws.

    Args:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any]:
        """The draft with ``zones``, ``based_on`` and ``saved_at``; each null where there is none."""
        try:
            kept = json.loads(self._path.read_bytes())
            return {name: kept[name] for name in NOTHING}
        except (OSError, ValueError, KeyError, TypeError):
            return NOTHING

    def write(
        self, zones: Any, based_on: int | None, *, seen: str | None, force: bool
    ) -> dict[str, Any]:
        """Keep a draft, unless another has been saved since this phone has seen it.

        Args:
            zones: As in ``zones.json``; not judged here.
            based_on: The number of the configuration that it began with.
            seen: ``saved_at`` of the draft that this phone knows.
            force: Keep it all the same.

        Raises:
            PageError: There is another draft.
            OSError: It could not be written.
        """
        there = self.read()
        if not force and there["saved_at"] != seen:
            text = said("Another draft has been saved meanwhile. Choose which one to keep.")
            raise PageError(409, "draft_changed", text, more={"draft": there})
        kept = {
            "zones": zones,
            "based_on": based_on,
            "saved_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
        replace_file(self._path, json.dumps(kept, ensure_ascii=False))
        return {"saved_at": kept["saved_at"]}
