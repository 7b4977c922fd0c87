"""A verifier to which a candidate is what its colour says, without training: a real network for the real runtime.

It takes the mean colour of the middle of what it is shown, which is the candidate where no edge of the frame
cuts its crop, and calls it by the nearest of eight colours.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

from agent.domain.labels import CANDIDATE_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SIDE_PX = 48
_MARGIN_PX = SIDE_PX // 4
BGR_OF = {
    "stall": (0, 0, 255),
    "shop_goods": (0, 255, 0),
    "two_wheelers": (255, 0, 0),
    "rubbish": (0, 255, 255),
    "bin": (255, 255, 0),
    "people": (255, 0, 255),
    "vehicle": (255, 255, 255),
    "nothing": (110, 110, 110),
}
STEEP = 20.0
"""How sure it is: a colour and its neighbour among the eight differ by e to the power of this at least."""


def colour_graph(
    kinds: Sequence[str] = CANDIDATE_KINDS,
    *,
    fails: bool = False,
    red: str = "stall",
) -> Any:
    """A network that calls a picture by the nearest of the kinds' colours.

    The square of a distance is the picture's own square, the same for every kind, less twice the
    product with the kind's colour, and the kind's own square.

    Args:
        kinds: Its classes, in order.
        fails: Whether each run but that on a black picture ends with an error.
        red: What red means; it changes places with the stall.
    """
    swapped = {"stall": red, red: "stall"}
    colours = np.array([BGR_OF[swapped.get(kind, kind)][::-1] for kind in kinds], np.float32) / 255
    constants: dict[str, Any] = {
        "from": np.array([_MARGIN_PX, _MARGIN_PX], np.int64),
        "to": np.array([SIDE_PX - _MARGIN_PX] * 2, np.int64),
        "axes": np.array([2, 3], np.int64),
        "weights": (2 * STEEP * colours)[..., None, None],
        "bias": -STEEP * (colours**2).sum(axis=1),
        "row": np.array([1, len(kinds)], np.int64),
    }
    nodes = [
        helper.make_node("Slice", ["images", "from", "to", "axes"], ["inner"]),
        helper.make_node("GlobalAveragePool", ["inner"], ["colour"]),
        helper.make_node("Conv", ["colour", "weights", "bias"], ["nearness"]),
        helper.make_node("Reshape", ["nearness", "row"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    if fails:
        # Whatever is not black is asked for by a place that is not there.
        constants |= {"none": np.float32(0), "far": np.int64(1000)}
        nodes[-1].output[0] = "judged"
        nodes += [
            helper.make_node("ReduceMax", ["colour"], ["brightest"], keepdims=0),
            helper.make_node("Greater", ["brightest", "none"], ["bright"]),
            helper.make_node("Cast", ["bright"], ["one"], to=TensorProto.INT64),
            helper.make_node("Mul", ["one", "far"], ["place"]),
            helper.make_node("Gather", ["judged", "place"], ["row_there"], axis=0),
            helper.make_node("Reshape", ["row_there", "row"], ["probabilities"]),
        ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, len(kinds)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_verifier(
    models: Path,
    *,
    name: str = "verifier",
    kinds: Sequence[str] = CANDIDATE_KINDS,
    fails: bool = False,
    red: str = "stall",
) -> Path:
    """Write the verifier into a folder of models.

    Args:
        models: Where models are looked for.
        name: The model's.
        kinds: Its classes, in order.
        fails: Whether its runs at the street end with an error.
        red: What red means to it.

    Returns:
        The model's folder.
    """
    place = models / name
    place.mkdir(parents=True)
    save_model(colour_graph(kinds, fails=fails, red=red), str(place / "model.onnx"))
    digest = hashlib.sha256((place / "model.onnx").read_bytes()).hexdigest()
    classes = "".join(
        f'[[classes]]\nname = "{kind}"\nmeaning = "{kind}"\nthreshold = 0.5\n' for kind in kinds
    )
    (place / "manifest.toml").write_text(
        f'name = "{name}"\nversion = "0.0.0"\nfamily = "classifier"\nfile = "model.onnx"\n'
        f'sha256 = "{digest}"\nlicence = "Apache-2.0"\nprovenance = "made up by a test"\n'
        f'[input]\nname = "images"\nwidth = {SIDE_PX}\nheight = {SIDE_PX}\ncolour = "RGB"\n'
        f'resize = "stretch"\nscale = {1 / 255}\n'
        f'[output]\nname = "probabilities"\nshape = [1, {len(kinds)}]\n{classes}',
        encoding="utf-8",
    )
    return place
