"""What is told of a case: what every event says of it, and what of one of which nothing was seen any more."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from agent.config.evidence_status import standing_of
from agent.config.reported_members import departed, things
from agent.protocol.base import Abstention, EventCode, Models
from agent.protocol.case import CaseBody, Withdrawn
from agent.protocol.event_codes import event_code
from agent.protocol.fields import Moment, Seconds
from agent.protocol.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.config.schema import Configuration
    from agent.config.sections.site import LegalSection, SiteSection
    from agent.domain.scene import Case, Member
    from agent.protocol.base import ModelUsed
    from agent.storage.case_notes import CaseNotes

_log = logging.getLogger(__name__)


class _Told(BaseModel):
    """What is read of the body of a case's last event, of either version of the contract."""

    model_config = ConfigDict(frozen=True)

    code: EventCode
    place: Place
    opened_at: Moment
    allowed_s: Seconds
    models: Models = ()
    withdrawn: Withdrawn | None = None
    left: list[object] | None = None
    """None: the agent that told it wrote version 1, whose places bear the device's own names."""

    @field_validator("code", mode="before")
    @classmethod
    def _without_nulls(cls, code: object) -> object:
        return {"code": None, **code} if isinstance(code, dict) else code


class LastTold:
    """What the platform was told of a case last; of a body that cannot be read, nothing is taken.

    Args:
        case: The case.
        body: The body of its last event, as JSON; None: it is not kept.
        now: For where nothing is known.
    """

    def __init__(self, case: Case, body: str | None, now: datetime) -> None:
        self._case, self._now = case, now
        self._told: _Told | None = None
        try:
            self._told = None if body is None else _Told.model_validate_json(body)
        except ValidationError as error:
            _log.error("the last event of case %s cannot be read: %s", case.case_id, error)

    @property
    def code(self) -> EventCode | None:
        """Under which code it was told; None: that is not known any more."""
        return None if self._told is None else self._told.code

    @property
    def models(self) -> Models:
        """Which judged it."""
        return () if self._told is None else self._told.models

    @property
    def withdrawn(self) -> Withdrawn | None:
        """Why and when it ended without being seen to, if it did."""
        return None if self._told is None else self._told.withdrawn

    def at(self, moment_s: float) -> datetime:
        """The wall time of a moment of the case, by the clock by which it was told last."""
        if self._told is None:  # the last that is known of it is taken for now
            return self._now - timedelta(seconds=self._case.last_present_s - moment_s)
        return self._told.opened_at + timedelta(seconds=moment_s - self._case.opened_s)

    def place(self, device_id: str, address: str) -> Place:
        """Where it was said to be; of a case of which nothing is kept, its names with the site's address."""
        case, told = self._case, self._told
        own_id = f"{device_id}.{case.place_id}"
        if told is None:
            return Place(
                place_id=own_id, zone_id=case.zone_id, camera_id=case.camera_id, address=address
            )
        if told.left is None:
            return told.place.model_copy(update={"place_id": own_id})
        return told.place

    @property
    def allowed_s(self) -> float:
        """How long it was allowed to stay; 0 where that is not known any more."""
        return 0.0 if self._told is None else self._told.allowed_s


def code_of(case: Case, site: SiteSection) -> EventCode:
    """Under which code a case is told by the site as it is now."""
    return event_code(site.codes_profile, case.matter or case.kind, site.division_code)


def facts_of(
    case: Case,
    at: Callable[[float], datetime],
    left: Sequence[Member],
    noted: CaseNotes,
    legal: LegalSection,
) -> dict[str, Any]:
    """What every event says of a case as it stands, as fields of :class:`CaseBody`.

    Args:
        case: The case.
        at: The wall time of a moment of it.
        left: Members that have gone since the last event.
        noted: What the platform told of it.
        legal: What the law asks of the site.
    """
    standing = standing_of(case, noted.verdict, legal)
    return {
        "case_id": case.case_id,
        "kind": case.kind,
        "state": case.state,
        "began_at": at(case.began_s),
        "opened_at": at(case.opened_s),
        "last_present_at": at(case.last_present_s),
        "cleared_at": None if case.cleared_s is None else at(case.cleared_s),
        "dwell_s": round(max(0.0, case.last_present_s - case.began_s), 3),
        "count": len(case.members),
        "members": things(case.members, at),
        "left": departed(left, at),
        "confidence": round(min(1.0, case.confidence), 4),
        "evidence_status": standing.status,
        "evidence_lacks": standing.lacks,
        "abstention": None
        if case.abstained_s is None
        else Abstention.model_validate(
            {"because": case.abstained_because, "since": at(case.abstained_s)}
        ),
        "ticket": noted.ticket,
        "verdict": noted.verdict,
        "warned_at": None if case.warned_s is None else at(case.warned_s),
    }


def retold(
    case: Case,
    told: LastTold,
    noted: CaseNotes,
    configuration: Configuration,
    *,
    left: Sequence[Member] = (),
    models: Sequence[ModelUsed] | None = None,
    withdrawn: Withdrawn | None = None,
) -> CaseBody:
    """The body of an event of a case whose zone may be drawn no more, and of which there is no picture.

    Args:
        case: As it stands.
        told: What was told of it last.
        noted: What the platform told of it.
        configuration: The site.
        left: Members that have gone since the last event.
        models: Those that judge; None: those of its last event.
        withdrawn: Why and when it ended without being seen to; None: as it was told last.
    """
    site = configuration.site
    return CaseBody(
        **facts_of(case, told.at, left, noted, configuration.legal),
        code=told.code or code_of(case, site),
        place=told.place(site.device_id, site.address),
        allowed_s=told.allowed_s,
        models=told.models if models is None else tuple(models),
        configuration_sha256=configuration.sha256(),
        withdrawn=withdrawn or told.withdrawn,
    )
