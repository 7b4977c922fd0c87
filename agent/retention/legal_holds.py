"""Legal holds: a case whose pictures nobody may delete until the hold is lifted.

A hold is a small file beside the database, so that it survives a corrupt one. Those that the
platform has set lie in a folder of their own: it lifts only these, and a case is held as long as anybody
holds it.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from agent.storage.paths import HOLDS
from drivers.disk import replace_file, sync_folder
from drivers.files.privileges import read_file
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OF_PLATFORM = "platform"
MAX_OF_PLATFORM = 500
"""Maximum number of cases that the platform may hold: held pictures cannot be deleted to make room."""
Origin = Literal["technician", "platform"]
_CASE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class HoldError(ValueError):
    """A hold cannot be set or lifted."""


class TooManyHoldsError(HoldError):
    """The platform has reached its limit of holds."""


class LegalHold(BaseModel):
    """A hold on a case: why, set by whom, and when by the device's clock.

    ``origin`` says who may lift it: the platform lifts only its own. In the file of an older agent it is
    missing, and what does not say that the platform set it is a technician's.
    """

    model_config = ConfigDict(frozen=True)

    case_id: str
    reason: str
    by: str
    at: datetime
    origin: Origin = "technician"

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_agent(cls, told: Any) -> Any:
        if isinstance(told, dict) and "origin" not in told and told.get("by") == "platform":
            return {**told, "origin": "platform"}
        return told


class LegalHolds:
    """The holds of one device. From any process.

    Args:
        state_dir: Where the folder of holds lies; it is made at the first one.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / HOLDS

    def names(self) -> frozenset[str]:
        """The ids of held cases, including holds whose file cannot be read."""
        return frozenset(path.stem for path in self._files())

    def all(self) -> Iterator[LegalHold]:
        """All holds that can be read, in the order of the ids."""
        for path in sorted(self._files(), key=lambda path: path.stem):
            hold = _read(path)
            if hold is not None:
                yield hold

    def set(self, hold: LegalHold) -> bool:
        """Hold a case; durable when this returns.

        Returns:
            False if the same origin already holds it; then nothing is changed.

        Raises:
            HoldError: That is no id of a case.
            TooManyHoldsError: The platform has reached its limit.
            OSError: It could not be written.
        """
        if self.is_held_by(hold.case_id, hold.origin):
            return False
        path = self._path(hold.case_id, hold.origin)
        if hold.origin == "platform" and len(list(self._files("platform"))) >= MAX_OF_PLATFORM:
            raise TooManyHoldsError(said("{count} cases are held already", count=MAX_OF_PLATFORM))
        replace_file(path, hold.model_dump_json())
        return True

    def is_held_by(self, case_id: str, origin: Origin) -> bool:
        """Whether these hold a case.

        Raises:
            HoldError: That is no id of a case.
        """
        return bool(self._of(case_id, origin))

    def lift(self, case_id: str, origin: Origin | None = None) -> bool:
        """Lift the holds on a case; False if there was none.

        Args:
            case_id: Which case.
            origin: Only the hold of this origin; None: of any.

        Raises:
            HoldError: That is no id of a case.
            OSError: It could not be written.
        """
        found = self._of(case_id, origin)
        for path in found:
            path.unlink()
            sync_folder(path.parent)
        return bool(found)

    def _files(self, origin: Origin | None = None) -> Iterator[Path]:
        """The holds' files, of the given origins only."""
        for folder in (self._folder, self._folder / OF_PLATFORM):
            for path in folder.glob("*.json"):
                if origin is None or _origin_of(path) == origin:
                    yield path

    def _of(self, case_id: str, origin: Origin | None) -> list[Path]:
        paths = [self._path(case_id, each) for each in get_args(Origin)]
        there = [path for path in paths if path.exists()]
        return [path for path in there if origin is None or _origin_of(path) == origin]

    def _path(self, case_id: str, origin: Origin) -> Path:
        if not _CASE_ID.fullmatch(case_id):
            raise HoldError(said("{case_id!r} is no id of a case", case_id=case_id))
        folder = self._folder / OF_PLATFORM if origin == "platform" else self._folder
        return folder / f"{case_id}.json"


def _origin_of(path: Path) -> Origin:
    """The origin of a hold's file; older versions stored the platform's among the others."""
    if path.parent.name == OF_PLATFORM:
        return "platform"
    hold = _read(path)
    return "technician" if hold is None else hold.origin


def _read(path: Path) -> LegalHold | None:
    try:
        return LegalHold.model_validate_json(read_file(path))
    except (ValidationError, OSError):
        return None
