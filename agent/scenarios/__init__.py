"""Scenarios: one file per kind of street problem, named in the configuration by its file.

A scenario file defines:

- ``KIND``: the case's kind on the wire, such as ``misparked_bike``, and ``called(count)``: in words;
- ``ZONES``: the kinds of zones that it goes by;
- ``NEEDS``: what must be prepared for it from each frame;
- ``Settings``: a frozen pydantic model of its tuning, with ``allowed_s``;
- ``build(settings, zones)``: a :class:`Scenario` for the zones of one camera;
- ``MEASURES``: what its rule goes by, by the names of its measures, in words; the first of a zone's measures is
  for how long something has stood;
- ``WARNED_BY``: the measures besides the time that must hold before anybody is warned;
- ``ANSWERS``: what a person says of its doubtful crops;
- ``EXAMPLES``: for each kind of zone that it judges, a drawn street on which the problem comes and goes.

Whatever else knows kinds of zones or scenarios (configuration, pipeline, checks, evaluation) has it from
here. The contract tests run over every file in this folder, and play every example through the whole
analysis: a scenario that would stay silent fails there.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import dataclass, field
from functools import cache, reduce
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.domain.scene import MASK
from agent.perception.verifier_answers import Question
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from agent.domain.measure import Measure
    from agent.domain.scene import (
        Box,
        CaseKind,
        Doubt,
        Finding,
        Observation,
        Point,
        Stay,
        Track,
        Zone,
        ZoneKind,
    )
    from agent.perception.background_model import Novelty
    from wording.messages import Said


RoadClass = Annotated[str, Field(min_length=1, max_length=64)]
"""The city's own name of a class of roads, such as ``严管街``."""
VERIFIED_BY = "verified"
"""The measure of what the verifier says: where there is one, it must hold before anybody is warned."""
VERIFIER = "verifier"
"""The optional classifier that says what a candidate is, by its key in ``[models]``."""


class ScenarioSettings(BaseModel):
    """Settings that all scenarios share."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    allowed_s: float = Field(default=180.0, gt=0)
    """How long the thing may stay before it is a case, where neither the zone nor its road says otherwise."""
    allowed_s_by_road_class: dict[RoadClass, Annotated[float, Field(gt=0)]] = Field(default={})
    """The same in zones of a road class, by the class's name in the zone or the site."""
    warn_after_s: float | None = Field(default=None, gt=0)
    """After this somebody is warned by lamp or buzzer, where the zone does not say otherwise; None: nobody is."""
    clear_after_s: float = Field(default=10.0, ge=0)
    """How long the place must be seen in order before the case is cleared."""

    def allowed_in(self, zone: Zone) -> float:
        """How long the thing may stay in a zone, in seconds: the zone's word, else its road's, else this one."""
        if zone.allowed_s is not None:
            return zone.allowed_s
        return self.allowed_s_by_road_class.get(zone.road_class or "", self.allowed_s)

    def warned_in(self, zone: Zone) -> float | None:
        """After how many seconds somebody is warned in a zone: the zone's word, else this one; None: nobody is."""
        return self.warn_after_s if zone.warn_after_s is None else zone.warn_after_s

    def allowed_by_zone(self, zones: Iterable[Zone]) -> dict[str, float]:
        """The same of several zones, by their ids."""
        return {zone.zone_id: self.allowed_in(zone) for zone in zones}

    def longest_s(self, allowed_s: float) -> float:
        """After this a thing that may stay for ``allowed_s`` is a case, whatever else is known of it."""
        return allowed_s


