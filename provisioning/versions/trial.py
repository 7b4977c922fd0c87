"""The trial after an update: the new version proves itself, or the link goes back by itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from agent.storage.database_file import SCHEMA
from drivers.files import version_record as record
from provisioning.versions import proof, unit_files, working
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.files.version_record import Trial
    from provisioning.versions.layout import Layout

WITHIN_S = 600.0
"""The time in which the agent has to show that it works."""
MAX_BOOTS = 3
"""Boots in which a proof may be begun; the next one goes back first."""
LOOK_EVERY_S = 1.0


class Machine(Protocol):
    """What a trial asks of the system."""

    def agent(self) -> proof.Unit:
        """What systemd says of the agent."""

    def restart_agent(self) -> None:
        """Let systemd read its units again, and start the agent again if it is meant to run."""

    def clip(self) -> str | None:
        """Let the active version judge the stored clip; what is wrong with it, None: nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended.

    Attributes:
        version: The version that runs now.
        proved: Whether the version on trial has proved itself; None: none was on trial, or the trial stays open.
        points: What it showed.
        why: Why it went back, or why the trial stays open; else empty.
    """

    version: str | None
    proved: bool | None = None
    points: tuple[proof.Point, ...] = ()
    why: str = ""


def prove(layout: Layout, machine: Machine, *, within_s: float = WITHIN_S) -> Outcome:
    """Let the version on trial prove itself, else go back.

    Raises:
        OSError: The outcome could not be written.
        VersionError: The version before is not there any more.
    """
    trial = open_trial(layout)
    if trial is None:
        return Outcome(layout.active)
    boot_id = working.boot_id()
    if boot_id not in trial.boots:
        if len(trial.boots) >= MAX_BOOTS:
            why = said("{count} boots without a proof", count=len(trial.boots))
            return go_back(layout, machine, why)
        trial = replace(trial, boots=(*trial.boots, boot_id))
        record.write(layout.records, replace(record.read(layout.records), trial=trial))
    if (refused := _refuses_database(layout)) is not None:
        return go_back(layout, machine, refused)
    points = _shown(layout, trial, machine, within_s)
    if not _is_still_open(layout, trial):  # another version was installed, or somebody went back
        return prove(layout, machine, within_s=within_s)
    failed = [each for each in points if each.state == "failed"]
    if failed:
        return go_back(layout, machine, failed[0].why, points)
    if waiting := [each for each in points if each.state == "waiting"]:
        return Outcome(trial.version, None, tuple(points), waiting[0].why)
    not_known = ", ".join(
        said("{point} not known: {why}", point=each.name, why=each.why)
        for each in points
        if each.state == "not_known"
    )
    kept = replace(record.read(layout.records), trial=None)
    kept = kept.and_then("proved", trial.version, instead_of=trial.instead_of, why=not_known)
    record.write(layout.records, kept)
    return Outcome(trial.version, True, tuple(points))


def go_back(
    layout: Layout, machine: Machine, why: str, points: Sequence[proof.Point] = ()
) -> Outcome:
    """Let the link lead to the version before, and start the agent again.

    The link comes first: whatever fails after it, the next boot starts the version that is known to work.

    Raises:
        OSError: It could not be written.
        VersionError: There is no version before.
    """
    left, back_to = layout.active, layout.known_before()
    layout.lead("active", back_to)
    kept = replace(record.read(layout.records), trial=None)
    record.write(layout.records, kept.and_then("went_back", back_to, instead_of=left, why=why))
    unit_files.settle(layout)
    machine.restart_agent()
    return Outcome(back_to, False, tuple(points), why)


def open_trial(layout: Layout) -> Trial | None:
    """The trial of the active version. One of another was cut off by the power before the link was switched."""
    kept = record.read(layout.records)
    if kept.trial is not None and kept.trial.version != layout.active:
        record.write(layout.records, replace(kept, trial=None))
        return None
    return kept.trial


def _is_still_open(layout: Layout, trial: Trial) -> bool:
    now = open_trial(layout)
    return now is not None and (now.version, now.opened_s, now.boot_id) == (
        trial.version,
        trial.opened_s,
        trial.boot_id,
    )


def _refuses_database(layout: Layout) -> str | None:
    """Why this version, an older one, cannot work on the database; None: it can."""
    needed = working.database_needs(layout.database)
    if needed is None or needed <= SCHEMA:
        return None
    return said(
        "the database is of a newer version (tables of version {needed}; this one knows {known})",
        needed=needed,
        known=SCHEMA,
    )


def _shown(layout: Layout, trial: Trial, machine: Machine, within_s: float) -> list[proof.Point]:
    """What the running agent shows within its time, then the clip."""
    if _runs_the_version_before(layout, trial):
        machine.restart_agent()
    until_s = time.monotonic() + within_s
    while True:
        over = time.monotonic() >= until_s
        points = _points(layout, trial, machine, over=over)
        states = {each.state for each in points}
        if "failed" in states or (over and "waiting" in states):
            return points
        if "waiting" not in states:
            return [*points, proof.of_clip(machine.clip())]
        time.sleep(LOOK_EVERY_S)


def _points(layout: Layout, trial: Trial, machine: Machine, *, over: bool) -> list[proof.Point]:
    seen = working.seen(layout.status)
    if seen is not None and _is_older(seen, trial):
        seen = None
    return proof.judge(trial, seen, machine.agent(), over=over)


def _runs_the_version_before(layout: Layout, trial: Trial) -> bool:
    seen = working.seen(layout.status)
    return seen is not None and _is_older(seen, trial)


def _is_older(seen: working.Seen, trial: Trial) -> bool:
    """Whether an agent started before the link was switched: it runs what the link led to then."""
    return trial.boot_id == working.boot_id() and seen.began_s < trial.opened_s
