"""Configurations that were applied while the agent runs: each numbered and kept, one in force, at most one on trial.

They lie in the state folder, for the agent cannot write ``/etc/kerbwatch``. A trial that nobody has confirmed does
not outlive its run: whatever ends it, the next start comes up with the one that was in force before.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.config.site_texts import SiteTexts
from agent.storage.paths import APPLIED
from drivers.disk import replace_file, sync_folder
from drivers.files.privileges import read_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 10
"""So many of the newest are kept, beside the one in force and the one before it."""
_CURRENT, _TRIAL = "current.json", "trial.json"
Number = Annotated[int, Field(ge=1)]

_log = logging.getLogger(__name__)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1


class Applied(_File):
    """One configuration, whole.

    Attributes:
        number: Counts them, from 1.
        site: ``site.toml``.
        zones: ``zones.json``; None: there is none.
        redrawn: As :attr:`SiteTexts.redrawn`.
        sha256: Of the texts (:meth:`SiteTexts.sha256`).
        at: When it was applied, by the wall clock.
        user: Who applied it.
        through: Whether a technician by command, by the page, or the platform; ``start``: it was written in the
            site's folder, and ran before the first that was applied.
        over: The number of the one that was in force before.
        ordered: The platform's number of it.
    """

    number: Number
    site: str
    zones: str | None
    redrawn: bool = False
    sha256: str
    at: datetime
    user: str
    through: Literal["technician", "page", "platform", "start"]
    over: Number | None = None
    ordered: Number | None = None

    @property
    def texts(self) -> SiteTexts:
        """Both files."""
        return SiteTexts(self.site, self.zones, self.redrawn)


class Current(_File):
    """Which one is in force.

    Attributes:
        number: Its number.
        of: The site's file, for which it stands in.
        written_sha256: Of the site's own files when this was decided: if they are others now, somebody has changed
            them since, and they hold.
    """

    number: Number
    of: str
    written_sha256: str


class Trial(_File):
    """Which one is on trial, until when.

    Attributes:
        number: Its number.
        boot_id: In which boot …
        until_s: … and until when on its monotonic clock.
        starts_left: How many starts it may see: one where a restart is needed for it.
        proves_itself: Whether it is confirmed by being online and analysing, or by a person.
    """

    number: Number
    boot_id: str
    until_s: float
    starts_left: Annotated[int, Field(ge=0, le=1)] = 0
    proves_itself: bool = False


_F = TypeVar("_F", bound=_File)


class AppliedConfigurations:
    """The folder in which they lie. For one thread at a time; what is written is on the disk when a call returns.

    Args:
        state_dir: The state folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / APPLIED

    @property
    def current(self) -> Current | None:
        """Which one is in force; None: none that was applied."""
        return self._load(Current, _CURRENT)

    @property
    def trial(self) -> Trial | None:
        """Which one is on trial; None: none."""
        return self._load(Trial, _TRIAL)

    def get(self, number: int) -> Applied | None:
        """One of them; None: it is not kept any more, or damaged."""
        found = self._load(Applied, _name_of(number))
        if found is None or (found.number, found.sha256) != (number, found.texts.sha256()):
            return None
        return found

    def numbers(self) -> list[int]:
        """Of those that are kept, the newest first."""
        try:
            stems = [each.stem for each in self._folder.glob("applied-*.json")]
        except OSError:
            return []
        told = (stem.removeprefix("applied-") for stem in stems)
        return sorted((int(each) for each in told if each.isdecimal()), reverse=True)

    def keep(self, new: Applied) -> None:
        """Keep one more, and no more than that many.

        Raises:
            OSError: The disk did not take it.
        """
        replace_file(self._folder / _name_of(new.number), new.model_dump_json())
        current = self.current
        needed = {new.number, new.over, None if current is None else current.number}
        for number in self.numbers()[KEPT:]:
            if number not in needed:
                (self._folder / _name_of(number)).unlink(missing_ok=True)

    def next_number(self) -> int:
        """The number of the next one: above all that are kept, in force or on trial."""
        known = [each.number for each in (self.current, self.trial) if each is not None]
        return max([0, *self.numbers(), *known]) + 1

    def put_in_force(self, current: Current) -> None:
        """Let one of them be in force from now on.

        Raises:
            OSError: The disk did not take it.
        """
        replace_file(self._folder / _CURRENT, current.model_dump_json())

    def retire(self) -> None:
        """Let none be in force: the site's own files are.

        Raises:
            OSError: The disk did not take it.
        """
        self._remove(_CURRENT)

    def begin(self, trial: Trial) -> None:
        """Begin or go on with a trial.

        Raises:
            OSError: The disk did not take it.
        """
        replace_file(self._folder / _TRIAL, trial.model_dump_json())

    def end_trial(self) -> None:
        """End the trial, confirmed or not.

        Raises:
            OSError: The disk did not take it.
        """
        self._remove(_TRIAL)

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self._folder / name).unlink()
            sync_folder(self._folder)

    def _load(self, model: type[_F], name: str) -> _F | None:
        try:
            return model.model_validate_json(read_file(self._folder / name))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            _log.error("%s cannot be used: %s", self._folder / name, words_of(error))
            return None


def _name_of(number: int) -> str:
    return f"applied-{number:06d}.json"
