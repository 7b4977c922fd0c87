"""The labels of the models: families, parts, kinds of things. Pure."""

from __future__ import annotations

FAMILY = {
    "bicycle": "two-wheeler",
    "motorcycle": "two-wheeler",
    "car": "vehicle",
    "bus": "vehicle",
    "truck": "vehicle",
}
"""Labels the network confuses; a track may be matched by any of its family."""


MADE_OF_PARTS = frozenset({"stall"})
"""What the network may see as a whole and, at the same moment, in parts: the cart under its parasol."""


def family_of(label: str) -> str:
    """The family of a label; a label without one is its own."""
    return FAMILY.get(label, label)
