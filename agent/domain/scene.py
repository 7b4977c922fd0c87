"""The values of the domain: boxes, detections, tracks, zones, stays, findings, cases.

Coordinates are fractions of the frame (0 left/top, 1 right/bottom), so that zones outlive a
change of resolution. Times ending in ``_s`` are on the frames' monotonic clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from agent.domain.schedule import Window

_Value = TypeVar("_Value", bound="np.generic")
CaseKind = str
"""A scenario's kind: ``street_vending``, ``misparked_bike``, ``overflowing_bin`` or a later one."""

Point = tuple[float, float]


class PixelBox(NamedTuple):
    """A rectangle of whole pixels: ``right`` and ``bottom`` are the first that are not in it."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, picture: NDArray[_Value]) -> NDArray[_Value]:
        """Its part of a picture, (height, width, …): a view, empty where it encloses nothing."""
        return picture[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in fractions of the frame."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    @property
    def centre(self) -> Point:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def foot(self) -> Point:
        """Where the thing stands: the middle of its lower edge."""
        return (self.left + self.right) / 2, self.bottom

    def overlap(self, other: Box) -> float:
        """The area the two share, as a fraction of the frame."""
        width = min(self.right, other.right) - max(self.left, other.left)
        if width <= 0.0:  # most boxes lie beside each other
            return 0.0
        return width * max(0.0, min(self.bottom, other.bottom) - max(self.top, other.top))

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.overlap(other)
        return shared / (self.area + other.area - shared) if shared > 0 else 0.0

    def covered_by(self, other: Box) -> float:
        """The share of this box that lies within the other, 0 to 1."""
        shared = self.overlap(other)
        return shared / self.area if shared > 0 else 0.0

    def contains(self, point: Point) -> bool:
        return self.left <= point[0] <= self.right and self.top <= point[1] <= self.bottom

    def pixels(self, width: int, height: int) -> PixelBox:
        """Every pixel that it touches in a picture of this size.

        All four edges lie within the picture, also those of a box that does not: then they enclose
        nothing.
        """
        return PixelBox(
            min(width, max(0, int(self.left * width))),
            min(height, max(0, int(self.top * height))),
            max(0, min(width, math.ceil(self.right * width))),
            max(0, min(height, math.ceil(self.bottom * height))),
        )

    def cut_pixels(self, width: int, height: int) -> PixelBox:
        """The same, and one pixel at least: also a cut along a box that is all edge shows something."""
        left, top, right, bottom = self.pixels(width, height)
        left, top = min(left, width - 1), min(top, height - 1)
        return PixelBox(left, top, max(left + 1, right), max(top + 1, bottom))

    def grown(self, share: float) -> Box:
        """This box with ``share`` of its size added on each side, cut at the frame's edge."""
        dx, dy = self.width * share, self.height * share
        return Box(
            max(0.0, self.left - dx),
            max(0.0, self.top - dy),
            min(1.0, self.right + dx),
            min(1.0, self.bottom + dy),
        )

    def union(self, other: Box) -> Box:
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


def crop(picture: NDArray[_Value], box: Box) -> NDArray[_Value]:
    """The part of a picture, (height, width, …), that a box touches: a view, empty beside the picture."""
    height, width = picture.shape[:2]
    return box.pixels(width, height).cut(picture)


HIDES_SHARE = 0.3
"""Of what is unseen by this share nothing is said."""


def covered_share(box: Box, parts: Iterable[Box]) -> float:
    """The share of a box that lies within parts which do not overlap each other, 0 to 1."""
    return sum(box.covered_by(part) for part in parts)


def middle(last_seen_s: float, missed_s: float | None) -> float:
    """The best guess at when a thing went that was last seen and then first missed."""
    return last_seen_s if missed_s is None else (last_seen_s + missed_s) / 2


