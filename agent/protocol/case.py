"""A case in an event: what it consists of, how it stands, and what proves it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from agent.domain.picture import PictureFault
from agent.domain.scene import Withdrawal
from agent.protocol.base import (
    MAX_OPEN_CASES,
    MAX_PLACES,
    MAX_WORDS,
    Abstention,
    Base64Url,
    EventCode,
    Models,
    Wire,
)
from agent.protocol.fields import (
    MAX_NUMBER,
    AtMost,
    Count,
    Flag,
    Id,
    Label,
    Moment,
    Name,
    Seconds,
    Sentence,
    Sha256,
    Share,
    Text,
    Whole,
    Within,
    Word,
    null_if_no_number,
)
from agent.protocol.place import Place


class Fraction(Wire):
    """A box in fractions of the frame."""

    left: Share
    top: Share
    right: Share
    bottom: Share


MemberId = Annotated[str, Field(max_length=103, pattern=r"^[A-Za-z0-9_-]{1,96}(\.[0-9]{1,6})?$")]
"""Of one stay of one thing in one case: what comes back after it has gone has another, with a number behind
a dot."""


class Thing(Wire):
    """One member of a case: a bike, a stall, a bin.

    ``since`` is when it came to stand; time in which nobody could see it is left out, so that it may be later in
    a later event. ``last_present_at`` is when it was last there; null in what an older agent kept.
    ``operator`` is whose shared bike it is by its paint, or ``unknown``; null where the site names
    no operators. ``plate`` says of a bike that no number was read: none is ever guessed.
    """

    member_id: MemberId
    label: Word
    box: Fraction
    since: Moment
    last_present_at: Moment | None = None
    operator: Name | None = None
    plate: Literal["plate_unreadable"] | None = None


class Departed(Thing):
    """A member that has gone: it stood from ``since`` to ``until``."""

    until: Moment


PictureFile = Annotated[
    str,
    Field(max_length=182, pattern=r"^[A-Za-z0-9-]{1,64}/[a-z_]{1,16}(-[A-Za-z0-9_-]{1,96})?\.jpg$"),
]
"""A picture of a case: the id of the case, a stroke, and a name that has none."""


MAX_PICTURE_FAULTS = 16


class Picture(Wire):
    """A picture that proves the case; it stays on the device until it is asked for.

    ``file`` is the id of the case, a stroke, and a name that has none. ``faults`` are what it cannot show, as far
    as the device has measured it: ``cut`` (a thing goes on beyond the frame), ``dark`` (hardly any light), ``hidden``
    (people or vehicles stand before more than half of each of its things), ``small`` (what it shows measures less
    than 48 pixels), ``no_ten_seconds`` (the two wide pictures are not known to be ten seconds apart) and
    ``below_720p`` (the camera's picture is smaller than 1280 × 720).
    """

    role: Literal["begin", "threshold", "close_up", "plate_view", "after"]
    file: PictureFile
    sha256: Sha256
    size_bytes: Annotated[int, Field(strict=True, gt=0, le=2**31 - 1)]
    width_px: Annotated[int, Field(strict=True, gt=0, le=65_535)]
    height_px: Annotated[int, Field(strict=True, gt=0, le=65_535)]
    captured_at: Moment
    faults: Annotated[tuple[PictureFault, ...], AtMost(MAX_PICTURE_FAULTS)] = ()


Fact = Annotated[
    Annotated[int, Whole(-MAX_NUMBER, MAX_NUMBER)]
    | Annotated[float, Within(-1e15, 1e15)]
    | Annotated[str, Text(500)]
    | Flag
    | None,
    BeforeValidator(null_if_no_number),
]
"""One of the figures that a rule went by."""


class Withdrawn(Wire):
    """A case has ended without anybody seeing how, because what it was judged by has changed.

    ``zone_gone``: its zone is drawn no more. ``zone_changed``: where it stood is no longer judged by the same
    rule. ``unit_moved``: the unit or its camera stands or looks elsewhere. ``scenario_off``: what judged it is off.
    ``judged_false``: a reviewer found it to be a false alarm; what looks alike there opens no other for a while.
    """

    reason: Withdrawal
    at: Moment


Finding = Literal["valid", "false", "duplicate"]
"""What a reviewer may find of a case."""
EvidenceStatus = Literal["lead_only", "reviewed"]
"""``reviewed``: a reviewer found the case valid, by a signed verdict that stands, and all that the law asks of the site
was there when it opened and is there now. Whether it is evidence the city decides, never the device."""
LegalFact = Literal["legal_review_no", "tech_review_no", "sign_installed", "location_published"]
"""What the law asks of a site."""


class Verdict(Wire):
    """What a reviewer found of a case, as the platform told it.

    ``reference`` leads to who judged there, and why; ``key`` is the key (RFC 7638) that signed it, in the role of a
    reviewer; ``at`` is when it came.
    """

    verdict: Finding
    duplicate_of: Id | None
    reference: Label
    at: Moment
    key: Base64Url


class CaseBody(Wire):
    """One street problem as it stands at the event's time.

    ``began_at`` is when the thing came to stand, ``last_present_at`` when it was last there. What
    came or went while people hid the place did so between two sights of it: then it is the middle.
    ``members`` are what it consists of; of a case that has ended, what stood there last. ``left`` are members
    that have gone since the case's last event: each is named there once.
    ``evidence_fault`` is why the disk did not take every picture of it; null if it did. ``ticket`` is the
    platform's number of it, ``verdict`` what a reviewer found; null until the platform told it. ``evidence_lacks``
    says of a case that was found valid why it is ``lead_only`` all the same. ``warned_at`` is when somebody was warned
    by lamp or buzzer, before it opened; null: nobody was.
    """

    case_id: Id
    kind: Word
    state: Literal["open", "cleared", "withdrawn"]
    code: EventCode
    place: Place
    began_at: Moment
    opened_at: Moment
    last_present_at: Moment
    cleared_at: Moment | None = None
    dwell_s: Seconds
    allowed_s: Seconds
    count: Count
    members: Annotated[tuple[Thing, ...], AtMost(MAX_PLACES)] = ()
    left: Annotated[tuple[Departed, ...], AtMost(MAX_PLACES)] = ()
    confidence: Share
    reason: Annotated[dict[Word, Fact], AtMost(MAX_WORDS)] = {}
    models: Models = ()
    configuration_sha256: Sha256
    pictures: Annotated[tuple[Picture, ...], AtMost(32)] = ()
    evidence_fault: Sentence | None = None
    evidence_status: EvidenceStatus = "lead_only"
    evidence_lacks: Annotated[tuple[LegalFact, ...], AtMost(4)] = ()
    abstention: Abstention | None = None
    ticket: Label | None = None
    verdict: Verdict | None = None
    withdrawn: Withdrawn | None = None
    warned_at: Moment | None = None


OpenCases = Annotated[tuple[Id, ...], AtMost(MAX_OPEN_CASES)]
"""The cases that are open, the oldest first. What is not named there is not open, whatever was told of it."""
