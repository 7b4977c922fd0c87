"""The one taxonomy of labels: what each label of a network means for the street. Pure.

Tracking, redaction, scenarios, manifests and texts go by this table. A label has one row, and no
property of a row has a default: whoever adds a label decides all of them. What people read for it
stands in ``provisioning/wording/labels.py``, one row a label as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kind: TypeAlias = Literal["person", "bike", "vehicle", "goods", "waste"]
"""A ``bike`` is whatever is parked as bikes are; ``goods`` are what street vendors sell from."""
Sensitive: TypeAlias = Literal["head", "plate", "rider", "everything"]
"""What in a thing's box tells who somebody is. A ``rider`` may sit in it, above the plate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What one label means.

    Attributes:
        kind: What sort of thing it is.
        family: Labels of one family are confused by networks; a track may be matched by any of its
            family.
        passes: It comes and goes in front of other things, hides them and covers the ground.
        walks_away: Hidden, it is not waited for: it has probably left.
        in_parts: A network may see it as a whole and, at the same moment, in parts: the cart under
            its parasol.
        taken_for_bike: A network may also call it a bike.
        sensitive: What of it is redacted.
        also: What published networks call it, as :func:`plain` spells names. People and vehicles need
            most of them: what is not recognised is not redacted either.
    """

    kind: Kind
    family: str
    passes: bool
    walks_away: bool
    in_parts: bool
    taken_for_bike: bool
    sensitive: tuple[Sensitive, ...]
    also: tuple[str, ...]


LABELS: Mapping[str, Label] = MappingProxyType({
    "person": Label(
        kind="person", family="person", passes=True, walks_away=True, in_parts=False,
        taken_for_bike=False, sensitive=("head",),
        also=("pedestrian", "people", "rider", "cyclist", "man", "woman", "boy", "girl", "child"),
    ),
    "bicycle": Label(
        kind="bike", family="two-wheeler", passes=True, walks_away=False, in_parts=False,
        taken_for_bike=False, sensitive=(), also=("bike",),
    ),
    "motorcycle": Label(
        kind="bike", family="two-wheeler", passes=True, walks_away=False, in_parts=False,
        taken_for_bike=False, sensitive=("plate", "rider"),
        also=("motorbike", "motor", "scooter", "motor_scooter", "moped", "e_bike", "ebike"),
    ),
    "car": Label(
        kind="vehicle", family="vehicle", passes=True, walks_away=False, in_parts=False,
        taken_for_bike=False, sensitive=("plate",), also=("van", "minivan", "suv", "taxi"),
    ),
    "bus": Label(
        kind="vehicle", family="vehicle", passes=True, walks_away=False, in_parts=False,
        taken_for_bike=False, sensitive=("plate",), also=("minibus", "coach"),
    ),
    "truck": Label(
        kind="vehicle", family="vehicle", passes=True, walks_away=False, in_parts=False,
        taken_for_bike=False, sensitive=("plate",), also=("lorry", "pickup", "pickup_truck"),
    ),
    "umbrella": Label(
        kind="goods", family="umbrella", passes=False, walks_away=False, in_parts=False,
        taken_for_bike=False, sensitive=(), also=(),
    ),
    "stall": Label(
        kind="goods", family="stall", passes=False, walks_away=False, in_parts=True,
        taken_for_bike=True, sensitive=(), also=(),
    ),
    "bin": Label(
        kind="waste", family="bin", passes=False, walks_away=False, in_parts=False,
        taken_for_bike=True, sensitive=(), also=(),
    ),
    "rubbish": Label(
        kind="waste", family="rubbish", passes=False, walks_away=False, in_parts=False,
        taken_for_bike=True, sensitive=(), also=(),
    ),
})  # fmt: skip
"""Every label that a detector may give, in the order in which people are told of them."""

BIN_STATES = ("overflowing", "not_overflowing")
"""What a classifier may say of a bin. No detector gives these: nothing is tracked or redacted by them."""

CANDIDATE_KINDS = (
    "stall",
    "shop_goods",
    "two_wheelers",
    "rubbish",
    "bin",
    "people",
    "vehicle",
    "nothing",
)
"""What the verifier, a classifier, may say that a candidate for a case is.

``shop_goods`` are put out before a shop, ``two_wheelers`` are parked, ``people`` are nobody's goods, and
``nothing`` is ground, wall, shadow, or a shop's own front. Three of these are also a detector's labels.
"""
CLASSIFIED = (BIN_STATES, CANDIDATE_KINDS)
"""What one classifier answers: the states of a bin, or the kinds of a candidate."""
ASKED_OF: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "bin_state": ("overflowing",),
    "verifier": CANDIDATE_KINDS,
})  # fmt: skip
"""Classifier, by its key in ``[models]`` → the meanings that it is asked for."""


def _with(holds: Callable[[Label], bool]) -> frozenset[str]:
    return frozenset(name for name, label in LABELS.items() if holds(label))


PEOPLE = _with(lambda label: label.kind == "person")
BIKES = _with(lambda label: label.kind == "bike")
VEHICLES = _with(lambda label: label.kind == "vehicle")
GOODS = _with(lambda label: label.kind == "goods")
PASSING = _with(lambda label: label.passes)
WALKS_AWAY = _with(lambda label: label.walks_away)
MADE_OF_PARTS = _with(lambda label: label.in_parts)
TAKEN_FOR_BIKES = _with(lambda label: label.taken_for_bike)


def family_of(label: str) -> str:
    """The family of a label; a label that the table does not know is its own."""
    return LABELS[label].family if label in LABELS else label


def sensitive_parts(label: str) -> tuple[Sensitive, ...]:
    """What of a thing is redacted.

    All of it where the table does not know the label: a picture that shows too little can be taken
    again, and a plate that has left the device cannot be taken back.
    """
    return LABELS[label].sensitive if label in LABELS else ("everything",)


def plain(name: str) -> str:
    """A name in small letters with words joined by ``_``: ``Pickup Truck`` is ``pickup_truck``."""
    joined = "".join(each if each.isalnum() else " " for each in name.lower())
    return "_".join(joined.split())


def label_named(name: str) -> str | None:
    """The label that a published network's class name stands for; None: the street has none."""
    return _BY_NAME.get(plain(name))


_BY_NAME = {name: label for label, row in LABELS.items() for name in (label, *row.also)}
