"""Legal holds: a case whose pictures nobody may delete until the hold is lifted.

A hold is a small file of its own beside the database, so that it outlives a damaged one.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from drivers.disk import give_to_owner_of, make_folder, replace_file, sync_folder
from drivers.wording import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = "holds"
_CASE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class HoldError(ValueError):
    """A hold cannot be set or lifted."""


class Hold(BaseModel):
    """A hold on a case: why, set by whom, and when by the device's clock."""

    model_config = ConfigDict(frozen=True)

    case_id: str
    reason: str
    by: str
    at: datetime


class Holds:
    """The holds of one device. From any process.

    Args:
        state_dir: Where the folder of holds lies; it is made at the first one.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER

    def names(self) -> frozenset[str]:
        """The ids of held cases; a hold that cannot be read holds, too."""
        if not self._folder.exists():
            return frozenset()
        return frozenset(path.stem for path in self._folder.glob("*.json"))

    def all(self) -> Iterator[Hold]:
        """What is held, as far as it can be read, in the order of the ids."""
        for name in sorted(self.names()):
            try:
                yield Hold.model_validate_json((self._folder / f"{name}.json").read_bytes())
            except (ValidationError, FileNotFoundError):
                continue

    def set(self, hold: Hold) -> bool:
        """Hold a case; durable when this returns.

        Returns:
            False if it was held already; then nothing is changed.

        Raises:
            HoldError: That is no id of a case.
            OSError: The disk did not take it.
        """
        path = self._path(hold.case_id)
        if path.exists():
            return False
        make_folder(self._folder)
        give_to_owner_of(self._folder.parent, self._folder)
        replace_file(path, hold.model_dump_json())
        give_to_owner_of(self._folder, path)
        return True

    def lift(self, case_id: str) -> bool:
        """Lift a hold; False if there was none.

        Raises:
            HoldError: That is no id of a case.
            OSError: The disk did not take it.
        """
        path = self._path(case_id)
        if not path.exists():
            return False
        path.unlink()
        sync_folder(self._folder)
        return True

    def _path(self, case_id: str) -> Path:
        if not _CASE_ID.fullmatch(case_id):
            raise HoldError(said("{case_id!r} is no id of a case", case_id=case_id))
        return self._folder / f"{case_id}.json"
