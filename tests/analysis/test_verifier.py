"""Promises about the verifier: what it says of a candidate, and that nothing that is wrong with it costs more than that."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.analysis.verifier import BURST, REST_S, VerifierBudget, VerifierModel, open_verifier
from agent.domain.labels import BIN_STATES, CANDIDATE_KINDS
from agent.domain.scene import Box
from tests.support.colour_verifier import BGR_OF, write_verifier
from tests.support.red_bike_model import write_model
from tests.support.scenes import frame_of, paving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drivers.cameras import Frame

THERE = Box(0.4, 0.4, 0.6, 0.6)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path))
    return tmp_path


def street(kind: str, now_s: float = 0.0) -> Frame:
    """A grey street with a thing of the kind's colour at ``THERE``."""
    grey = paving()
    bgr = np.repeat(grey[..., None], 3, axis=2)
    height, width = grey.shape
    THERE.pixels(width, height).cut(bgr)[:] = BGR_OF[kind]
    return replace(frame_of(grey, now_s), bgr=lambda: bgr)


def asked(verifier: VerifierModel, *, pace: float = 1.0) -> VerifierBudget:
    return VerifierBudget(verifier, runs_per_s=0.5, pace=lambda: pace)


@pytest.mark.parametrize("kind", CANDIDATE_KINDS)
def test_a_candidate_is_what_its_part_of_the_frame_shows(models: Path, kind: str) -> None:
    write_verifier(models)
    verifier, _ = open_verifier("verifier", threads=1)
    found = asked(verifier).of(street(kind), THERE)
    assert found is not None
    assert max(found, key=lambda each: found[each]) == kind
    assert (verifier.state, verifier.reason, verifier.runs) == ("ready", None, 1)


def _missing(_: Path) -> str:
    return "no-such-verifier: there is no such model; there are: "


def _of_another_hash(models: Path) -> str:
    network = write_verifier(models) / "model.onnx"
    network.write_bytes(network.read_bytes() + b"\0")
    return "verifier: sha256: model.onnx has "


def _of_other_classes(models: Path) -> str:
    folder = write_verifier(models)
    text = (folder / "manifest.toml").read_text(encoding="utf-8")
    for index, kind in enumerate(CANDIDATE_KINDS):
        meaning = BIN_STATES[index] if index < len(BIN_STATES) else ""
        text = text.replace(f'meaning = "{kind}"', f'meaning = "{meaning}"')
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    return f"verifier: classes: none means {', '.join(CANDIDATE_KINDS)}"


def _that_lacks_a_kind(models: Path) -> str:
    write_verifier(models, kinds=CANDIDATE_KINDS[:-1])
    return f"verifier: classes: none means {CANDIDATE_KINDS[-1]}"


def _that_is_a_detector(models: Path) -> str:
    write_model(models)
    (models / "street").rename(models / "verifier")
    manifest = models / "verifier" / "manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('name = "street"', 'name = "verifier"'), encoding="utf-8")
    return "verifier: family: yolox gives detections, not probabilities"


def _that_does_not_load(models: Path) -> str:
    folder = write_verifier(models)
    text = (folder / "manifest.toml").read_text(encoding="utf-8")
    text = text.replace('name = "probabilities"', 'name = "answers"')
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    return "verifier: output.name: the network has no output 'answers'"


@pytest.mark.parametrize(
    "wrong",
    [
        _missing,
        _of_another_hash,
        _of_other_classes,
        _that_lacks_a_kind,
        _that_is_a_detector,
        _that_does_not_load,
    ],
)
def test_one_that_cannot_be_used_is_told_once_and_says_nothing(
    models: Path, wrong: Callable[[Path], str], caplog: pytest.LogCaptureFixture
) -> None:
    reason = wrong(models)
    verifier, model = open_verifier(reason.partition(":")[0], threads=1)
    camera = asked(verifier)
    assert [camera.of(street("stall", now_s), THERE) for now_s in range(3)] == [None] * 3
    assert model is None
    assert verifier.state == "refused"
    assert str(verifier.reason).startswith(reason)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert reason in record.getMessage()


def test_one_that_is_turned_off_is_nothing_to_warn_of(caplog: pytest.LogCaptureFixture) -> None:
    verifier, model = open_verifier("", threads=1)
    assert asked(verifier).of(street("stall"), THERE) is None
    assert (model, verifier.state, verifier.reason) == (None, "off", None)
    assert caplog.records == []


def test_one_whose_runs_fail_is_left_alone_for_a_while_and_told_once(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_verifier(models, fails=True)
    verifier, model = open_verifier("verifier", threads=1)
    assert model is not None
    camera = asked(verifier)
    for now_s in (0.0, 1.0, REST_S - 1.0, REST_S, REST_S + 1.0):
        assert camera.of(street("stall", now_s), THERE) is None
    assert verifier.runs == 2
    assert verifier.state == "failing"
    assert "indices element out of data bounds" in str(verifier.reason)
    [record] = caplog.records
    assert record.levelno == logging.ERROR


def test_one_that_failed_and_answers_again_is_ready_again(models: Path) -> None:
    write_verifier(models, fails=True)
    verifier, _ = open_verifier("verifier", threads=1)
    camera = asked(verifier)
    assert camera.of(street("stall"), THERE) is None
    black = replace(street("stall", REST_S), bgr=lambda: np.zeros((180, 320, 3), np.uint8))
    assert camera.of(black, THERE) is not None
    assert (verifier.state, verifier.reason) == ("ready", None)


def test_a_camera_asks_so_often_at_once_and_then_at_its_rate(models: Path) -> None:
    write_verifier(models)
    camera = asked(open_verifier("verifier", threads=1)[0])
    at_once = [camera.of(street("stall"), THERE) for _ in range(BURST + 1)]
    assert [each is not None for each in at_once] == [True] * BURST + [False]
    answers = [camera.of(street("stall", now_s), THERE) for now_s in range(1, 21)]
    assert sum(each is not None for each in answers) == 10


def test_heat_lowers_the_rate_and_several_cameras_have_budgets_of_their_own(models: Path) -> None:
    write_verifier(models)
    verifier, _ = open_verifier("verifier", threads=1)
    cool, hot = asked(verifier), asked(verifier, pace=0.3)
    for camera in (cool, hot):
        for _ in range(BURST):
            assert camera.of(street("stall"), THERE) is not None
    answered = [
        sum(camera.of(street("stall", now_s), THERE) is not None for now_s in range(1, 101))
        for camera in (cool, hot)
    ]
    assert answered == [50, 15]
