"""Which candidates a step is fed: kinds by weight, within them sets, within them places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.verifier.candidates import Candidate

KIND_WEIGHTS = {
    "stall": 0.25,
    "shop_goods": 0.05,
    "two_wheelers": 0.11,
    "rubbish": 0.08,
    "bin": 0.08,
    "people": 0.11,
    "vehicle": 0.09,
    "nothing": 0.23,
}
SET_FACTORS = {"vending_streets": 2.0, "rendered": 0.5, "bin_crops_shenzhen": 0.7}
"""How much more or less a set is drawn than the square root of its places would have it."""
SOURCE_FACTORS = {"detector": 2.5, "label": 2.0, "group": 1.5, "teacher": 1.0, "background": 1.0}
"""What a detector proposes is what the device will ask about."""


def chances(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """How often each candidate is drawn; they add up to 1.

    A place with many candidates is drawn as often as the square root of their number, and a set as
    the square root of its places: no place, and no set, is most of a kind.
    """
    keys = [(each.kind, each.scene.set_name, each.scene.group) for each in candidates]
    factor = np.array([SOURCE_FACTORS[each.source] for each in candidates])
    per_place: Counter[tuple[str, str, str]] = Counter()
    for key, weight in zip(keys, factor, strict=True):
        per_place[key] += weight
    places = Counter((kind, name) for kind, name, _ in set(keys))
    members = Counter(keys)
    weights = np.empty(len(candidates))
    for row, (kind, name, _) in enumerate(keys):
        place = factor[row] / per_place[keys[row]] * members[keys[row]] ** 0.5
        weights[row] = place * SET_FACTORS.get(name, 1.0) / places[kind, name] ** 0.5
    for kind, wanted in KIND_WEIGHTS.items():
        mine = np.array([key[0] == kind for key in keys])
        if mine.any():
            weights[mine] *= wanted / weights[mine].sum()
    return np.asarray(weights / weights.sum())
