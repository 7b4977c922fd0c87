"""The street detector's classes, in output order, and where COCO has them."""

from __future__ import annotations

COCO_ROWS = {
    "person": 0,
    "bicycle": 1,
    "car": 2,
    "motorcycle": 3,
    "bus": 5,
    "truck": 7,
    "umbrella": 25,
}
STREET_CLASSES = (
    "person",
    "bicycle",
    "motorcycle",
    "car",
    "bus",
    "truck",
    "umbrella",
    "stall",
    "bin",
    "rubbish",
)
COCO_CLASSES = frozenset(COCO_ROWS)