class VerifiedSettings(ScenarioSettings):
    """Settings of scenarios that ask the verifier about their candidates (:mod:`agent.perception.verifier_answers`)."""

    verifier_confirms: float = Field(default=0.4, gt=0, lt=1)
    """A candidate that is by the verifier what the scenario is about, with this probability or more, is
    confirmed: it needs no other name. The lowest that keeps false stalls below 3 in 100 on folds of places
    (models/verifier/CARD.md)."""
    verifier_refuses: float = Field(default=0.05, ge=0, lt=1)
    """One that is so with less than this probability is refused: it is no case, whatever else is known. Where
    other kinds are taken for alike, it is what all of them have on average. On folds of places 1 stall in
    100 is refused, 3 bikes and 2 lots of rubbish; 0.1 would refuse three times as many."""
    verify_every_s: float = Field(default=20.0, ge=1)
    """How often the verifier is asked about a candidate while it stands."""

    @model_validator(mode="after")
    def _leave_room_for_doubt(self) -> Self:
        if self.verifier_refuses >= self.verifier_confirms:
            raise ValueError(said("verifier_refuses must be below verifier_confirms"))
        return self

    def question(self, kinds: frozenset[str], alike: frozenset[str] = frozenset()) -> Question:
        """What to ask the verifier.

        Args:
            kinds: Of ``CANDIDATE_KINDS``, those that confirm a candidate.
            alike: Those that neither confirm nor refuse it.
        """
        return Question(
            kinds, alike, self.verifier_confirms, self.verifier_refuses, self.verify_every_s
        )


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be prepared for a scenario from each frame: of the rest nothing is computed."""

    dwell: Mapping[ZoneKind, frozenset[str]] = field(default_factory=dict)
    """Kind of zone → the labels whose stays in such a zone are measured."""
    background_s: float = 0.0
    """For how long what is new on the ground must be told from it (:attr:`Moment.novelty`); 0: not at all."""
    classifiers: frozenset[str] = frozenset()
    """Models that it asks about a zone (:class:`Scores`), by their key in ``[models]``."""
    optional_classifiers: frozenset[str] = frozenset()
    """Models that it would ask as well, and does without where there are none; by the same key."""
    silent_without: frozenset[str] = frozenset()
    """Of those, the ones without which it says nothing at all."""

    def joined(self, other: Needs) -> Needs:
        """What serves both."""
        kinds = self.dwell.keys() | other.dwell.keys()
        none: frozenset[str] = frozenset()
        return Needs(
            {kind: self.dwell.get(kind, none) | other.dwell.get(kind, none) for kind in kinds},
            max(self.background_s, other.background_s),
            self.classifiers | other.classifiers,
            self.optional_classifiers | other.optional_classifiers,
            self.silent_without | other.silent_without,
        )


class Scores(Protocol):
    """What classifiers see in a zone, asked for only when it is needed."""

    def probability(self, classifier: str, meaning: str, zone: Zone) -> float:
        """How probable a meaning is for the zone's crop, 0 to 1.

        Args:
            classifier: One of :attr:`Needs.classifiers`.
            meaning: One of the model's, such as ``overflowing``.
            zone: The zone.
        """

    def candidate(self, box: Box) -> Mapping[str, float] | None:
        """What a candidate for a case is: the probability, 0 to 1, of each of ``CANDIDATE_KINDS``.

        Each call may be one run of a network that costs several of the detector's: ask seldom, and ask
        again at a later frame after None.

        Args:
            box: The candidate, in fractions of the frame.

        Returns:
            None: nobody can say, because there is no verifier, it failed, or the device has nothing to
            spare for it now.
        """


@dataclass(frozen=True, slots=True)
class Moment:
    """All that is known at one frame of one camera.

    ``local`` is the site's wall clock, for schedules only; ``now_s`` is what times are
    measured on. ``stays`` and ``novelty`` are what the scenarios here declare as needed; ``novelty`` is
    None where none of them needs it.
    """

    now_s: float
    local: datetime
    observation: Observation
    tracks: Sequence[Track]
    stays: Sequence[Stay]
    novelty: Novelty | None
    scores: Scores
    changed: Sequence[Box]
    """Regions whose picture has changed since the network last saw them."""
    unseen: frozenset[str] = frozenset()
    """Zones that the view does not show now: nothing is said of them, and nothing counts on."""


class MeasureWords(NamedTuple):
    """What people read for a figure that a rule goes by."""

    in_full: Said
    column: Said
    """At the head of a column."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person may say of a doubtful crop: the names of the folders that it is sorted into."""

    of: str
    """What is asked for: a label of the detector, or a meaning of a classifier."""
    yes: str
    no: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that stands on an example's street for a while."""

    box: Box
    begins_s: float
    ends_s: float
    label: str | None = None
    """What the detector calls it; None: it has no name for it."""
    means: Mapping[str, float] = field(default_factory=dict)
    """What classifiers say of it: of a zone in which it stands, such as ``overflowing``: 0.9, or of
    itself, such as ``shop_goods``: 0.9."""


