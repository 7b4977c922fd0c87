"""What a label says, however a set spells it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.domain.labels import LABELS
from agent.scenarios import load_scenario, scenario_names

Claim = tuple[str, bool]
"""Of what a label speaks, and whether it is so."""
_SCENARIOS = [load_scenario(name) for name in scenario_names()]
MEANINGS = frozenset(each.ANSWERS.of for each in _SCENARIOS)
"""Of what labels may speak: what a scenario asks for."""
THINGS = tuple(sorted({each.ANSWERS.of for each in _SCENARIOS} & LABELS.keys()))
"""Those that the detector finds."""
_SAID: dict[str, Claim] = {
    **dict.fromkeys(("full", "dirty", "overflowing", "overflow", "rubbish_outside"),
                    ("overflowing", True)),
    **dict.fromkeys(("overflowed", "overfull", "overflowing_bin", "full_bin", "bin_full"),
                    ("overflowing", True)),
    **dict.fromkeys(("rubbish_around", "满溢", "满", "脏"), ("overflowing", True)),
    **dict.fromkeys(("empty", "clean", "not_overflowing", "containers_no_rubbish", "not_full"),
                    ("overflowing", False)),
    **dict.fromkeys(("no_overflow", "no_overflowing", "no_rubbish", "not_dirty", "empty_bin",
                     "bin_empty", "clean_bin", "未满", "空", "干净"), ("overflowing", False)),
    **dict.fromkeys(("bike", "bikes", "bicycle", "bicycles", "bike_at_rack", "bike_elsewhere",
                     "bike_present", "bicycle_present", "自行车", "单车"), ("bicycle", True)),
    **dict.fromkeys(("no_bike", "no_bikes", "no_bicycle", "no_bicycles", "rack_empty",
                     "empty_rack", "without_bike", "without_bicycle"), ("bicycle", False)),
    **dict.fromkeys(("stall", "stalls", "vending", "street_vending", "vendor", "vendors",
                     "street_vendor", "street_stall", "food_stall", "market_stall", "food_cart",
                     "hawker", "stall_present", "with_stall", "摊位", "摊贩"), ("stall", True)),
    **dict.fromkeys(("no_stall", "no_stalls", "no_vending", "no_vendor", "no_vendors",
                     "without_stall", "no_street_vending"), ("stall", False)),
    **{each.ANSWERS.yes: (each.ANSWERS.of, True) for each in _SCENARIOS},
    **{each.ANSWERS.no: (each.ANSWERS.of, False) for each in _SCENARIOS},
}  # fmt: skip
NAMES = {
    **{name: label for label, row in LABELS.items() for name in (label, *row.also)},
    **dict.fromkeys(("bicycles", "cycle"), "bicycle"),
    **dict.fromkeys(("garbage", "garbage_bag", "trash", "trash_bag", "rubbish_bag",
                     "organic_white_bag", "recycled_grey_green_bag", "mixed_black_bag",
                     "general_trashbag"), "rubbish"),
    **dict.fromkeys(("trash_can", "trash_bin", "garbage_bin", "dustbin", "waste_bin",
                     "wheelie_bin"), "bin"),
    **dict.fromkeys(("food_stall", "market_stall", "street_stall", "food_cart"), "stall"),
}  # fmt: skip
"""Box names that the street has a word for, as :func:`plain` spells them: those of the labels' table, and what
sets of pictures call things besides."""


def plain(label: str) -> str:
    """A label in small letters with words joined by ``_``: ``No-Bike`` is ``no_bike``."""
    return re.sub(r"[\s_\-./]+", "_", label.strip().lower()).strip("_")


def name_of(label: object) -> str | None:
    """The street's word for a box's name; None: the street has none."""
    return NAMES.get(plain(label)) if isinstance(label, str) else None


class Claims:
    """What labels say of whole pictures."""

    def __init__(self, given: Mapping[str, Claim] | None = None) -> None:
        """Know the usual labels, and those given, which win over them."""
        self._said = _SAID | {plain(label): claim for label, claim in (given or {}).items()}

    def of(self, label: str | None) -> Claim | None:
        """Of what a label speaks, and whether it is so; None: it says nothing here."""
        return None if label is None else self._said.get(plain(label))


KNOWN = Claims()
"""The labels that need no explaining."""
