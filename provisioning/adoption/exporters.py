"""Recognises files and outputs of common exporters that do not fit the family.

A number of classes can be read into nearly any shape, so a shape that is known to mean something else is
refused by name, with how to export what is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.inference.session import Graph, Port

_STRIDES_PX = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64))
"""Of usual networks, of those with a finer and with a coarser grid."""
_ANCHORS = 3
"""A cell of YOLOv5 and YOLOv7 speaks for three shapes."""
_MAX_FINAL_ROWS = 1000
_BEGINNINGS = (
    (b"version https://git-lfs", said("a pointer of Git LFS, not the file: fetch it with `git lfs pull`")),
    (b"<", said("a web page, not the file: download the file itself")),
    (b"PK", said("an archive, such as PyTorch's own .pt: export it to ONNX")),
    (b"\x80", said("a pickle of PyTorch: export it to ONNX")),
    (b"\x1f\x8b", said("packed with gzip: unpack it")),
)  # fmt: skip


def no_network(content: bytes) -> Said:
    """What a file is that is no ONNX file, by its first bytes."""
    found = (what for begin, what in _BEGINNINGS if content.lstrip()[:64].startswith(begin))
    what = next(found, None)
    return said("the file is {what}", what=what or said("no ONNX network"))


def misfit(family: str, graph: Graph, classes: int | None) -> Said | None:
    """Why a network's outputs are not of the family that was named; None: they can be.

    Args:
        family: Its name.
        graph: What the network says and answers.
        classes: How many are named; None: nobody names them.
    """
    if (task := graph.metadata.get("task", "")) not in ("", "detect"):
        return said(
            "task: the file is for {task!r}; a network for detect is needed", task=task[:32]
        )
    if any(each.kind == "float16" for each in graph.outputs):
        return said(
            "output: the network answers with half-precision numbers (float16): export it in full"
            " precision (half=False)"
        )
    fault = _of_known_shape(family, graph, classes)
    if fault is not None:
        shapes = [f"{each.name} {list(each.shape)}" for each in graph.outputs]
        return said("output.shape: {found}: {fault}", found=shapes, fault=fault)
    return None


def _of_known_shape(family: str, graph: Graph, classes: int | None) -> Said | None:
    outputs = graph.outputs
    if any(len(each.shape) == 4 for each in outputs):
        return said("it also outputs masks (segmentation): export the network for detect")
    if outputs[0].shape[:1] != (1,):
        return said("its output is for several pictures at once: export it for one (batch=1)")
    if family in ("detr", "detr_deployed"):
        return _of_queries(family, outputs, classes)
    shape = outputs[0].shape
    if len(outputs) != 1 or len(shape) != 3:
        return said("this family has one output of three dimensions; try another --family")
    if shape[2] in (6, 7) and shape[1] <= _MAX_FINAL_ROWS:
        return said(
            "these are finished boxes (end-to-end, with the suppression inside): export with nms=False,"
            " and end2end=False where there is that"
        )
    return _of_grid(family, shape, _cells(graph), _nanodet_places(graph), classes)


def _of_grid(
    family: str,
    shape: tuple[int, ...],
    cells: Sequence[int],
    nanodet_places: int,
    classes: int | None,
) -> Said | None:
    _, rows, columns = shape
    if rows in [_ANCHORS * each for each in cells]:
        return said(
            "this is YOLOv5 or YOLOv7 with three anchors a cell, which no family here decodes: take"
            " YOLOv8 or newer (of YOLOv5 the version yolov5u), or YOLOX"
        )
    if family == "nanodet_plus":
        return _named_otherwise(columns - 32, classes)
    if rows == nanodet_places:
        return said("this looks like NanoDet-Plus: try --family nanodet_plus")
    if family == "yolox":
        if columns in cells and rows not in cells:
            return said("this looks like the YOLOv8 family: try --family yolov8")
        return _named_otherwise(columns - 5, classes)
    if rows in cells and columns not in cells:
        return said(
            "a row for each place: of YOLOX, try --family yolox; else export it with the classes first"
        )
    if classes is None and columns <= rows:
        return said(
            "this is not a known output of the YOLOv8 family (1, 4 + classes, {places}); if it "
            "is one nevertheless, give --names with one a line",
            places=cells[0],
        )
    return _named_otherwise(rows - 4, classes)


def _of_queries(family: str, outputs: Sequence[Port], classes: int | None) -> Said | None:
    finished = any(each.kind == "int64" for each in outputs)
    if family == "detr" and finished and len(outputs) == 3:
        return said("these are finished boxes: try --family detr_deployed")
    if family == "detr_deployed" and not finished and len(outputs) == 2:
        return said("these are logits and boxes: try --family detr")
    if classes is None:
        return said("it does not say its classes' names: give --names with one a line")
    return None


def _named_otherwise(columns: int, classes: int | None) -> Said | None:
    if classes is None or classes == columns:
        return None
    return said(
        "it has {columns} classes, and {classes} are named: give --names with one a line",
        columns=columns,
        classes=classes,
    )


def _cells(graph: Graph) -> list[int]:
    """How many places the usual grids have on the network's input."""
    _, _, height, width = graph.inputs[0].shape
    return [sum((width // px) * (height // px) for px in strides) for strides in _STRIDES_PX]


def _nanodet_places(graph: Graph) -> int:
    """How many places NanoDet-Plus has on the network's input: its grids are rounded up."""
    _, _, height, width = graph.inputs[0].shape
    return sum(-(-width // px) * -(-height // px) for px in (8, 16, 32, 64))
