"""What there is of a case's evidence, and how far it is verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import psycopg

State = Literal["verified", "unverified", "refused", "awaited", "not_redacted"]


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
            is asked for. ``not_redacted``: there is none that may leave the device.
        why: A code, see docs/platform/evidence-desk.md; None where nothing is the matter.
        content_path: Where its bytes are, from the evidence folder; None: they are not here, or must not be shown.
    """

    sha256: str | None
    role: str
    stage: str
    file: str
    taken_at: datetime | None
    state: State
    why: str | None
    content_path: str | None

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


def picture_of(
    connection: psycopg.Connection, tenant: str, device: str, case_id: str
) -> list[Picture]:
    """The pictures of a case in the order of their stages and times; also those that are not here."""
    raise NotImplementedError


def records_of(
    connection: psycopg.Connection, tenant: str, device: str, case_id: str
) -> list[Record]:
    """The manifests and tombstones of a case, the first first."""
    raise NotImplementedError
