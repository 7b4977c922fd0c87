"""What there is of a case's evidence, and how far it is verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from kerbwatch_platform.evidence.files import content, path_of

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

State = Literal["verified", "unverified", "refused", "awaited", "not_redacted", "deleted"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a case's manifests name.

    Attributes:
        sha256: Of its redacted copy; None: it has none, and ``why`` says why.
        role: ``begin``, ``threshold``, ``close_up``, ``plate_view``, ``after``, as its manifest says.
        stage: ``opened``, ``cleared`` or ``withdrawn``.
        file: The original's name on the device; only ever shown.
        taken_at: By the device's clock, as it was then.
        state: ``verified``: the bytes are here, have this SHA-256 and are a picture, and a manifest that the device's
            key signed for this case names it. ``unverified``: they are here, and ``why`` says what is not proven.
            ``refused``: it is no picture that may be shown. ``awaited``: it is not here; it comes by itself or when it
            is asked for. ``not_redacted``: there is none that may leave the device. ``deleted``: its time is over.
        why: A code, see docs/platform/evidence-desk.md; None where nothing is the matter.
        content_path: Where its bytes are, from the evidence folder; None: they are not here, or must not be shown.
        deleted_at: When it was deleted here.
        deleted_after_days: After which period; None: by a person before that, for ``deleted_because``.
        deleted_because: That person's reason.
    """

    sha256: str | None
    role: str
    stage: str
    file: str
    taken_at: datetime | None
    state: State
    why: str | None
    content_path: str | None
    deleted_at: datetime | None = None
    deleted_after_days: float | None = None
    deleted_because: str | None = None

    @property
    def verified(self) -> bool:
        """Whether all of it holds."""
        return self.state == "verified"


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a device's chain that is about a case: a manifest or a tombstone.

    Attributes:
        stage: ``opened``, ``cleared``, ``withdrawn`` or ``deleted``.
        number: In the chain.
        verified: Whether the device's key signed it for this case, and it breaks no chain.
        why: What is not proven, as a code; None where all is.
        chain: ``begins``, ``follows`` (the record before is here), ``awaits`` (it is not) or ``broken``.
        received_at: By the platform's clock.
        stamped_at: When the time-stamping authority signed the hour it is in; None: not yet.
    """

    stage: str
    number: int
    verified: bool
    why: str | None
    chain: Literal["begins", "follows", "awaits", "broken"]
    received_at: datetime
    stamped_at: datetime | None


# Where not all are asked for, what is proven stands before what anybody may have sent.
_PICTURES = """
SELECT sha256, role, stage, file, captured_at, not_redacted, fault, state, why, path, at, days, reason FROM (
SELECT r.number, n.nth, n.sha256, n.role, n.stage, n.file, n.captured_at, n.not_redacted,
  coalesce(r.fault, CASE r.chain WHEN 'broken' THEN 'chain_broken' END) AS fault, f.state, f.why, f.path,
  d.at, d.days, d.reason
FROM evidence_named n JOIN evidence_record r USING (tenant, device, event_id)
LEFT JOIN evidence_file f ON (f.tenant, f.device, f.sha256) = (n.tenant, n.device, n.sha256)
LEFT JOIN LATERAL (
  SELECT at, days, reason FROM evidence_deletion e
  WHERE f.state = 'deleted' AND (e.tenant, e.device, e.sha256) = (f.tenant, f.device, f.sha256)
  ORDER BY number DESC LIMIT 1
) AS d ON true
WHERE (n.tenant, n.device, n.case_id) = (%s, %s, %s)
ORDER BY r.fault IS NOT NULL, r.number, n.captured_at, n.nth LIMIT %s
) AS chosen ORDER BY number, captured_at, nth
"""
_RECORDS = """
SELECT * FROM (
  SELECT stage, number, coalesce(fault, CASE chain WHEN 'broken' THEN 'chain_broken' END), chain,
    received_at, stamped_at
  FROM evidence_record LEFT JOIN evidence_hour USING (hour)
  WHERE (tenant, device, case_id) = (%s, %s, %s) ORDER BY fault IS NOT NULL, number, received_at LIMIT %s
) AS chosen ORDER BY number, received_at
"""


def picture_of(
    connection: psycopg.Connection,
    tenant: str,
    device: str,
    case_id: str,
    *,
    most: int | None = None,
) -> list[Picture]:
    """The pictures of a case in the order of their stages and times; also those that are not here.

    ``most``: not more than so many; None: all.
    """
    rows = connection.execute(_PICTURES, (tenant, device, case_id, most)).fetchall()
    return [_picture(*row) for row in rows]


def _picture(
    sha256: str | None,
    role: str,
    stage: str,
    file: str,
    taken_at: datetime | None,
    not_redacted: str | None,
    fault: str | None,
    state: str | None,
    why: str | None,
    path: str | None,
    *deletion: Any,
) -> Picture:
    told = (sha256, role, stage, file, taken_at)
    if sha256 is None:
        return Picture(*told, "not_redacted", not_redacted, None)
    if state is None or state == "lost":
        return Picture(*told, "awaited", why, None)
    if state == "deleted":
        return Picture(*told, "deleted", why, None, *deletion)
    if state == "refused":
        return Picture(*told, "refused", why, None)
    return Picture(*told, "verified" if fault is None else "unverified", fault, path)


def records_of(
    connection: psycopg.Connection,
    tenant: str,
    device: str,
    case_id: str,
    *,
    most: int | None = None,
) -> list[Record]:
    """The manifests and tombstones of a case, the first first. ``most``: not more than so many; None: all."""
    rows = connection.execute(_RECORDS, (tenant, device, case_id, most)).fetchall()
    return [
        Record(stage or "", number or 0, why is None, why, chain, received_at, stamped_at)
        for stage, number, why, chain, received_at, stamped_at in rows
    ]


def shown(connection: psycopg.Connection, settings: Settings, sha256: str) -> bytes:
    """A picture's bytes, if it may be shown: a JPEG that was read to its end, whole and unchanged.

    Raises:
        LookupError: There is none, it was refused, or its bytes have changed since.
        ValueError: ``sha256`` is none.
    """
    path_of(sha256)
    row = connection.execute(
        "SELECT 1 FROM evidence_file WHERE sha256 = %s AND kind <> 'packet'"
        " AND state IN ('verified', 'unverified') LIMIT 1",
        (sha256,),
    ).fetchone()
    if row is None:
        raise LookupError(f"{sha256} is no picture that may be shown")
    return content(settings, sha256)
