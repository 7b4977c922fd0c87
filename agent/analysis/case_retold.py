"""A case told again though nothing was seen of it: as it was told last, with what the platform told since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.analysis.case_things import departed, things
from agent.config.evidence_status import standing_of
from agent.protocol.base import Abstention
from agent.protocol.case import CaseBody, Withdrawn
from agent.protocol.event_codes import event_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.analysis.withdrawal import LastTold
    from agent.config.schema import Configuration
    from agent.domain.scene import Case, Member
    from agent.protocol.base import ModelUsed
    from agent.storage.case_notes import CaseNotes


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
    site, at = configuration.site, told.at
    code = event_code(site.codes_profile, case.matter or case.kind, site.division_code)
    standing = standing_of(case, noted.verdict, configuration.legal)
    return CaseBody(
        case_id=case.case_id,
        kind=case.kind,
        state=case.state,
        code=told.code or code,
        place=told.place(site.device_id, site.address),
        began_at=at(case.began_s),
        opened_at=at(case.opened_s),
        last_present_at=at(case.last_present_s),
        cleared_at=None if case.cleared_s is None else at(case.cleared_s),
        dwell_s=round(max(0.0, case.last_present_s - case.began_s), 3),
        allowed_s=told.allowed_s,
        count=len(case.members),
        members=things(case.members, at),
        left=departed(left, at),
        confidence=round(min(1.0, case.confidence), 4),
        models=told.models if models is None else tuple(models),
        configuration_sha256=configuration.sha256(),
        evidence_status=standing.status,
        evidence_lacks=standing.lacks,
        abstention=None
        if case.abstained_s is None
        else Abstention.model_validate(
            {"because": case.abstained_because, "since": at(case.abstained_s)}
        ),
        ticket=noted.ticket,
        verdict=noted.verdict,
        withdrawn=withdrawn or told.withdrawn,
    )