@dataclass(frozen=True, slots=True)
class Example:
    """A drawn street, empty at first, on which a scenario's problem comes and goes again.

    ``begins_s`` and ``ends_s`` are when the problem is there, in seconds from the first frame: long enough
    for the ground to be known before, and for a case to open.
    """

    zone: ZoneKind
    polygon: tuple[Point, ...]
    things: tuple[Standing, ...]
    begins_s: float
    ends_s: float
    settings: Mapping[str, float]
    """Of the scenario: what is allowed for minutes is told in seconds."""
    verified: bool = False
    """Whether there is a verifier."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A candidate that is a case by all else, and is none by the verifier's word, or whose case that ended."""

    zone_id: str
    seen_as: str
    """One of ``CANDIDATE_KINDS``."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything that a scenario says at one moment."""

    findings: tuple[Finding, ...] = ()
    pending: Mapping[str, float] = field(default_factory=dict)
    """Zone → since when something there may become a case (for the first picture)."""
    measures: Mapping[str, tuple[Measure, ...]] = field(default_factory=dict)
    """Zone → what the rule goes by, where something may become a case."""
    doubts: tuple[Doubt, ...] = ()
    """Of what was judged now, what a person should judge as well."""
    suppressed: tuple[Suppressed, ...] = ()
    """Said once of each candidate, at the moment when it happens."""


class Scenario(Protocol):
    """One kind of street problem on one camera. Pure: no disk, clock, network or thread."""

    def judge(self, moment: Moment) -> Judgement:
        """Say of each place whether the problem stands there or not; silence leaves it as is."""

    def resume(self, zone_id: str, unseen_s: float) -> None:
        """A zone is seen again; the time in which it was not adds nothing to what is counted."""

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart, as JSON. Times are on the monotonic clock."""

    def restore(self, snapshot: dict[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""


class ScenarioModule(Protocol):
    """A module of this folder."""

    KIND: CaseKind
    ZONES: tuple[ZoneKind, ...]
    NEEDS: Needs
    MEASURES: Mapping[str, MeasureWords]
    WARNED_BY: frozenset[str]
    ANSWERS: Answers
    EXAMPLES: tuple[Example, ...]
    """At least one for each kind of zone that it judges."""
    Settings: type[ScenarioSettings]

    def called(self, count: int) -> Said:
        """What people call so many cases of the kind."""

    def build(self, settings: Any, zones: Sequence[Zone]) -> Scenario:
        """Build the scenario for the zones of one camera."""


class UnknownScenarioError(ValueError):
    """The configuration names a scenario that does not exist."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(said("no scenario {name!r}; there are: {known}", name=name, known=known))
        self.name, self.known = name, known


def scenario_names() -> tuple[str, ...]:
    """Names of all scenarios: the files in this folder. None of them is imported."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load_scenario(name: str) -> ScenarioModule:
    """Import one scenario by its name.

    Raises:
        UnknownScenarioError: There is no such file.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name not in scenario_names():
        raise UnknownScenarioError(name, scenario_names())
    return cast("ScenarioModule", importlib.import_module(f"{__name__}.{name}"))


@cache
def scenario_of(kind: str) -> ScenarioModule | None:
    """The scenario whose cases are of a kind, if there is one."""
    modules = map(load_scenario, scenario_names())
    return next((module for module in modules if kind == module.KIND), None)


@cache
def zone_kinds() -> Mapping[str, ZoneKind]:
    """Every kind of zone that can be drawn, by its name: those that scenarios go by, and masks.

    Raises:
        ValueError: Two scenarios mean different things by one name.
    """
    declared = (kind for name in scenario_names() for kind in load_scenario(name).ZONES)
    kinds: dict[str, ZoneKind] = {}
    for kind in (*declared, MASK):
        if kinds.setdefault(kind.name, kind) != kind:
            raise ValueError(f"two scenarios declare the kind of zone {kind.name!r} differently")
    return kinds


def judges(module: ScenarioModule, kind: ZoneKind) -> bool:
    """Whether what is wrong in zones of a kind becomes the scenario's case."""
    return kind.judged and kind in module.ZONES


def kinds_judged_in(kind: ZoneKind) -> tuple[CaseKind, ...]:
    """The kinds of cases that may open in zones of a kind."""
    modules = (load_scenario(name) for name in scenario_names())
    return tuple(module.KIND for module in modules if judges(module, kind))


def beside(kind: ZoneKind) -> frozenset[ZoneKind]:
    """The other kinds by which the scenarios of this kind go: what excuses there, or what is excused."""
    modules = (load_scenario(name) for name in scenario_names())
    kinds = {other for each in modules if kind in each.ZONES for other in each.ZONES}
    return frozenset(other for other in kinds if other.judged != kind.judged)


def needs_of(modules: Iterable[ScenarioModule], zones: Iterable[Zone]) -> Needs:
    """What scenarios need where these zones are drawn: nothing for one that judges none of them."""
    kinds = {zone.kind for zone in zones}
    here = [each for each in modules if any(judges(each, kind) for kind in kinds)]
    return reduce(Needs.joined, (module.NEEDS for module in here), Needs())
