"""When a case is more than a lead: a reviewer found it valid, and the law's demands on the site are met."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

from agent.protocol.case import EvidenceStatus, LegalFact

if TYPE_CHECKING:
    from agent.config.sections.site import LegalSection
    from agent.domain.scene import Case
    from agent.protocol.case import Verdict


class Standing(NamedTuple):
    """What a case may be taken for."""

    status: EvidenceStatus
    lacks: tuple[LegalFact, ...]
    """Why it stays a lead though it was found valid."""


def standing_of(case: Case, verdict: Verdict | None, legal: LegalSection) -> Standing:
    """What a case may be taken for, by the last verdict on it.

    What was missing when it opened cannot be made good: a record of equipment that had not been reviewed is no
    evidence after the review either (Administrative Penalty Law, Art. 41). Of a case of an older agent that is
    not known, and counts as missing.

    Args:
        case: The case.
        verdict: Signed by a reviewer; None: there is none yet.
        legal: What the site says now.
    """
    if verdict is None or verdict.verdict != "valid":
        return Standing("lead_only", ())
    then = get_args(LegalFact) if case.legal_gaps is None else case.legal_gaps
    lacks = tuple(name for name in get_args(LegalFact) if name in {*then, *legal.gaps})
    return Standing("lead_only" if lacks else "reviewed", lacks)
