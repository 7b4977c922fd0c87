"""What is stored about one case, for the commands that explain or hand it out: found by its id, read from the database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.config.site_files import site_folder
from agent.storage.case_notes import CaseNotes, notes_on
from agent.storage.case_table import traces_of
from agent.storage.database_file import read_only
from agent.storage.paths import DATABASE, EVIDENCE
from drivers.files.privileges import acting_for
from provisioning.commands import suppressed
from provisioning.console.local_time import local
from provisioning.console.rounding import holds
from provisioning.wording import say
from provisioning.wording.case_sentences import several_cases
from provisioning.wording.vocabulary import ROLES

if TYPE_CHECKING:
    from pathlib import Path

    from agent.storage.day_counters import SuppressedCount


class UnknownCaseError(LookupError):
    """There is no such case, or more than one, or nothing to look in."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything that is stored about one case.

    Attributes:
        case_id: Its id.
        opened: The body of its first event.
        last: The body of its last event.
        trace: What its rule went by, see :mod:`agent.analysis.decision_trace`.
        evidence: The folder of its pictures.
        timezone: The site's, as the trace names it; None: nobody knows, the system's is taken.
        suppressed: What else was no such case in this zone by the verifier's word, or such a case no more.
        notes: What the platform told of it.
    """

    case_id: str
    opened: dict[str, Any]
    last: dict[str, Any]
    trace: dict[str, Any]
    evidence: Path
    timezone: str | None
    suppressed: tuple[SuppressedCount, ...]
    notes: CaseNotes

    def shown(self, moment: datetime | str | None) -> str:
        """A moment as the site's wall clock shows it; with its day if that is not the one of the beginning."""
        if moment is None:
            return ""
        day, _, time = self.whole(moment).partition(" ")
        time = time[:8]  # the offset stands with the beginning
        began_on, _, _ = self.whole(self.opened["began_at"]).partition(" ")
        return time if day == began_on else f"{day} {time}"

    def whole(self, moment: datetime | str) -> str:
        """A moment with its day and its offset from UTC."""
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return local(at, self.timezone, "seconds")

    @property
    def moments(self) -> list[tuple[datetime, bool, list[float | None]]]:
        """The noted moments: time, whether the model was run on the place, and the measures' values."""
        if not self.trace:
            return []
        at = datetime.fromisoformat(self.trace["at"])
        return [
            (at + timedelta(seconds=offset_s), bool(looked), values)
            for offset_s, looked, *values in self.trace["moments"]
        ]

    @property
    def pictures(self) -> list[dict[str, Any]]:
        """What the events say of the pictures, in the order of the case's life."""
        found = {
            each["file"]: each for body in (self.opened, self.last) for each in body["pictures"]
        }
        order = tuple(ROLES)
        return sorted(found.values(), key=lambda each: order.index(each["role"]))


@dataclass(frozen=True, slots=True)
class Held:
    """One condition of the rule at the moment the case opened.

    ``since`` is the moment from which on it held until then; None if it did not hold (it was not
    needed, or the trace does not reach back). A value or threshold of None is not known.
    """

    name: str
    needs: str
    threshold: float | None
    value: float | None
    since: datetime | None


def conditions(case: Explained) -> list[Held]:
    """The rule's conditions when the case opened."""
    opened_at = datetime.fromisoformat(case.opened["opened_at"])
    before = [each for each in case.moments if each[0] <= opened_at + timedelta(milliseconds=2)]
    held = []
    for index, measure in enumerate(case.trace.get("measures", ())):
        since: datetime | None = None
        value: float | None = None
        for at, _, values in before:
            if index >= len(values):
                continue
            value = values[index]
            good = holds(value, measure["needs"], measure["threshold"])
            since = (since or at) if good else None
        held.append(Held(measure["name"], measure["needs"], measure["threshold"], value, since))
    return held


def find(where: Path, case_id: str | None) -> Explained:
    """Look a case up by its id, the beginning of it, or take the newest.

    Args:
        where: A site, the folder of a replay's results, or a folder with a database.
        case_id: The id or its beginning; None for the newest.

    Raises:
        UnknownCaseError: Nothing fits, or more than one does.
    """
    database, evidence, timezone = places(where)
    with (
        acting_for(database.parent),
        closing(read_only(database)) as connection,
    ):
        rows = traces_of(connection, case_id or "")
        counted = suppressed.kept(connection)
        notes = _notes(connection, rows[0].case_id) if rows else CaseNotes()
    if not rows:
        raise UnknownCaseError(
            say("There is no case {case_id} in {path}.", case_id=case_id or "", path=database)
        )
    if case_id and len(rows) > 1:
        raise UnknownCaseError(several_cases(case_id, [row.case_id for row in rows]))
    found, opened, last, trace = rows[0]
    told, body = _figures(trace), json.loads(opened)
    place = body["place"]["zone_id"], body["kind"]
    return Explained(
        found,
        body,
        json.loads(last),
        told,
        evidence,
        told.get("timezone", timezone),
        tuple(each for each in counted if (each.zone_id, each.kind) == place),
        notes,
    )


def _notes(connection: sqlite3.Connection, case_id: str) -> CaseNotes:
    try:
        return notes_on(connection, case_id)
    except sqlite3.OperationalError:  # of an agent that was told nothing
        return CaseNotes()


def _figures(trace: str) -> dict[str, Any]:
    """A trace; infinity, as an older agent may have written it, is unknown (:mod:`agent.domain.finite`)."""
    return dict(json.loads(trace, parse_constant=lambda _: None))


def places(where: Path) -> tuple[Path, Path, str | None]:
    """The database, the evidence folder and the time zone of what the user points at.

    Raises:
        UnknownCaseError: There is no database.
    """
    timezone = None
    if (where / "site.toml").is_file() or where.suffix == ".toml":
        from agent.config.loading import load  # noqa: PLC0415 - a replay's results need no configuration

        base = site_folder(where)
        configuration = load(where)
        state, timezone = base / configuration.storage.state_dir, configuration.site.timezone
        candidates = [(state / DATABASE, state / EVIDENCE)]
    else:
        candidates = [
            (where / "state" / DATABASE, where / EVIDENCE),
            (where / DATABASE, where / EVIDENCE),
        ]
    for database, evidence in candidates:
        if database.is_file():
            beside = database.parent / EVIDENCE
            return database, evidence if evidence.is_dir() else beside, timezone
    raise UnknownCaseError(
        say("There is no database {path}. Has the agent run yet?", path=candidates[0][0])
    )