WHOLE_FRAME = Box(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing the network saw in one frame. ``label`` is a street meaning, not a class index."""

    label: str
    confidence: float
    box: Box


@dataclass(frozen=True, slots=True)
class Observation:
    """What was looked at and what was seen there.

    Not having looked is not the same as having seen nothing: only a thing inside a region of
    ``regions_looked`` can be missed. A region whose picture has not changed since the network
    last saw it counts as looked at, with the detections of that time.
    """

    regions_looked: tuple[Box, ...]
    detections: tuple[Detection, ...]
    unseen: tuple[Box, ...] = ()
    """Where the view is blocked or blinded: these parts were not looked at, whatever the regions."""

    def looked_at(self, point: Point) -> bool:
        looked = any(region.contains(point) for region in self.regions_looked)
        return looked and not any(box.contains(point) for box in self.unseen)

    def hides(self, box: Box) -> bool:
        """Whether too little of a box can be seen to say anything of what is in it."""
        return covered_share(box, self.unseen) >= HIDES_SHARE


@dataclass(frozen=True, slots=True)
class Track:
    """One thing followed over time.

    ``still_since_s`` is when it came to stand where it stands now; None while it moves.
    ``seen_now`` says whether this moment's observation showed it. ``support`` is the share of
    looks at it, since it stands here and was not hidden, in which the network was sure of it.
    """

    track_id: int
    label: str
    box: Box
    confidence: float
    first_seen_s: float
    last_seen_s: float
    still_since_s: float | None
    seen_now: bool
    support: float = 1.0
    missed_since_s: float | None = None
    """When it was first looked for, unhidden, and not there; None while it is not missed."""

    @property
    def until_s(self) -> float:
        """When it was last there, as well as that is known.

        What is taken away while people hide it went somewhere between the last sight of it and
        the first sight of its empty place: the middle errs least.
        """
        return middle(self.last_seen_s, self.missed_since_s)


@dataclass(frozen=True, slots=True)
class ZoneKind:
    """What zones are drawn for. Each scenario declares those that it goes by; masks are there always."""

    name: str
    """In ``zones.json``."""
    judged: bool = True
    """Whether what is wrong in such a zone becomes a case; one that is not judged excuses or hides."""
    around_a_thing: bool = False
    """Whether it is drawn around one thing, such as a bin; else on the ground, on which things stand."""


MASK = ZoneKind("mask", judged=False)
"""Nobody may see what it covers, and nothing is judged there."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon on the picture with a meaning, drawn at installation."""

    zone_id: str
    camera_id: str
    kind: ZoneKind
    polygon: tuple[Point, ...]
    place_id: str
    """Cameras that see the same street problem give it the same place."""
    in_force: tuple[Window, ...] = ()
    """When the rule holds; empty: always."""
    permitted: tuple[Window, ...] = ()
    """When the rule is suspended, such as market hours."""
    allowed_s: float | None = None
    """How long a thing may stay here; None: as the scenario has it."""
    warn_after_s: float | None = None
    """After how long somebody is warned; None: as the scenario has it."""
    road_class: str | None = None
    """The city's class of the road, by which a scenario may allow more or less."""

    @property
    def box(self) -> Box:
        xs, ys = zip(*self.polygon, strict=True)
        return Box(min(xs), min(ys), max(xs), max(ys))


@dataclass(frozen=True, slots=True)
class Unseen:
    """Why a zone cannot be seen, and since when on the frames' clock."""

    because: str
    since_s: float


@dataclass(frozen=True, slots=True)
class Stay:
    """A track that stands in a zone, and for how long it has."""

    track_id: int
    zone_id: str
    entered_s: float
    dwell_s: float


@dataclass(frozen=True, slots=True)
class Look:
    """How a place in the picture looked; see :mod:`agent.perception.likeness`."""

    box: Box
    texture: str
    colour: tuple[float, float]
    """Of the thing against its surroundings, a* and b* of CIE L*a*b*."""


@dataclass(frozen=True, slots=True)
class HeldPlace:
    """Where a false alarm was, and how that looked: what looks alike there is held back for a while."""

    case_id: str
    kind: CaseKind
    zone_id: str
    camera_id: str
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One thing that is part of a case: one bike of several, the stall, the bin."""

    member_id: str
    label: str
    box: Box
    since_s: float
    last_present_s: float | None = None
    """When it was last there; None: at the moment of the finding."""
    zone_id: str | None = None
    """In which zone it stands, once it is part of a case."""
    operator: str | None = None
    """Whose shared bike it is; None: nobody has looked, or nobody could know."""
    stay: int = 1
    """Which of its stays in the case this is: one that came back after it had gone has another."""
    missed_s: float | None = None
    """Since when no finding names it; it has gone only when that has lasted."""
    look: Look | None = None
    """How it looked when it became part of a case; None: an older agent took no note of it."""

    @property
    def name(self) -> str:
        """What it is called on the wire: one name for each stay."""
        return self.member_id if self.stay == 1 else f"{self.member_id}.{self.stay}"

    @property
    def until_s(self) -> float:
        """When it was last there, and no earlier than it came."""
        return (
            self.since_s if self.last_present_s is None else max(self.since_s, self.last_present_s)
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """What a scenario says of one place at one moment.

    ``present``: the problem stands and its rule is fulfilled. ``absent``: the place was looked at
    and is in order. A place of which a scenario says nothing stays as it was.
    """

    kind: CaseKind
    zone_id: str
    place_id: str
    state: Literal["present", "absent"]
    since_s: float
    """present: when the problem began; absent: when it was last there (or now, if unknown)."""
    confidence: float = 0.0
    members: tuple[Member, ...] = ()
    reason: Mapping[str, Any] = field(default_factory=dict)
    """The facts the rule went by, for people: scores, shares, thresholds."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A judgement of which a scenario is not sure: a person's answer would teach the next model.

    ``score`` is what was near its threshold, 0 to 1.
    """

    zone_id: str
    label: str
    score: float
    box: Box


CaseState = Literal["open", "cleared", "withdrawn"]
Withdrawal = Literal["zone_gone", "zone_changed", "unit_moved", "scenario_off", "judged_false"]
"""Why a case ends that nobody has seen end: its zone is drawn no more; its place is no longer judged by the
same rule; the unit or its camera stands or looks elsewhere; its scenario is off; a reviewer found it to be none."""


@dataclass(frozen=True, slots=True)
class Vantage:
    """From where a camera looks: as long as it is the same, what was seen there before can be seen again.

    Each fact may be unknown, and is then no reason to think that anything has moved.
    """

    device: str | None = None
    """Tenant and device."""
    driver: str | None = None
    """The camera's."""
    address: str | None = None
    coordinates: str | None = None
    view_sha256: str | None = None
    """Of the commissioning picture."""

    def has_moved_to(self, now: Vantage) -> bool:
        """Whether what is known of both differs. An address counts where nobody has surveyed the place."""
        places = (self.coordinates, now.coordinates)
        if None in places:
            places = (self.address, now.address)
        pairs = (
            places,
            (self.device, now.device),
            (self.driver, now.driver),
            (self.view_sha256, now.view_sha256),
        )
        return any(before != after for before, after in pairs if None not in {before, after})

    def updated(self, now: Vantage) -> Vantage:
        """What is known now, and of the rest what was known before."""
        return Vantage(
            now.device or self.device,
            now.driver or self.driver,
            now.address or self.address,
            now.coordinates or self.coordinates,
            now.view_sha256 or self.view_sha256,
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One street problem from its opening to its end."""

    case_id: str
    kind: CaseKind
    zone_id: str
    place_id: str
    camera_id: str
    state: CaseState
    began_s: float
    opened_s: float
    last_present_s: float
    last_reported_s: float
    members: tuple[Member, ...]
    confidence: float
    cleared_s: float | None = None
    abstained_s: float | None = None
    """Since when no camera that saw the problem can see its place; None while one can, or once the
    problem was seen again."""
    abstained_because: str | None = None
    matter: str | None = None
    """As what the city is told of it, by the name of a matter; None: as its kind. Fixed when it opens."""
    told: tuple[str, ...] | None = None
    """The names of its members in its last event; None: not known, as of a case of an older agent."""
    gone: tuple[Member, ...] = ()
    """Members that have gone since that event."""
    stays: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Member → the number of its last stay that is over, and until when that was."""
    vantage: Vantage | None = None
    """From where it was seen when it opened."""
    withdrawn_because: Withdrawal | None = None
    test: bool = False
    """Whether it was made to try the way: nothing counts it."""
    warned_s: float | None = None
    """When somebody was warned before it opened; None: nobody was."""
    legal_gaps: tuple[str, ...] | None = None
    """What the law asks of the site and was not there yet when it opened; None: not known, as of a case of an
    older agent."""
