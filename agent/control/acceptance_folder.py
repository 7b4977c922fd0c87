"""The signed records of a device's acceptance, in its state folder: numbered, never changed, the newest counts."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.control.first_night import FirstNight
from agent.protocol.service import AcceptanceBody
from agent.protocol.signed import JwsError, parts_of
from agent.storage.paths import ACCEPTANCE
from drivers.disk import make_folder, replace_file

if TYPE_CHECKING:
    from pathlib import Path

NIGHT, WITHDRAWN = "night.json", "withdrawn-through"
_log = logging.getLogger(__name__)


class Record(BaseModel):
    """What is signed: the acceptance as it is sent, of which device, by which software, and its number here."""

    model_config = ConfigDict(frozen=True)

    record: Literal["acceptance"] = "acceptance"
    number: int
    tenant: str
    device_id: str
    agent_version: str
    body: AcceptanceBody


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as it is kept."""

    record: Record
    jws: str
    kid: str | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.jws.encode()).hexdigest()


class AcceptanceFolder:
    """The records of one device.

    Args:
        state_dir: The device's.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / ACCEPTANCE

    def newest(self) -> Kept | None:
        """The newest record that can be read and that holds; None: there is none."""
        over = self._withdrawn_through()
        for path in sorted(self._folder.glob("*.jws"), reverse=True):
            if path.stem <= over:
                return None
            try:
                jws = path.read_text(encoding="ascii")
                parts = parts_of(jws)
                return Kept(Record.model_validate_json(parts.payload), jws, parts.kid)
            except (OSError, JwsError, ValidationError, UnicodeError) as error:
                _log.error("%s is no record of an acceptance: %s", path, type(error).__name__)
        return None

    def next_number(self) -> int:
        """Of the next record: none is given twice, whatever became of the others."""
        taken = [int(path.stem) for path in self._folder.glob("*.jws") if path.stem.isdecimal()]
        return max(taken, default=0) + 1

    def withdraw(self) -> None:
        """What was accepted is another thing now, as after a move; the records stay, and hold no more.

        Raises:
            OSError: The disk did not take it.
        """
        if self._folder.is_dir():
            replace_file(self._folder / WITHDRAWN, f"{self.next_number() - 1:04d}")
            self.forget_night()

    def _withdrawn_through(self) -> str:
        """The number through which no record holds, as its file is named; empty: all do."""
        try:
            return (self._folder / WITHDRAWN).read_text(encoding="ascii").strip()
        except (OSError, UnicodeError):
            return ""

    def keep(self, number: int, jws: str) -> None:
        """Keep a record; durable when this returns.

        Raises:
            OSError: The disk did not take it.
        """
        make_folder(self._folder)
        replace_file(self._folder / f"{number:04d}.jws", jws)

    def night(self) -> FirstNight:
        """What was seen of the first night up to now."""
        try:
            return FirstNight.model_validate_json((self._folder / NIGHT).read_bytes())
        except (OSError, ValidationError):
            return FirstNight()

    def keep_night(self, night: FirstNight) -> None:
        """Keep it over a restart.

        Raises:
            OSError: The disk did not take it.
        """
        replace_file(self._folder / NIGHT, night.model_dump_json())

    def forget_night(self) -> None:
        """Begin with another night."""
        (self._folder / NIGHT).unlink(missing_ok=True)
