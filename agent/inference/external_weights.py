"""Finds the external weight files of an ONNX model.

A network may keep its tensors in files of its own (ONNX, *External Data*), named in its protobuf. The
runtime would open them by itself; here they are found beforehand, so that they can be hashed and handed
over. Only the few fields on the way to those names are looked at, by the numbers of ``onnx.proto``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    _Part = Literal["graph", "function", "node", "attribute", "tensor", "sparse"]

_PARTS: dict[str, dict[int, _Part]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1
_KEY, _VALUE = 1, 2
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def wanted_weights(network: bytes) -> frozenset[str]:
    """The places of all external tensors, as the network names them.

    Raises:
        ValueError: It is no protobuf.
    """
    found = set()
    waiting: list[tuple[str, memoryview]] = [("model", memoryview(network))]
    while waiting:
        part, content = waiting.pop()
        if part == "tensor":
            found |= set(_places(content))
            continue
        for number, value in _fields(content):
            if number in _PARTS[part] and isinstance(value, memoryview):
                waiting.append((_PARTS[part][number], value))
    return frozenset(found)


def _places(tensor: memoryview) -> Iterator[str]:
    fields = list(_fields(tensor))
    if (_DATA_LOCATION, _EXTERNAL) not in fields:
        return
    for number, value in fields:
        if number == _EXTERNAL_DATA and isinstance(value, memoryview):
            entry = {key: bytes(each) for key, each in _fields(value) if not isinstance(each, int)}
            if entry.get(_KEY) == b"location":
                yield entry.get(_VALUE, b"").decode("utf-8")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protobuf message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _LENGTH:
            length, at = _varint(message, at)
        if length is None or length > len(message) - at:
            raise ValueError("no protobuf")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for step, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << (7 * step)
        if byte < 0x80:
            return value, at + step + 1
    raise ValueError("no protobuf")
