"""``kerbwatch models adopt``: from a published ONNX file to a model folder that was tried.

What a family always has is filled in from the family, what the file knows from the file; what
nobody can know (whose it is) is asked for. The network is tried in a process of its own
(:mod:`provisioning.adoption.trial`), and the folder appears whole, once the model has run in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from agent.domain.labels import LABELS, label_named, sensitive_parts
from agent.inference.external_weights import wanted_weights
from agent.inference.manifest import (
    IGNORED,
    LARGEST_BYTES,
    MANIFEST,
    NAME,
    Manifest,
    ModelError,
    model_folders,
)
from agent.inference.model_files import read_inside
from drivers.disk import make_folder, place_folder
from drivers.files.documents import unseen
from provisioning.adoption import class_names, exporters, trial
from provisioning.wording import say
from wording.known_errors import reason_of
from wording.messages import said
from wording.validation import faults_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent.inference.session import Graph, Port

THRESHOLD = 0.4
"""A first value; what suits a corner shows a replay of its own footage."""
NETWORK = "model.onnx"
MAX_TOLD = 5
"""Of files of weights that are missing: some networks name hundreds."""
MAX_NAMED = 100
"""Of classes that the street has no word for; COCO has 73 of them."""
_BYTE = 1 / 255
_NANODET = {"mean": [103.53, 116.28, 123.675], "std": [57.375, 57.12, 58.395]}
_FED: dict[str, dict[str, Any]] = {
    "yolox": {"colour": "BGR", "resize": "letterbox", "scale": 1.0},
    "nanodet_plus": {"colour": "BGR", "resize": "stretch", "scale": 1.0, **_NANODET},
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
    place = into or model_folders()[0]
    _refuse_name(wanted.name, place)
    names = None if wanted.names is None else class_names.of_file(wanted.names, wanted.name)
    files = _read(file, wanted.name)
    with _coming_into(place, wanted.name) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        weights = tuple(sorted(files.keys() - {NETWORK}))
        graph = trial.graph(folder, NETWORK, weights, wanted.size_px)
        names = names or class_names.of_metadata(graph.metadata.get("names", ""))
        if fault := exporters.misfit(wanted.family, graph, len(names) if names else None):
            raise ModelError(wanted.name, [fault])
        told = _manifest(files, wanted, graph, names)
        (folder / MANIFEST).write_text(_as_toml(told), encoding="utf-8")
        trial.verify(folder)
    _say_what_next(place / wanted.name, told)


def _refuse_name(name: str, place: Path) -> None:
    """Before anything is read: it becomes a folder's name, and no other model's place is taken.

    Raises:
        ModelError: It cannot be had.
    """
    if not re.fullmatch(NAME, name):
        strange = sorted({each for each in name if not re.fullmatch("[a-z0-9_-]", each)})
        fault = said(
            "name: 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit{strange}",
            strange=said("; not: {characters}", characters=[_named(each) for each in strange[:5]])
            if strange
            else "",
        )
        raise ModelError(name[:80], [fault])
    for folder in (place, *model_folders()):
        if os.path.lexists(folder / name):
            fault = said("{folder} is there already; give another --name", folder=folder / name)
            raise ModelError(name, [fault])


def _named(character: str) -> str:
    return f"{character!a} (U+{ord(character):04X})"


def _read(file: Path, name: str) -> dict[str, bytes]:
    """The network and the files of weights beside it, each read once, by their names in the folder.

    Raises:
        ModelError: One is missing, or none that can be taken along.
    """
    try:
        network = read_inside(file.resolve().parent, file.resolve().name, LARGEST_BYTES)
    except (OSError, ValueError) as error:
        fault = said("{file}: {reason}", file=file.name, reason=reason_of(error))
        raise ModelError(name, [fault]) from error
    if not network:
        raise ModelError(name, [said("{file}: the file is empty", file=file.name)])
    try:
        wanted = sorted(wanted_weights(network))
    except ValueError as error:
        fault = said("{file}: {reason}", file=file.name, reason=exporters.no_network(network))
        raise ModelError(name, [fault]) from error
    return {NETWORK: network, **_weights_beside(file, wanted, LARGEST_BYTES - len(network), name)}


def _weights_beside(
    file: Path, wanted: Sequence[str], left_bytes: int, name: str
) -> dict[str, bytes]:
    """The files of weights that a network wants, from beside it."""
    files: dict[str, bytes] = {}
    faults: list[str] = []
    for beside in wanted:
        if Path(beside).name != beside or beside in {"", ".", "..", NETWORK, MANIFEST}:
            faults.append(
                said(
                    "the network keeps weights in {beside!r}: export it again with all weights "
                    "in its own file, or in one file beside it",
                    beside=beside,
                )
            )
            continue
        try:
            files[beside] = read_inside(file.parent, beside, left_bytes)
            left_bytes -= len(files[beside])
        except (OSError, ValueError) as error:
            faults.append(
                said(
                    "the network keeps its weights in {beside!r}, which must lie beside it: {reason}",
                    beside=beside,
                    reason=reason_of(error),
                )
            )
    if faults:
        raise ModelError(name, faults[:MAX_TOLD])
    return files


@contextmanager
def _coming_into(place: Path, name: str) -> Iterator[Path]:
    """A folder whose copy takes its place, whole, when the block ends well.

    What an interrupted call left behind is in nobody's way: it is hidden, and the next call removes it.
    """
    make_folder(place, mode=0o755)
    staging = place / f".{name}.adopting"
    shutil.rmtree(staging, ignore_errors=True)
    folder = staging / name
    try:
        make_folder(folder)
        yield folder
        place_folder(folder, place / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _say_what_next(folder: Path, told: Mapping[str, Any]) -> None:
    meant = [each["meaning"] for each in told["classes"] if each["meaning"] != IGNORED]
    click.echo(
        say(
            "{folder}: it runs. Of its {count} classes, these are used: {known}.",
            folder=folder,
            count=len(told["classes"]),
            known=meant or say("none"),
        )
    )
    if not meant:
        click.echo(
            say(
                "So it detects nothing yet: write into its manifest.toml what each class means, "
                "or adopt it with --names."
            )
        )
    for warning in _readable(told["classes"]):
        click.echo(warning)
    click.echo(
        say(
            'Check its manifest.toml, then use it: [models] detector = "{name}"',
            name=told["name"],
        )
    )


def _readable(classes: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """What would stay readable in the pictures of a model whose classes mean this.

    Redaction goes by what a class means, and of a name that the street does not know nobody can tell
    whether it is a tricycle with its rider or a traffic light. To redact all of them would blot out half
    a picture of eighty classes; so whoever adopts the model is told, and says what they mean.
    """
    means = {each["meaning"] for each in classes}
    if not any("head" in sensitive_parts(each) for each in means & LABELS.keys()):
        yield say("No class means a person: in pictures of this model no head is redacted.")
    if not any("plate" in sensitive_parts(each) for each in means & LABELS.keys()):
        yield say(
            "No class means a car, bus, truck or motorcycle: in pictures of this model no number plate"
            " is redacted."
        )
    unknown = [each["name"] for each in classes if each["meaning"] == IGNORED]
    if unknown:
        yield say(
            "Neither looked for nor redacted: {names}. If any of these shows people or number plates,"
            " write into manifest.toml what it means.",
            names=unknown[:MAX_NAMED] + ["…"] * (len(unknown) > MAX_NAMED),
        )


def _manifest(
    files: Mapping[str, bytes], wanted: Wanted, graph: Graph, names: list[str] | None
) -> dict[str, Any]:
    """What the manifest says.

    Raises:
        ModelError: Something that was given cannot stand in one.
    """
    picture = graph.inputs[0]
    _, _, height, width = picture.shape
    main, also = _roles(wanted, graph.outputs)
    names = names or [f"class-{index}" for index in range(_columns(wanted.family, main))]
    output: dict[str, Any] = {"name": main.name, "shape": list(main.shape)}
    if wanted.family == "detr":
        output["activation"] = "softmax" if main.shape[-1] == len(names) + 1 else "sigmoid"
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    told: dict[str, Any] = {
        "name": wanted.name,
        "version": wanted.version,
        "family": wanted.family,
        "file": NETWORK,
        "sha256": hashes.pop(NETWORK),
        "licence": wanted.licence,
        "provenance": wanted.provenance,
        **({"weights": hashes} if hashes else {}),
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
        {"name": name, "meaning": label_named(name) or IGNORED, "threshold": THRESHOLD}
        for name in names
    ]
    if faults := list(_faults(told)):
        raise ModelError(wanted.name, faults)
    return told


def _faults(told: Mapping[str, Any]) -> Iterator[str]:
    """What was given, by whoever calls or by the network, and can stand in no manifest."""
    texts = [(key, each) for key, each in told.items() if isinstance(each, str)]
    texts += [("classes", each["name"]) for each in told["classes"]]
    for what, text in texts:
        if code := unseen(text):
            yield said("{what}: {code} cannot be shown", what=what, code=code)
            return
    try:
        Manifest.model_validate(told)
    except ValidationError as error:
        yield from faults_of(error)


def _roles(wanted: Wanted, outputs: Sequence[Port]) -> tuple[Port, dict[str, Port]]:
    """The main output, and the others by what the family calls them."""
    four = [each for each in outputs if each.shape[-1:] == (4,)]
    # Of four classes, the scores are as wide as the boxes: then the name says it.
    boxes = next((each for each in four if re.search("box|det", each.name)), (*four, None)[0])
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
    of_family = {
        "yolox": main.shape[2] - 5,
        "nanodet_plus": main.shape[2] - 32,
        "yolov8": main.shape[1] - 4,
        "detr": main.shape[2],
    }
    return max(1, of_family.get(family, 1))


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
            lines.append(f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}\n")
    return "".join(lines) + "".join(tables)


def _table(name: str, value: Mapping[str, Any]) -> str:
    nested = all(isinstance(each, dict) for each in value.values())
    head = "" if nested else f"\n[{name}]\n"
    return head + _as_toml(value, f"{name}.")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
