"""What other zones would have given over the tracks of the last hours."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from agent.control.messages.base import Reply, Request, Words

LONGEST_SITE, LONGEST_ZONES = 200_000, 2_000_000
MOST_HOURS = 168.0
JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]


class DryCase(Reply):
    """One case that would have opened.

    ``unverified``: the verifier would have been asked, and nobody knows what it would have said.
    """

    kind: str
    zone_id: str
    camera_id: str
    opened_at: datetime
    began_at: datetime
    ended_at: datetime | None
    lasted_s: float
    box: tuple[float, float, float, float]
    unverified: bool


class DryMeasure(Reply):
    """One figure that a rule went by, and what it is compared with."""

    name: str
    value: float | None
    threshold: float
    needs: Literal["at_least", "at_most"]
    holds: bool
    text: Words


class NearMiss(Reply):
    """What came near to a case and was none; ``goes_on``: it still stood at the end."""

    zone_id: str
    kind: str
    at: datetime
    goes_on: bool
    measures: list[DryMeasure]


class Difference(Reply):
    """A case that only the proposal gives, that only today's zones give, or that is another by it."""

    change: Literal["appears", "goes", "changes"]
    case: DryCase
    text: Words


class Limit(Reply):
    """What the run could not know; of a zone, or of all of them."""

    zone_id: str | None
    text: Words


class WatchedZone(Reply):
    """In which share of the frames the network had looked at a zone's middle, and could not see it."""

    zone_id: str
    looked_share: float
    unseen_share: float


class DrySide(Reply):
    """What one configuration would have given."""

    cases: list[DryCase]


class Source(Reply):
    """What was judged of one camera."""

    camera_id: str
    frames: int
    hours: float
    begins_at: datetime | None
    ends_at: datetime | None


class ZoneScore(Reply):
    """What a classifier said last of a zone, 0 to 1: of a bin, how probable it is that it is ``overflowing``."""

    zone_id: str
    classifier: str
    meaning: str
    probability: float


class RecentResult(Reply):
    """What the proposal gives over the frames of the last minutes, judged anew with all networks.

    What had stood before them is known; cases that open within them are told, and what is near.
    """

    source: list[Source]
    cases: list[DryCase]
    near: list[NearMiss]
    watched: list[WatchedZone]
    scores: list[ZoneScore]


class DryRunResult(Reply):
    """What came of a dry run: today's configuration, and the proposal; ``near`` and ``watched`` are the proposal's.

    ``recent`` is None where no frames are kept, or they could not be judged.
    """

    source: list[Source]
    now: DrySide
    then: DrySide
    differences: list[Difference]
    near: list[NearMiss]
    watched: list[WatchedZone]
    limits: list[Limit]
    recent: RecentResult | None = None


class StartedReply(Reply):
    """It has begun."""

    job: str


class AskDryRun(Request[StartedReply]):
    """Begin a dry run of a proposal; one that goes on is given up.

    ``site`` is the text of ``site.toml``, ``zones`` that of ``zones.json``; None: as the agent has it.
    """

    verb: ClassVar[str] = "dry_run.start"
    answer: ClassVar[type[Reply]] = StartedReply
    site: Annotated[str, Field(max_length=LONGEST_SITE)] | None = None
    zones: Annotated[str, Field(max_length=LONGEST_ZONES)] | None = None
    hours: Annotated[float, Field(gt=0, le=MOST_HOURS)] = 3.0


class ProgressReply(Reply):
    """How far it is, 0 to 1; ``because`` says why it failed."""

    job: str
    state: Literal["running", "done", "failed"]
    share: float
    because: Words | None = None


class AskDryRunProgress(Request[ProgressReply]):
    """How far is it?"""

    verb: ClassVar[str] = "dry_run.progress"
    answer: ClassVar[type[Reply]] = ProgressReply
    job: JobId


class AskDryRunResult(Request[DryRunResult]):
    """What came of it? Refused with ``not_yet`` while it goes on."""

    verb: ClassVar[str] = "dry_run.result"
    answer: ClassVar[type[Reply]] = DryRunResult
    job: JobId
