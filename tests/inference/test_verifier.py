"""The verifier's manifest, and a real run of one that knows things by their colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.domain.labels import BIN_STATES, CANDIDATE_KINDS
from agent.inference import ModelError, open_classifier
from tests.support.colour_verifier import BGR_OF, write_verifier

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("kind", CANDIDATE_KINDS)
def test_a_verifier_says_of_each_kind_that_it_is_one(models: Path, kind: str) -> None:
    write_verifier(models)
    shown = np.full((90, 160, 3), BGR_OF[kind], np.uint8)
    probabilities = open_classifier("verifier", threads=1).probabilities(shown)
    assert list(probabilities) == list(CANDIDATE_KINDS)
    assert max(probabilities, key=lambda each: probabilities[each]) == kind
    assert sum(probabilities.values()) == pytest.approx(1)


def test_a_verifier_that_runs_seldom_answers_as_one_that_keeps_its_memory(models: Path) -> None:
    write_verifier(models)
    shown = np.random.default_rng(1).integers(0, 256, (90, 160, 3), np.uint8)
    seldom = open_classifier("verifier", threads=1, seldom=True)
    often = open_classifier("verifier", threads=1)
    for _ in range(3):
        assert seldom.probabilities(shown) == often.probabilities(shown)


def test_a_classifier_answers_one_question_and_names_its_answers_where_another_is_mixed_in(
    models: Path,
) -> None:
    folder = write_verifier(models)
    manifest = folder / "manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    mixed = text.replace('meaning = "people"', f'meaning = "{BIN_STATES[0]}"')
    manifest.write_text(mixed, encoding="utf-8")
    with pytest.raises(ModelError) as refused:
        open_classifier("verifier", threads=1)
    assert refused.value.faults == (
        f"classes: 'people' means 'overflowing', which is none of {', '.join(CANDIDATE_KINDS)}",
    )
