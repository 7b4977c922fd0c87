"""A recipe of the smallest kind: by how red a picture is, a bin in it overflows.

Its steps are real ones: pictures are read, a regression is trained in two rounds with a checkpoint after each
epoch, and a network is written with its papers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

from training.datasets.licences import licence_table, notice
from training.make import Job, Options, Step
from training.model_folder import InputSpec, Manifest, ModelClass, write_papers

HERE = "tests.support.tiny_recipe"
SETS = ("amsterdam_garbage", "bin_crops_shenzhen")
SIDE_PX = 32
STATES = ("not_overflowing", "overflowing")


def steps(options: Options) -> Sequence[Step]:
    """Features, two rounds of training, the model."""
    sets = options.teaching(SETS)
    return (
        Step("features", f"{HERE}:features", sets=sets),
        Step("round-1", f"{HERE}:round_of", ("features",), recipe={"epochs": 4}),
        Step("round-2", f"{HERE}:round_of", ("features", "round-1"), recipe={"epochs": 3}),
        Step("model", f"{HERE}:model", ("round-2",), recipe={"sets": sets}),
    )


def with_more_epochs(options: Options) -> Sequence[Step]:
    """The same with a longer second round."""
    first, *rest = steps(options)
    longer = Step("round-2", f"{HERE}:round_of", ("features", "round-1"), recipe={"epochs": 5})
    return (first, rest[0], longer, rest[2])


def features(job: Job) -> None:
    """The mean red of each picture (n,), 0 to 1, and its state."""
    rows = []
    for name in job.step.sets:
        folder = job.options.data / name
        for each in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["items"]:
            picture = cv2.imread(str(folder / each["file"]))
            assert picture is not None
            rows.append([picture[..., 2].mean() / 255, each["label"] == "overflowing"])
    np.save(job.folder / "features.npy", np.array(rows, np.float64))


def round_of(job: Job) -> None:
    """Some epochs of gradient descent, from the round before; goes on from its checkpoint."""
    checkpoint = job.folder / "weights.json"
    before = job.inputs.get("round-1", job.folder) / "weights.json"
    drawn = np.random.default_rng(job.options.seed).normal(size=2).tolist()
    weights = np.array(json.loads(before.read_text())["weights"] if before.exists() else drawn)
    done = 0
    if checkpoint.exists():
        content = json.loads(checkpoint.read_text())
        weights, done = np.array(content["weights"]), content["epoch"]
    red, truth = np.load(job.inputs["features"] / "features.npy").T
    for epoch in range(done, job.recipe["epochs"]):
        epoch_of(weights, red, truth)
        content = {"weights": weights.tolist(), "epoch": epoch + 1}
        checkpoint.write_text(json.dumps(content))


def epoch_of(weights: np.ndarray, red: np.ndarray, truth: np.ndarray) -> None:
    """Ten steps down the slope of the log loss, in place."""
    for _ in range(10):
        off = 1 / (1 + np.exp(-(weights[0] * red + weights[1]))) - truth
        weights -= 8 * np.array([(off * red).mean(), off.mean()])


def model(job: Job) -> None:
    """The network and its papers."""
    slope, shift = json.loads((job.inputs["round-2"] / "weights.json").read_text())["weights"]
    kernel = np.zeros((2, 3, 1, 1), np.float32)
    kernel[1, 0] = slope
    constants = {"kernel": kernel, "shift": np.array([0, shift], np.float32)}
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["mean"]),
        helper.make_node("Conv", ["mean", "kernel", "shift"], ["logits"]),
        helper.make_node("Flatten", ["logits"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    save_model(
        helper.make_model(graph, opset_imports=opset, ir_version=8), str(job.model / "model.onnx")
    )
    papers(job, job.model)


def papers(job: Job, folder: Path) -> None:
    """Manifest, card and notice."""
    manifest = Manifest(
        folder.name,
        "0.1.0",
        "classifier",
        "Apache-2.0",
        "made by a test",
        InputSpec("images", SIDE_PX, SIDE_PX, "RGB", "stretch", scale=1 / 255),
        "probabilities",
        (1, 2),
        tuple(ModelClass(name, name, 0.5) for name in STATES),
    )
    sets = job.recipe["sets"]
    card = f"# Tiny\n\n## Licences\n\n{licence_table(sets)}\n"
    write_papers(folder, manifest, card, notice("tiny model", sets, "MobileNetV2, ImageNet"))
