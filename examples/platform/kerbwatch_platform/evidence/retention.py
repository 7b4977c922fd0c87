"""Deletes pictures whose time is over, and never by mistake.

A picture is needed as long as one case that names it is: one that is held, or whose period is not over yet. Time is the
platform's lived time (:mod:`kerbwatch_platform.store.lived`). It begins anew with whatever happens to a case: its end, a
decision, a hand-over; while it is open, with every event of it.

What is deleted is recorded first, in a table that nobody can change; then its file goes, then that it is gone is noted.
Whoever is killed in between, the next pass finishes. A pass that would delete more than a quarter of all there is
deletes nothing and asks a person: it is more often a mistake in the settings than a quarter that is due at once.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from kerbwatch_platform.evidence import files, holds, notices
from kerbwatch_platform.evidence.sweep import need_folder
from kerbwatch_platform.store import lived

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from kerbwatch_platform.settings import Retention, Settings

MOST_SHARE, ALWAYS = 0.25, 40
"""So much of all files may go in one pass, or so many files if that is more; beyond both a person is asked."""
LIFTED_DAYS = 7.0
"""A case stays for so long after its hold was lifted, however old it is: who lifted the wrong one has time to see it."""
AT_ONCE = 200
TOO_MANY = "too_many_due"


class Passed(NamedTuple):
    """What a pass found and did.

    Attributes:
        living: Files that were here.
        due: Of these, whose time is over.
        deleted: How many went now.
        stopped: It was too many at once, and nothing was deleted.
    """

    living: int
    due: int
    deleted: int = 0
    stopped: bool = False


class HeldError(RuntimeError):
    """A case may not be deleted: it is held, or was handed over and its period is not over."""


class Age(NamedTuple):
    """How long a case's pictures are still kept.

    Attributes:
        outcome: ``undecided``, ``false``, ``duplicate``, ``valid`` or ``handed_over``.
        days: The period.
        left_days: How much of it is left; 0 where it is over.
    """

    outcome: str
    days: float
    left_days: float


class Deleted(NamedTuple):
    """One picture that was deleted; ``days`` is None where a person did it, with a reason."""

    at: datetime
    case_id: str | None
    tenant: str
    device: str
    pictures: int
    outcome: str
    days: float | None
    account: str | None
    reason: str | None


def run(
    connection: psycopg.Connection,
    settings: Settings,
    *,
    confirmed: bool = False,
    dry: bool = False,
) -> Passed:
    """One pass. Two at once do the same work once; one that is killed is finished by the next.

    Args:
        connection: To the store, outside a transaction.
        settings: The periods, and where files are.
        confirmed: A person has said that so many are to go.
        dry: Look only.

    Raises:
        NotOursError: The evidence folder is away, or is another one.
        OSError: The disk does not take it.
    """
    need_folder(connection, settings)
    with _alone(connection):
        lived_s = lived.advance(connection)
        _let_age(connection, lived_s)
        due, living = _due(connection, settings.retention, lived_s)
        told = Passed(living, len(due))
        if not confirmed and len(due) > max(ALWAYS, MOST_SHARE * living):
            notices.note(connection, TOO_MANY, due=len(due), living=living)
            return told._replace(stopped=True)
        if dry:
            return told
        notices.forget(connection, TOO_MANY)
        deleted = 0
        for first in range(0, len(due), AT_ONCE):
            some = due[first : first + AT_ONCE]
            deleted += len(set(_record(connection, settings.retention, lived_s, some)))
            _remove(connection, settings)
        _remove(connection, settings)
    return told._replace(deleted=deleted)


def delete_now(
    connection: psycopg.Connection,
    settings: Settings,
    of: tuple[str, str, str],
    *,
    by: str,
    reason: str,
) -> tuple[int, int]:
    """Delete a case's pictures before their time.

    Returns:
        How many went, and how many stay because another case needs them.

    Raises:
        HeldError: The case is held, or was handed over and its period is not over.
        NoCaseError: There is no such case.
        NoReasonError: No reason is given.
        NotOursError: The evidence folder is away, or is another one.
    """
    holds.need_reason(reason)
    holds.need_case(connection, of)
    need_folder(connection, settings)
    with _alone(connection):
        lived_s = lived.advance(connection)
        _let_age(connection, lived_s)
        _need_free(connection, settings.retention, of)
        mine = connection.execute(_OF_CASE, {"tenant": of[0], "device": of[1], "case_id": of[2]})
        hashes = [row[0] for row in mine.fetchall()]
        gone: list[str] = []
        for first in range(0, len(hashes), AT_ONCE):
            some = hashes[first : first + AT_ONCE]
            gone += _record(
                connection, settings.retention, lived_s, some, of=of, by=by, reason=reason.strip()
            )
        _remove(connection, settings)
    return len(set(gone)), len(set(hashes) - set(gone))


def age_of(
    connection: psycopg.Connection, periods: Retention, of: tuple[str, str, str]
) -> Age | None:
    """How a case's pictures age; None: it has none, or no pass has seen them yet."""
    row = connection.execute(
        """
        SELECT outcome, is_open, since_s, coalesce((SELECT lived_s FROM lived_time), since_s) FROM case_age
        WHERE (tenant, device, case_id) = (%s, %s, %s)
        """,
        of,
    ).fetchone()
    if row is None:
        return None
    outcome, is_open, since_s, lived_s = row
    days = periods.days(outcome)
    if is_open:
        days = max(days, periods.open_days)
    return Age(outcome, days, max(0.0, days - (lived_s - since_s) / lived.DAY_S))


