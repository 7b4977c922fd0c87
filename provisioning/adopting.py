"""``kerbwatch models adopt``: from a published ONNX file to a model folder that was tried.

What a family always has is filled in from the family, what the file knows from the file; what
nobody can know (whose it is) is asked for. The folder appears only once the model has run in it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from agent import detectors
from agent.detectors.manifest import ModelError, Thing, model_folders
from agent.detectors.session import Graph, Port, read_graph
from drivers.disk import place_folder
from drivers.wording import said
from provisioning.wording import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

THRESHOLD = 0.4
"""A first value; what suits a corner shows a replay of its own footage."""
SYNONYMS = {"motorbike": "motorcycle", "bike": "bicycle", "pedestrian": "person"}
_BYTE = 1 / 255
_FED: dict[str, dict[str, Any]] = {
    "yolox": {"colour": "BGR", "resize": "letterbox", "scale": 1.0},
    "yolov8": {"colour": "RGB", "resize": "letterbox_centred", "scale": _BYTE},
    "detr": {"colour": "RGB", "resize": "stretch", "scale": _BYTE},
    "detr_deployed": {"colour": "RGB", "resize": "stretch", "scale": _BYTE},
}
"""How each family's own training code feeds its networks."""
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
FAMILIES = tuple(_FED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the file cannot say of itself.

    Attributes:
        name: The model's name and its folder's.
        family: One of :data:`FAMILIES`.
        licence: Of the weights, as an SPDX identifier.
        provenance: Where the file comes from, and what it was made from.
        version: Goes into every event.
        names: A file with one class name a line; None: what the file says.
        size_px: Width and height of the input, where the network leaves them open.
        imagenet: Whether the input is normalised by ImageNet's mean and spread.
    """

    name: str
    family: str
    licence: str
    provenance: str
    version: str = "1"
    names: Path | None = None
    size_px: tuple[int, int] | None = None
    imagenet: bool = False


def adopt(file: Path, wanted: Wanted, into: Path | None) -> None:
    """Make a model folder of an ONNX file, try it, and say what to do next.

    Args:
        file: The network.
        wanted: What it is.
        into: The folder of models; None: the first that models are looked for in.

    Raises:
        ModelError: The file is no network of the family.
        OSError: The folder cannot be written.
    """
    target = (into or model_folders()[0]) / wanted.name
    if target.exists():
        raise ModelError(wanted.name, [said("{folder} is there already", folder=target)])
    graph = read_graph(file, wanted.name, wanted.size_px)
    told = _manifest(file, wanted, graph)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / wanted.name
        folder.mkdir()
        shutil.copyfile(file, folder / "model.onnx")
        (folder / "manifest.toml").write_text(_as_toml(told), encoding="utf-8")
        detectors.verify(folder)
        place_folder(folder, target)
    meant = [each["meaning"] for each in told["classes"] if each["meaning"]]
    click.echo(
        say(
            "{folder}: it runs. Of its {count} classes the street knows {known}.",
            folder=target,
            count=len(told["classes"]),
            known=meant or say("none"),
        )
    )
    click.echo(
        say(
            'Look through its manifest.toml, then name it: [models] detector = "{name}"',
            name=wanted.name,
        )
    )


def _manifest(file: Path, wanted: Wanted, graph: Graph) -> dict[str, Any]:
    picture = graph.inputs[0]
    _, _, height, width = picture.shape
    main, also = _roles(wanted, graph.outputs)
    names = _names(wanted, graph)
    count = len(names) if names is not None else _columns(wanted.family, main)
    names = names if names is not None else [f"class-{index}" for index in range(count)]
    output: dict[str, Any] = {"name": main.name, "shape": list(main.shape)}
    if wanted.family == "detr":
        output["activation"] = "softmax" if main.shape[-1] == count + 1 else "sigmoid"
    told: dict[str, Any] = {
        "name": wanted.name,
        "version": wanted.version,
        "family": wanted.family,
        "file": "model.onnx",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "licence": wanted.licence,
        "provenance": wanted.provenance,
        "input": {"name": picture.name, "width": width, "height": height, **_FED[wanted.family]},
        "output": output,
    }
    if wanted.imagenet:
        told["input"] |= _IMAGENET
    if len(graph.inputs) > 1:
        told["input"]["sizes"] = graph.inputs[1].name
    if also:
        told["also"] = {
            role: {"name": port.name, "shape": list(port.shape), "kind": port.kind}
            for role, port in also.items()
        }
    told["classes"] = [
        {"name": name, "meaning": _meaning(name), "threshold": THRESHOLD} for name in names
    ]
    return told


def _roles(wanted: Wanted, outputs: Sequence[Port]) -> tuple[Port, dict[str, Port]]:
    """The main output, and the others by what the family calls them."""
    boxes = next((each for each in outputs if each.shape[-1:] == (4,)), None)
    labels = next((each for each in outputs if each.kind == "int64"), None)
    rest = [each for each in outputs if each not in (boxes, labels)]
    if wanted.family == "detr" and boxes is not None and rest:
        return rest[0], {"boxes": boxes}
    if wanted.family == "detr_deployed" and boxes is not None and labels is not None and rest:
        return rest[0], {"boxes": boxes, "labels": labels}
    return outputs[0], {}


def _columns(family: str, main: Port) -> int:
    """How many classes an output of this shape holds; 1 where the shape does not say."""
    if len(main.shape) != 3:
        return 1
    of_family = {"yolox": main.shape[2] - 5, "yolov8": main.shape[1] - 4, "detr": main.shape[2]}
    return max(1, of_family.get(family, 1))


def _names(wanted: Wanted, graph: Graph) -> list[str] | None:
    """Class names: from the file of names, or as Ultralytics' exports carry them."""
    if wanted.names is not None:
        lines = wanted.names.read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip()]
    try:
        told = ast.literal_eval(graph.metadata.get("names", ""))
    except (SyntaxError, ValueError):
        return None
    if not isinstance(told, dict) or sorted(told) != list(range(len(told))):
        return None
    return [str(told[index]) for index in range(len(told))]


def _meaning(name: str) -> str:
    word = SYNONYMS.get(name.lower(), name.lower())
    return word if word in get_args(Thing) else ""


def _as_toml(told: Mapping[str, Any], prefix: str = "") -> str:
    """Plain values first, then tables, then lists of tables."""
    lines, tables = [], []
    for key, value in told.items():
        if isinstance(value, dict):
            tables.append(_table(f"{prefix}{key}", value))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            tables += [f"\n[[{prefix}{key}]]\n{_as_toml(each)}" for each in value]
        else:
            # A JSON scalar or list of numbers is written the same way in TOML.
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}\n")
    return "".join(lines) + "".join(tables)


def _table(name: str, value: Mapping[str, Any]) -> str:
    nested = all(isinstance(each, dict) for each in value.values())
    head = "" if nested else f"\n[{name}]\n"
    return head + _as_toml(value, f"{name}.")
