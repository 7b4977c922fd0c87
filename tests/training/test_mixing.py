"""Mixed crops keep what decides their state: all above the rim comes from one picture alone."""

from __future__ import annotations

import numpy as np

from training.bin_classifier.mixing import CutOut, lay_beside, liner, set_on

UPPER_RIM, LOWER_RIM = (0.1, 0.4, 0.9, 0.4), (0.1, 0.2, 0.9, 0.2)


def grey(level: int, height: int = 200, width: int = 120) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_what_is_above_the_rim_is_of_the_first_picture_and_the_body_of_the_second() -> None:
    for seed in range(8):
        mixed, rim = set_on(grey(250), UPPER_RIM, grey(20), LOWER_RIM, np.random.default_rng(seed))
        row = round(rim[1] * mixed.shape[0])
        assert mixed.shape[1] == 120
        assert 0.2 < rim[1] < 0.5
        assert (mixed[: row - 8] == 250).all()
        assert (mixed[row + 8 :] == 20).all()
        # The body keeps its height.
        assert abs(mixed.shape[0] - row - 160) <= 1


def test_a_liner_hangs_over_the_rim_and_touches_nothing_else() -> None:
    for seed in range(8):
        before = grey(120)
        hung = liner(before, LOWER_RIM, np.random.default_rng(seed))
        rows = np.flatnonzero((hung != before).any(axis=(1, 2)))
        assert (before == 120).all(), "the picture it was given is left alone"
        assert 40 - 12 <= rows.min() <= 44
        assert rows.max() <= 40 + 0.3 * 200


def test_a_rim_too_narrow_for_plastic_is_left_as_it_is() -> None:
    narrow = (0.5, 0.2, 0.52, 0.2)
    assert (liner(grey(120), narrow, np.random.default_rng(1)) == 120).all()


def test_a_thing_stands_at_the_foot_of_the_container() -> None:
    thing = CutOut(grey(255, 30, 20), np.ones((30, 20), np.float32))
    box = (40.0, 60.0, 90.0, 160.0)
    for seed in range(8):
        laid = lay_beside(grey(100), box, thing, 0.4, np.random.default_rng(seed))
        rows = np.flatnonzero((laid != 100).any(axis=(1, 2)))
        assert rows.size
        assert abs(rows.max() - 160) <= 14
        assert rows.max() - rows.min() <= 41