def deletions(
    connection: psycopg.Connection, of: tuple[str, str, str] | None = None, most: int = 100
) -> list[Deleted]:
    """What was deleted of a case, or of all; the newest first, what went together in one line."""
    rows = connection.execute(
        """
        SELECT at, case_id, tenant, device, count(*), outcome, days, account, reason FROM evidence_deletion
        WHERE %(all)s OR (tenant, device, case_id) = (%(tenant)s, %(device)s, %(case_id)s)
        GROUP BY at, case_id, tenant, device, outcome, days, account, reason
        ORDER BY at DESC, max(number) DESC LIMIT %(most)s
        """,
        {"all": of is None, "most": most}
        | dict(zip(("tenant", "device", "case_id"), of or ("", "", ""), strict=True)),
    )
    return [Deleted(*row) for row in rows]


# How it is found ---------------------------------------------------------------------------------------------------

_LIVING = """
living AS (
  SELECT tenant, device, sha256, case_id, kind, size_bytes, since_s FROM evidence_file
  WHERE state <> 'deleted' AND (%(hashes)s::text[] IS NULL OR sha256 = ANY(%(hashes)s::text[]))
), of_file AS (
  SELECT tenant, device, sha256, case_id FROM living WHERE case_id IS NOT NULL
  UNION SELECT l.tenant, l.device, l.sha256, n.case_id FROM living l JOIN evidence_named n
    ON (n.tenant, n.device, n.sha256) = (l.tenant, l.device, l.sha256)
)
"""
_AGES = f"""
WITH {_LIVING}
INSERT INTO case_age AS a (tenant, device, case_id, outcome, is_open, mark, since_s)
SELECT c.tenant, c.device, c.case_id,
  CASE WHEN h.newest IS NOT NULL THEN 'handed_over' ELSE coalesce(v.verdict, 'undecided') END,
  coalesce(n.state = 'open', false),
  concat_ws(' ', coalesce(n.event_id, '-'), coalesce(v.number, 0), coalesce(h.newest, 0)), %(lived_s)s
FROM (SELECT DISTINCT tenant, device, case_id FROM of_file) AS c
LEFT JOIN newest_case n ON (n.tenant, n.device, n.case_id) = (c.tenant, c.device, c.case_id)
LEFT JOIN verdict_now v ON (v.tenant, v.device, v.case_id) = (c.tenant, c.device, c.case_id)
LEFT JOIN (SELECT tenant, device, case_id, extract(epoch FROM max(at)) AS newest FROM handover
  GROUP BY tenant, device, case_id) AS h ON (h.tenant, h.device, h.case_id) = (c.tenant, c.device, c.case_id)
ON CONFLICT (tenant, device, case_id) DO UPDATE SET
  (outcome, is_open, mark, since_s) = (excluded.outcome, excluded.is_open, excluded.mark, excluded.since_s)
WHERE a.mark <> excluded.mark
"""
_DUE = f"""
WITH {_LIVING}, free_case AS (
  SELECT a.tenant, a.device, a.case_id, a.outcome, p.days, by_hand,
    by_hand OR %(lived_s)s - a.since_s >= p.days * 86400 AS is_over
  FROM case_age a CROSS JOIN LATERAL (
    SELECT greatest((%(days)s::jsonb->>a.outcome)::float8, CASE WHEN a.is_open THEN %(open_days)s END) AS days,
      coalesce((a.tenant, a.device, a.case_id)
        = (%(tenant)s::text, %(device)s::text, %(case_id)s::text), false) AS by_hand) AS p
  LEFT JOIN hold_now h ON (h.tenant, h.device, h.case_id) = (a.tenant, a.device, a.case_id)
  WHERE h.number IS NULL OR NOT h.held AND (by_hand OR %(lived_s)s - h.lived_s >= %(lifted_s)s)
), judged AS (
  SELECT l.tenant, l.device, l.sha256, coalesce(l.case_id, min(o.case_id)) AS case_id, l.kind, l.size_bytes,
    CASE WHEN count(o.case_id) = 0 THEN coalesce(%(lived_s)s - l.since_s >= %(others_days)s * 86400, false)
      ELSE bool_and(coalesce(c.is_over AND (c.by_hand OR %(lived_s)s - l.since_s >= c.days * 86400), false)) END AS is_due,
    coalesce((array_agg(c.outcome ORDER BY c.days DESC NULLS LAST))[1], 'others') AS outcome,
    coalesce(max(c.days), %(others_days)s) AS days
  FROM living l
  LEFT JOIN of_file o ON (o.tenant, o.device, o.sha256) = (l.tenant, l.device, l.sha256)
  LEFT JOIN free_case c ON (c.tenant, c.device, c.case_id) = (o.tenant, o.device, o.case_id)
  GROUP BY l.tenant, l.device, l.sha256, l.case_id, l.kind, l.size_bytes, l.since_s
), hashes_due AS (SELECT sha256 FROM judged GROUP BY sha256 HAVING bool_and(is_due))
"""
_HASHES = f"{_DUE} SELECT sha256, (SELECT count(DISTINCT sha256) FROM living) FROM hashes_due ORDER BY sha256"
_RECORD = f"""
{_DUE}, recorded AS (
  INSERT INTO evidence_deletion (tenant, device, case_id, sha256, kind, size_bytes, outcome, days, account, reason)
  SELECT tenant, device, case_id, sha256, kind, size_bytes, outcome,
    CASE WHEN %(by)s::text IS NULL THEN days END, %(by)s::text, %(reason)s::text
  FROM judged JOIN hashes_due USING (sha256) ORDER BY tenant, device, case_id, sha256
  RETURNING tenant, device, sha256
)
UPDATE evidence_file f SET state = 'deleted', why = NULL, gone_at = NULL FROM recorded r
WHERE (f.tenant, f.device, f.sha256) = (r.tenant, r.device, r.sha256) RETURNING f.sha256
"""
_OF_CASE = """
SELECT sha256 FROM evidence_file f WHERE (tenant, device) = (%(tenant)s, %(device)s) AND state <> 'deleted'
  AND (case_id = %(case_id)s OR EXISTS (SELECT 1 FROM evidence_named n
    WHERE (n.tenant, n.device, n.sha256) = (f.tenant, f.device, f.sha256) AND n.case_id = %(case_id)s))
ORDER BY sha256
"""
_TO_REMOVE = """
SELECT DISTINCT sha256 FROM evidence_file d WHERE state = 'deleted' AND gone_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM evidence_file o WHERE o.sha256 = d.sha256 AND o.state NOT IN ('deleted', 'lost'))
ORDER BY sha256 LIMIT %s
"""


