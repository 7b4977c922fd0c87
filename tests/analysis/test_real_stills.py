"""Real stills without → with → without a problem: one named triple a kind.

How many of all the named triples come out right is a figure, not a promise:
``python -m benchmarks.stills``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import still_sequences

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not still_sequences.DATA.exists(), reason="the real pictures are not part of the project"
    ),
]


@pytest.mark.parametrize(
    ("kind", "number"), [("misparked_bike", 13), ("overflowing_bin", 0), ("street_vending", 0)]
)
def test_a_real_still_with_a_problem_opens_a_case_and_one_without_clears_it(
    kind: str, number: int, tmp_path: Path
) -> None:
    assert (
        still_sequences.judge(kind, still_sequences.named(kind)[number], tmp_path)
        == still_sequences.RIGHT
    )
