"""Configurations: which one is in force, what a proposal would change, applying it on trial, and what was applied."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from agent.control.messages.base import Reply, Request, Words

LEAST_CONFIRM_S, MOST_CONFIRM_S, CONFIRM_WITHIN_S = 10.0, 3600.0, 300.0
Text = Annotated[str, Field(max_length=4_000_000)]
Number = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class TrialState(_Part):
    """The configuration that is on trial, and for how long it may still be confirmed."""

    number: int
    left_s: float
    confirm_by: datetime
    proves_itself: bool


class Code(_Part):
    """A code that a zone may choose, with the city's name of it."""

    code: str
    name: str


class KindOfZone(_Part):
    """A kind of zone that can be drawn.

    Attributes:
        kind: As ``zones.json`` says it.
        judged: Whether what is wrong there becomes a case.
        around_a_thing: Whether it is drawn around one thing, else on the ground.
        codes: Among which a zone of it may choose.
        scenario_configured: Whether a scenario of this site goes by it.
        allowed_s: How long a thing may stay there if the zone does not say; None: no scenario says.
    """

    kind: str
    judged: bool
    around_a_thing: bool
    codes: list[Code]
    scenario_configured: bool
    allowed_s: float | None


class SiteFacts(_Part):
    """What zones are filled in from: of the site, or already said of one of its zones."""

    timezone: str
    responsible_unit: str | None
    responsible_unit_id: str | None
    units: list[str]
    road_class: str | None
    road_classes: list[str]


class Bounds(_Part):
    """What a drawing has to keep to; areas and distances as shares of the picture."""

    smallest_area: float
    at_edge: float
    max_zones: int
    max_name: int


class ConfigurationReply(Reply):
    """The configuration in force.

    Attributes:
        number: Of the applied one; None: the site's own files are in force.
        sha256: Of what shapes a judgement, as events carry it.
        site: ``site.toml`` as it was written; "" for the page: addresses of cameras may hold passwords.
        zones: The zones in force, as ``zones.json`` holds them.
        shown: Every setting, defaults included, without secrets.
        kinds: What kinds of zone there are.
        site_facts: What zones are filled in from.
        bounds: What a drawing has to keep to.
        trial: Whether it is on trial; None: it is not.
        differs_from_written: Whether the site's own files say something else, or cannot be used.
    """

    number: int | None
    sha256: str
    site: str
    zones: str
    shown: dict[str, Any]
    kinds: list[KindOfZone]
    site_facts: SiteFacts
    bounds: Bounds
    trial: TrialState | None
    differs_from_written: bool


class AskConfiguration(Request[ConfigurationReply]):
    """Which configuration is in force?"""

    verb: ClassVar[str] = "configuration.read"
    answer: ClassVar[type[Reply]] = ConfigurationReply


class Proposal(BaseModel):
    """A proposal: the text of both files, or of ``zones.json`` alone. ``site`` None: as it is."""

    site: Text | None = None
    zones: Text | None = None


class Fault(_Part):
    """One fault of a proposal, or a remark on what is allowed but probably not intended.

    Attributes:
        text: What is wrong and what is allowed; without its place if it is a zone's, else with it.
        meaning: What that means for the device; of remarks.
        remedy: What to do; of remarks.
        index: Which zone of the proposal, from 0; None: it is of none.
        zone_id: The zone's name.
        key: Which of its keys, as in the file.
        vertex: Which corner of its polygon, from 0.
    """

    text: Words
    meaning: Words | None = None
    remedy: Words | None = None
    index: int | None = None
    zone_id: str | None = None
    key: str | None = None
    vertex: int | None = None


class SettingChange(_Part):
    """One setting by its place, as JSON before and after; None: not given."""

    at: str
    was: str | None
    now: str | None


class ThingChange(_Part):
    """What became of a zone, camera, scenario as a whole: ``zone.added``, ``zone.removed``, ``zone.renamed``."""

    what: str
    names: dict[str, str]


class CaseEnd(_Part):
    """An open case with which a proposal does not go on: it would end as withdrawn."""

    case_id: str
    zone_id: str
    because: str


class CheckReply(Reply):
    """What a proposal would mean; with faults all else is empty.

    Attributes:
        faults: All of them.
        remarks: What is allowed but probably not intended.
        settings: What it changes, setting by setting, against the one in force.
        things: What comes, goes or is renamed.
        restart: The sections for which the agent has to restart; empty: it takes them over as it runs.
        cases: The open cases that would end.
    """

    faults: tuple[Fault, ...] = ()
    remarks: tuple[Fault, ...] = ()
    settings: tuple[SettingChange, ...] = ()
    things: tuple[ThingChange, ...] = ()
    restart: tuple[str, ...] = ()
    cases: tuple[CaseEnd, ...] = ()


class AskCheck(Proposal, Request[CheckReply]):
    """What would this proposal change?"""

    verb: ClassVar[str] = "configuration.check"
    answer: ClassVar[type[Reply]] = CheckReply


class ApplyReply(Reply):
    """It is on trial. ``restarts``: the agent ends for it, and comes up again with it."""

    number: int
    confirm_within_s: float
    confirm_by: datetime
    restarts: bool


class AskApply(Proposal, Request[ApplyReply]):
    """Go by this proposal from now on, and back if nobody confirms it in time.

    ``over`` is the number that the proposal was made from, 0 for the site's own files; if another one is in force by
    now, it is refused. None: whatever is in force.
    """

    verb: ClassVar[str] = "configuration.apply"
    answer: ClassVar[type[Reply]] = ApplyReply

    over: Annotated[int, Field(ge=0)] | None = None
    confirm_within_s: Annotated[float, Field(ge=LEAST_CONFIRM_S, le=MOST_CONFIRM_S)] = (
        CONFIRM_WITHIN_S
    )


class ConfirmReply(Reply):
    """It is in force for good. ``withdrawn``: so many cases ended with it."""

    number: int
    withdrawn: int


class AskConfirm(Request[ConfirmReply]):
    """Keep the one that is on trial."""

    verb: ClassVar[str] = "configuration.confirm"
    answer: ClassVar[type[Reply]] = ConfirmReply

    number: Number


class RevertReply(Reply):
    """The one before is in force again; ``number`` None: the site's own files. ``restarts``: after a restart."""

    number: int | None
    restarts: bool


class AskRevert(Request[RevertReply]):
    """Go back to the one before the one that is on trial."""

    verb: ClassVar[str] = "configuration.revert"
    answer: ClassVar[type[Reply]] = RevertReply

    number: Number


class AppliedRow(_Part):
    """One that was applied."""

    number: int
    at: datetime
    user: str
    through: str
    over: int | None
    ordered: int | None
    state: str
    """``in_force``, ``on_trial`` or ``kept``."""


class HistoryReply(Reply):
    """Those that are kept, the newest first."""

    rows: list[AppliedRow]


class AskHistory(Request[HistoryReply]):
    """What was applied?"""

    verb: ClassVar[str] = "configuration.history"
    answer: ClassVar[type[Reply]] = HistoryReply
