"""Words can be read by tired eyes: contrasts of the desk's colours, as WCAG 2.2 measures them."""

from __future__ import annotations

import re

import pytest
from kerbwatch_platform.web.app import STATIC

PAIRS = [
    ("ink", "paper", 7.0),
    ("ink", "ground", 7.0),
    ("soft-ink", "paper", 4.5),
    ("soft-ink", "ground", 4.5),
    ("paper", "bar", 7.0),
    ("main", "paper", 4.5),
    ("main", "main-soft", 4.5),
    ("good", "good-soft", 4.5),
    ("warn", "warn-soft", 4.5),
    ("bad", "bad-soft", 4.5),
    ("bad", "paper", 4.5),
    ("strong-line", "paper", 3.0),
    ("focus", "bar", 3.0),
]


def luminance(colour: str) -> float:
    """Of ``#rrggbb``, relative."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("above", "below", "least"), PAIRS)
def test_a_pair_of_colours_has_its_contrast(above: str, below: str, least: float) -> None:
    style = (STATIC / "desk.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", style))
    light, dark = sorted((luminance(colours[above]), luminance(colours[below])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least