def _let_age(
    connection: psycopg.Connection, lived_s: float, hashes: list[str] | None = None
) -> None:
    """Begin the time of what is new, and anew of what has changed."""
    connection.execute(
        "UPDATE evidence_file SET since_s = %s WHERE since_s IS NULL AND state <> 'deleted'",
        (lived_s,),
    )
    connection.execute(_AGES.encode(), {"lived_s": lived_s, "hashes": hashes})


def _asked(periods: Retention, lived_s: float) -> dict[str, object]:
    return {
        "hashes": None,
        "lived_s": lived_s,
        "days": json.dumps(periods.by_outcome()),
        "open_days": periods.open_days,
        "others_days": periods.others_days,
        "lifted_s": LIFTED_DAYS * lived.DAY_S,
    } | dict.fromkeys(("tenant", "device", "case_id", "by", "reason"))


def _due(
    connection: psycopg.Connection, periods: Retention, lived_s: float
) -> tuple[list[str], int]:
    """The hashes whose time is over, and how many there are in all."""
    rows = connection.execute(_HASHES.encode(), _asked(periods, lived_s)).fetchall()
    if rows:
        return [row[0] for row in rows], int(rows[0][1])
    row = connection.execute(
        "SELECT count(DISTINCT sha256) FROM evidence_file WHERE state <> 'deleted'"
    ).fetchone()
    return [], int(row[0]) if row else 0


