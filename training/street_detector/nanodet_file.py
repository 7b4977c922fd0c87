"""A NanoDet-Plus file of the street, run as the device runs it, for judging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from training.datasets.augment import Picture
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.judge import LOWEST_SCORE, NMS_IOU, Found, StreetFile, suppress
from training.street_detector.nanodet_plus import DISTANCES, MEAN, SIDES, STD, STRIDES
from training.street_detector.pictures import SIZE_PX

Array = NDArray[Any]
MAX_BOXES = 150


def _points(size_px: int) -> tuple[Array, Array]:
    points, strides = [], []
    for stride in STRIDES:
        cells = -(-size_px // stride)
        rows, columns = np.mgrid[:cells, :cells]
        points.append(np.stack([columns, rows], axis=-1).reshape(-1, 2) * stride)
        strides.append(np.full((cells * cells, 1), stride))
    return np.concatenate(points), np.concatenate(strides)


def decode(output: Array, size_px: int) -> tuple[Array, Array]:
    """Corner boxes (places, 4) in pixels of the input and scores (places, 10) of one output."""
    count = len(STREET_CLASSES)
    logits = output[:, count:].reshape(-1, SIDES, DISTANCES)
    powers = np.exp(logits - logits.max(axis=2, keepdims=True))
    points, strides = _points(size_px)
    reach = (powers @ np.arange(DISTANCES)) / powers.sum(axis=2) * strides
    return np.hstack([points - reach[:, :2], points + reach[:, 2:]]), output[:, :count]


class NanoDetFile(StreetFile):
    """A detector's ONNX file, one thread, that looks at the picture in its own size."""

    def __init__(self, source: Path | onnx.ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        given = str(source) if isinstance(source, Path) else source.SerializeToString()
        self._session = onnxruntime.InferenceSession(
            given, options, providers=["CPUExecutionProvider"]
        )
        [port] = self._session.get_inputs()
        self._name, self._size_px = port.name, int(port.shape[3])

    def find(self, picture: Picture) -> Found:
        """Everything above a very low score in a (416, 416, 3) BGR picture, in its pixels."""
        size = self._size_px
        if size != SIZE_PX:
            picture = np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA))
        fed = (picture.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
        [output] = self._session.run(None, {self._name: fed.transpose(2, 0, 1)[None]})
        boxes, scores = decode(output[0], size)
        boxes = boxes * (SIZE_PX / size)
        kept: list[tuple[Array, Array, Array]] = []
        for index in range(scores.shape[1]):
            rows = np.flatnonzero(scores[:, index] >= LOWEST_SCORE)
            rows = rows[np.argsort(-scores[rows, index])[:MAX_BOXES]]
            rows = rows[suppress(boxes[rows], scores[rows, index], NMS_IOU)]
            kept.append((boxes[rows], scores[rows, index], np.full(len(rows), index)))
        return Found(*(np.concatenate([each[i] for each in kept]) for i in range(3)))
