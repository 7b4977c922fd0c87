"""What :mod:`training.export.quantise` must know of each model: its pictures, its judge, its tail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray

from training.bin_classifier import train
from training.bin_classifier.pictures import normalised, plain
from training.datasets.decoded import Decoded
from training.datasets.splits import known_of
from training.evaluate.metrics import balanced_accuracy, calibration_error, roc_auc
from training.export.rounding import detector_in_bytes
from training.model_folder import table
from training.street_detector import mixture
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.judge import StreetFile, figure, judge
from training.street_detector.yolox import YoloxNet

T = TypeVar("T")
MIN_TRUTHS = 10
DRAW = 11
FIRST_IN_FLOAT = 3


class Kind(Protocol):
    """One model's part in the matter."""

    percentile: bool
    """Whether the outermost values are left out of the ranges."""

    def batches(self, part: str, count: int) -> list[NDArray[np.float32]]:
        """``count`` inputs (1, 3, height, width) from a part, drawn by a fixed seed."""

    def first_in_float(self, model: onnx.ModelProto) -> frozenset[str]:
        """The nodes where the float tail begins."""

    def in_bytes(
        self, model: onnx.ModelProto, batches: Sequence[NDArray[np.float32]]
    ) -> onnx.ModelProto | None:
        """The network in whole numbers; None where the runtime's own tool is to make it."""

    def figures(self, files: Mapping[str, Path]) -> str:
        """A table of the files' held-out figures."""


def _drawn(items: list[T], count: int) -> list[T]:
    order = np.random.default_rng(DRAW).permutation(len(items))
    return [items[index] for index in order[:count]]


class BinState:
    """The classifier: everything but the softmax goes into bytes."""

    percentile = True

    def __init__(self, data: Path, stills: Path | None, seed: int, source: Path) -> None:
        del source
        self._pools = train.gather(data, stills, seed)

    def batches(self, part: str, count: int) -> list[NDArray[np.float32]]:
        items = [item for pool in self._pools.values() for item, _ in pool.part(part)]
        return [normalised([plain(item)]) for item in _drawn(items, count)]

    def first_in_float(self, model: onnx.ModelProto) -> frozenset[str]:
        return frozenset(node.name for node in model.graph.node if node.op_type == "Softmax")

    def in_bytes(
        self, model: onnx.ModelProto, batches: Sequence[NDArray[np.float32]]
    ) -> onnx.ModelProto | None:
        del model, batches
        return None

    def figures(self, files: Mapping[str, Path]) -> str:
        rows = [
            [
                each.name,
                name,
                str(len(each.truth)),
                f"{balanced_accuracy(each.truth, each.score, train.THRESHOLD):.3f}",
                f"{roc_auc(each.truth, each.score):.3f}",
                f"{calibration_error(each.truth, each.score):.3f}",
            ]
            for name, path in files.items()
            for each in train.judge(path, self._pools)
            if each.truth.any()
        ]
        header = ("set", "file", "pictures", "balanced accuracy", "ROC AUC", "calibration error")
        return table(header, sorted(rows))


def in_float(model: onnx.ModelProto) -> frozenset[str]:
    """The weights of YOLOX-nano that stay in floats."""
    weights = [node.input[1] for node in model.graph.node if node.op_type == "Conv"]
    return frozenset([*weights[:FIRST_IN_FLOAT], *(each for each in weights if "_preds" in each)])


class Street:
    """The detector: the first three convolutions, the heads' last ones and what follows stay in floats.

    What comes out of the first three reaches from -850 to 350 in a few channels and a few units in the
    others: no scale for all of them is fine enough.
    """

    percentile = True

    def __init__(self, data: Path, stills: Path | None, seed: int, source: Path) -> None:
        decoded = Decoded(Path(".training/cache/decoded"))
        kept = known_of(source)
        self._sources = mixture.gather(data, stills, seed, decoded, None, kept=kept)
        self._seed = seed

    def batches(self, part: str, count: int) -> list[NDArray[np.float32]]:
        parts = mixture.judged_parts(self._sources, part, self._seed)
        examples = [example for each in parts.values() for example in each]
        return [
            example.picture.astype(np.float32).transpose(2, 0, 1)[None]
            for example in _drawn(examples, count)
        ]

    def first_in_float(self, model: onnx.ModelProto) -> frozenset[str]:
        return frozenset(
            node.name for node in model.graph.node if any("_preds" in name for name in node.input)
        )

    def in_bytes(
        self, model: onnx.ModelProto, batches: Sequence[NDArray[np.float32]]
    ) -> onnx.ModelProto | None:
        return detector_in_bytes(model, YoloxNet(model), in_float(model), batches)

    def figures(self, files: Mapping[str, Path]) -> str:
        parts = mixture.judged_parts(self._sources, "held_out", self._seed)
        detectors = {name: StreetFile(path) for name, path in files.items()}
        rows = []
        for part, examples in parts.items():
            judged = {name: judge(each, examples) for name, each in detectors.items()}
            for label in STREET_CLASSES:
                each = {name: figure(mine, label, 0.35) for name, mine in judged.items()}
                if each["FP32"].truths < MIN_TRUTHS:
                    continue
                floats, bytes_ = each["FP32"], each["INT8"]
                rows.append(
                    [part, label, str(floats.truths)]
                    + [f"{mine.ap:.3f}" for mine in (floats, bytes_)]
                    + [f"{bytes_.ap - floats.ap:+.3f}"]
                )
        return table(("part", "class", "truths", "AP FP32", "AP INT8", "change"), rows)


KINDS: Mapping[str, Callable[[Path, Path | None, int, Path], Kind]] = {
    "bin-state": BinState,
    "street": Street,
}
