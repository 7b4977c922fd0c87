"""Promises about labels: whatever a network may name is classified, redacted and has words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.domain.labels import (
    BIN_STATES,
    CANDIDATE_KINDS,
    LABELS,
    PASSING,
    VEHICLES,
    Label,
    family_of,
    label_named,
    plain,
    sensitive_parts,
)
from agent.domain.scene import Box, Detection
from agent.inference import ModelError, family_names, load_family, load_manifest
from agent.inference.manifest import IGNORED
from agent.perception.redaction import sensitive_regions
from provisioning.wording.labels import LABEL_WORDS
from provisioning.wording.vocabulary import label_in_words, things_in_words
from tests.support.paths import ROOT
from training.street_detector.classes import STREET_CLASSES
from wording.messages import Said

SHIPPED = sorted(path.parent for path in (ROOT / "models").glob("*/manifest.toml"))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_label_of_a_shipped_model_is_classified_and_has_words(folder: Path) -> None:
    manifest = load_manifest(folder)
    gives = load_family(manifest.family).GIVES
    known = LABELS if gives == "detections" else {*BIN_STATES, *CANDIDATE_KINDS}
    assert {each for each in manifest.labels if each != IGNORED} <= set(known)


def test_models_of_both_sorts_are_shipped_so_the_promise_above_is_about_something() -> None:
    gives = {load_family(load_manifest(folder).family).GIVES for folder in SHIPPED}
    assert gives == {"detections", "probabilities"}


def test_a_label_of_which_nobody_decided_what_is_redacted_cannot_be_written() -> None:
    properties: dict[str, Any] = dict.fromkeys(Label.__dataclass_fields__)
    for left_out in properties:
        with pytest.raises(TypeError, match=left_out):
            Label(**{name: value for name, value in properties.items() if name != left_out})


@pytest.mark.parametrize("family", family_names())
def test_a_label_that_the_table_does_not_know_is_refused_in_every_family(
    family: str, tmp_path: Path
) -> None:
    shipped = (ROOT / "models" / "street" / "manifest.toml").read_text(encoding="utf-8")
    folder = tmp_path / "street"
    folder.mkdir()
    text = shipped.replace('family = "yolox"', f'family = "{family}"')
    text = text.replace('meaning = "truck"', 'meaning = "tricycle"')
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError) as refused:
        load_manifest(folder)
    [fault] = [each for each in refused.value.faults if "classes" in each]
    assert "truck" in fault, "what would have been allowed is named"
    assert "tricycle" not in LABELS


def test_every_label_has_words_of_its_own_in_one_table_and_no_words_are_left_over() -> None:
    assert list(LABEL_WORDS) == list(LABELS)
    counted = {label: label_in_words(label, 2) for label in LABELS}
    assert len(set(counted.values())) == len(LABELS)
    assert all(text.startswith("2 ") for text in counted.values())
    assert all(isinstance(words.all_of_them, Said) for words in LABEL_WORDS.values())
    assert len({things_in_words(label) for label in LABELS}) == len(LABELS)


def test_whatever_carries_a_plate_or_a_head_is_redacted() -> None:
    for name, label in LABELS.items():
        regions = sensitive_regions([Detection(name, 0.1, Box(0.2, 0.2, 0.6, 0.8))])
        assert len(regions) == len(label.sensitive), name
        if label.kind == "person":
            assert "head" in label.sensitive, name
        if label.kind == "vehicle" or name == "motorcycle":
            assert "plate" in label.sensitive, name
            assert any(region.contains((0.4, 0.75)) for region in regions), name


def test_all_of_a_thing_that_the_table_does_not_know_is_redacted() -> None:
    box = Box(0.2, 0.2, 0.6, 0.8)
    assert sensitive_parts("tricycle") == ("everything",)
    [region] = sensitive_regions([Detection("tricycle", 0.1, box)])
    for corner in ((0.2, 0.2), (0.6, 0.2), (0.2, 0.8), (0.6, 0.8)):
        assert region.contains(corner)


def test_a_family_holds_things_of_one_kind_alone_and_an_unknown_label_is_its_own() -> None:
    for name, label in LABELS.items():
        relatives = [each for each in LABELS.values() if each.family == label.family]
        assert {each.kind for each in relatives} == {label.kind}, name
    assert family_of("bicycle") == family_of("motorcycle") != family_of("car") == family_of("bus")
    assert family_of("tricycle") == "tricycle"
    assert VEHICLES < PASSING


def test_a_published_networks_name_stands_for_one_label() -> None:
    names = [name for label, row in LABELS.items() for name in (label, *row.also)]
    assert len(names) == len(set(names))
    assert all(plain(name) == name for name in names)
    assert label_named("Pickup Truck") == "truck"
    assert label_named("motorbike") == "motorcycle"
    assert label_named("zebra") is None


def test_the_street_detector_is_trained_for_the_labels_of_the_table() -> None:
    assert set(STREET_CLASSES) == set(LABELS)
