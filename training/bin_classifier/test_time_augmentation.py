"""The bin state with a second look: the same network sees its picture again, nearer and mirrored.

``python -m training.bin_classifier.test_time_augmentation --source EARLIER --out models/bin-state``

A judgement of one picture hangs on where things lie in it. So the network is shown two: the picture,
and its middle from the other side. Both looks are in the file; the device feeds it one picture as
before. The mean of the logits is what is told. Nothing is trained again, and nothing fitted.
"""

from __future__ import annotations

import re
from pathlib import Path

import click
import numpy as np
import onnx
from onnx import helper, numpy_helper

from training.evaluate.compare import sections
from training.model_folder import hand_on, sha256_of, version_of

VERSION = "0.5.0"
NEAR_SHARE = 0.85
"""The second look's part of each side: rubbish beside the bin, that the zone's margin shows, stays in."""
FIGURES = ("balanced_accuracy", "roc_auc", "calibration_error")
CARD = """
# Bin state, {version}

`{source}` {earlier} with a second look: the same network sees the zone's crop as it is, and again its
middle ({share:.0%} of each side) mirrored; the mean of both logits is told. Nothing was trained again. It
costs twice as much and hangs less on where in the crop things lie.

- Made by `{command}` from `{source}` {earlier} with SHA-256 `{sha}`.

{sections}

## The network's own card

What follows is of `{source}` {earlier}, its figures those of one look.

{below}
"""


def with_second_look(source: Path, out: Path) -> None:
    """Put the second look into a classifier's file.

    Args:
        source: A classifier that takes (1, 3, side, side) and ends in a softmax over its classes.
        out: Where the file goes.

    Raises:
        ValueError: The network is not of that kind.
    """
    model = onnx.load(source)
    graph = model.graph
    [taken] = graph.input
    batch, _, height, side = (each.dim_value for each in taken.type.tensor_type.shape.dim)
    softmax = graph.node[-1]
    if batch != 1 or height != side or softmax.op_type != "Softmax":
        raise ValueError(f"{source}: not one square picture in and a softmax at the end")
    for node in graph.node:
        node.input[:] = ["looks" if name == taken.name else name for name in node.input]
    numbers, nodes = _looks(taken.name, side)
    for place, node in enumerate(nodes):
        graph.node.insert(place, node)
    logits, softmax.input[0] = softmax.input[0], "agreed"
    mean = helper.make_node("ReduceMean", [logits], ["agreed"], axes=[0], keepdims=1)
    graph.node.insert(len(graph.node) - 1, mean)
    graph.initializer.extend(numbers)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.save(model, str(out))


def _looks(taken: str, side: int) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """What makes (2, 3, side, side) ``looks`` of the picture: the numbers, and the nodes in order."""
    near = round(side * NEAR_SHARE)
    edge = (side - near) // 2
    # Rows downwards, columns from the right edge to the left.
    cut = {
        "near_starts": [edge, edge + near - 1],
        "near_ends": [edge + near, edge - 1],
        "near_axes": [2, 3],
        "near_steps": [1, -1],
    }
    numbers = cut | {"near_sizes": [1, 3, side, side]}
    nodes = [
        helper.make_node("Slice", [taken, *cut], ["near_small"]),
        helper.make_node(
            "Resize",
            ["near_small", "", "", "near_sizes"],
            ["near"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        helper.make_node("Concat", [taken, "near"], ["looks"], axis=0),
    ]
    return [numpy_helper.from_array(np.array(v), name) for name, v in numbers.items()], nodes


@click.command(help=__doc__)
@click.option("--source", required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--data", default=Path("../shared/data"), type=click.Path(path_type=Path, exists=True)
)
@click.option("--out", required=True, type=click.Path(path_type=Path))
def main(source: Path, data: Path, out: Path) -> None:
    """Put the second look in, judge beside the source, and write the papers."""
    out.mkdir(parents=True, exist_ok=True)
    with_second_look(source / "model.onnx", out / "model.onnx")
    sha, earlier = sha256_of(source / "model.onnx"), version_of(source)
    command = f"python -m training.bin_classifier.test_time_augmentation --source EARLIER --out models/{out.name}"
    origin = f"{out.name} {earlier} (SHA-256 {sha[:16]}…) with a second look; {command}"
    hand_on(source, out, origin, version=VERSION)
    card = CARD.format(
        version=VERSION,
        source=out.name,
        earlier=earlier,
        share=NEAR_SHARE,
        command=command,
        sha=sha,
        sections=sections(data, {earlier: source, VERSION: out}, FIGURES),
        below=re.sub("(?m)^#", "###", (source / "CARD.md").read_text(encoding="utf-8")).strip(),
    )
    (out / "CARD.md").write_text(card.strip() + "\n", encoding="utf-8")
    click.echo(card)


if __name__ == "__main__":
    main()