def _record(
    connection: psycopg.Connection,
    periods: Retention,
    lived_s: float,
    hashes: list[str],
    *,
    of: tuple[str, str, str] | None = None,
    by: str | None = None,
    reason: str | None = None,
) -> list[str]:
    """Record which of these are deleted: judged once more, for somebody may have held or decided a case since."""
    asked = _asked(periods, lived_s) | {"hashes": hashes, "by": by, "reason": reason}
    asked |= dict(zip(("tenant", "device", "case_id"), of or (None, None, None), strict=True))
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('evidence folder'), 0)")
        _let_age(connection, lived_s, hashes)
        if of is not None:
            _need_free(connection, periods, of)
        return [row[0] for row in connection.execute(_RECORD.encode(), asked).fetchall()]


def _need_free(
    connection: psycopg.Connection, periods: Retention, of: tuple[str, str, str]
) -> None:
    if holds.held(connection, of) is not None:
        raise HeldError("it is held")
    age = age_of(connection, periods, of)
    if age is not None and age.outcome == "handed_over" and age.left_days > 0:
        raise HeldError("it was handed over, and its period is not over")


def _remove(connection: psycopg.Connection, settings: Settings) -> None:
    """Remove the files of what is recorded as deleted, and note that they are gone. A file that is not there is gone."""
    while True:
        with connection.transaction():  # nobody stores the same bytes now
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('evidence folder'), 0)")
            some = [row[0] for row in connection.execute(_TO_REMOVE, (AT_ONCE,)).fetchall()]
            files.remove(settings.evidence_folder, some)
            connection.execute(
                "UPDATE evidence_file SET gone_at = now()"
                " WHERE state = 'deleted' AND gone_at IS NULL AND sha256 = ANY(%s)",
                (some,),
            )
        if not some:
            return


@contextmanager
def _alone(connection: psycopg.Connection) -> Iterator[None]:
    """One pass at a time; another waits, and finds nothing left to do."""
    connection.execute("SELECT pg_advisory_lock(hashtext('evidence retention'), 0)")
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(hashtext('evidence retention'), 0)")
