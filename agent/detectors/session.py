"""The one place where a network runs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

# The runtime reports to its maker, and prepares to when it is imported: what runs at the street
# talks to its platform alone.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as _runtime

from agent.detectors.manifest import Manifest, ModelError
from drivers.wording import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Tensor = NDArray[np.float32]

_TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)"}
_REFUSALS = (
    _runtime.Fail,
    _runtime.InvalidArgument,
    _runtime.InvalidGraph,
    _runtime.InvalidProtobuf,
    _runtime.NoSuchFile,
    _runtime.NotImplemented,
    _runtime.RuntimeException,
)


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a network, with the shape that it really has."""

    name: str
    shape: tuple[int, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class Graph:
    """What a network's file says of itself; the picture's input comes first."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: dict[str, str]


def read_graph(path: Path, name: str, size_px: tuple[int, int] | None = None) -> Graph:
    """Open a network that has no manifest yet, and run it once on a black picture.

    Args:
        path: The ONNX file.
        name: What errors call the model.
        size_px: Width and height of the picture, where the network leaves them open.

    Raises:
        ModelError: It is no network that runs here, takes no picture, or leaves its size open.
    """
    ort.disable_telemetry_events()
    try:
        session = ort.InferenceSession(str(path), _options(1), providers=["CPUExecutionProvider"])
        ports = sorted(session.get_inputs(), key=lambda each: each.type != _TYPES["float32"])
        inputs = tuple(_input(each, name, size_px) for each in ports)
        if len(inputs[0].shape) != 4:
            raise ModelError(name, [said("input: no picture, (1, 3, height, width), is taken")])
        feed = {each.name: np.zeros(each.shape, each.kind) for each in inputs}
        if len(inputs) > 1:
            feed[inputs[1].name] = np.array([inputs[0].shape[:1:-1]], inputs[1].kind)
        answers = session.run(None, feed)
    except _REFUSALS as error:
        raise ModelError(name, [said("{file}: {reason}", file=path.name, reason=error)]) from error
    outputs = tuple(
        Port(port.name, tuple(answer.shape), str(answer.dtype))
        for port, answer in zip(session.get_outputs(), answers, strict=True)
    )
    return Graph(inputs, outputs, dict(session.get_modelmeta().custom_metadata_map))


def _input(port: Any, name: str, size_px: tuple[int, int] | None) -> Port:
    shape = list(port.shape)
    if shape and not isinstance(shape[0], int):
        shape[0] = 1
    if len(shape) == 4 and size_px is not None and not all(isinstance(n, int) for n in shape):
        shape[2:] = size_px[1], size_px[0]
    if not all(isinstance(each, int) for each in shape):
        fault = said("input {name!r} leaves its size open: say --size", name=port.name)
        raise ModelError(name, [fault])
    kind = next((short for short, long in _TYPES.items() if long == port.type), None)
    if kind is None:
        fault = said(
            "{what}: {name!r} is {found}, {expected} is expected",
            what="input",
            name=port.name,
            found=port.type,
            expected=_TYPES["float32"],
        )
        raise ModelError(name, [fault])
    return Port(port.name, tuple(shape), kind)


class OnnxSession:
    """A network that is ready to run on the CPU. For one thread at a time.

    Attributes:
        runs: How often it has run since it was opened, the warm-up left out.
        seconds: The time those runs took inside the runtime.
    """

    def __init__(self, path: Path, manifest: Manifest, threads: int) -> None:
        """Open a network, hold it against its manifest, and run it once.

        Args:
            path: The ONNX file; its hash has been checked by ``load_manifest``.
            manifest: What the network claims to be.
            threads: How many threads one run may use.

        Raises:
            ModelError: The file is no network that runs here, or not the one of the manifest.
        """
        ort.disable_telemetry_events()
        try:
            self._session = ort.InferenceSession(
                str(path), _options(threads), providers=["CPUExecutionProvider"]
            )
        except _REFUSALS as error:
            raise ModelError(
                manifest.name, [said("{file}: {reason}", file=path.name, reason=error)]
            ) from error
        self._manifest = manifest
        self._outputs = [each.name for each in manifest.outputs]
        self._constants: dict[str, NDArray[np.int64]] = {}
        if manifest.input.sizes is not None:
            size = [[manifest.input.width, manifest.input.height]]
            self._constants[manifest.input.sizes] = np.array(size, np.int64)
        self.runs, self.seconds = 0, 0.0
        if faults := list(self._faults()):
            raise ModelError(manifest.name, faults)
        self._warm_up()

    def run(self, tensor: Tensor) -> Tensor:
        """Run the network once and give its main output alone.

        Args:
            tensor: float32 in the shape of the manifest's input.

        Returns:
            float32 in the shape of the manifest's output; a new array every time.
        """
        return self.run_all(tensor)[0]

    def run_all(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """Run the network once.

        Args:
            tensor: float32 in the shape of the manifest's input.

        Returns:
            Its outputs in the order of the manifest, as float32; new arrays every time.
        """
        began_s = time.perf_counter()
        feed = {self._manifest.input.name: tensor, **self._constants}
        answers = self._session.run(self._outputs, feed)
        self.seconds += time.perf_counter() - began_s
        self.runs += 1
        return tuple(np.asarray(answer, dtype=np.float32) for answer in answers)

    def _faults(self) -> Iterator[str]:
        spec = self._manifest
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        known = {spec.input.name, *self._constants}
        unknown = [each.name for each in inputs if each.name not in known]
        if len(unknown) > (spec.input.name not in {each.name for each in inputs}):
            yield said(
                "input: the network also takes {names}; one input is expected, and one of sizes if"
                " input.sizes names it",
                names=unknown,
            )
        yield from _differences("input", spec.input.name, spec.input.shape, inputs)
        for name in self._constants:
            yield from _differences("input.sizes", name, (1, 2), inputs, "int64")
        for what, each in (
            ("output", spec.output),
            *((f"also.{k}", v) for k, v in spec.also.items()),
        ):
            yield from _differences(what, each.name, each.shape, outputs, each.kind)

    def _warm_up(self) -> None:
        """The first run allocates and plans: do it before anyone waits for it."""
        spec = self._manifest
        try:
            answers = self.run_all(np.zeros(spec.input.shape, dtype=np.float32))
        except _REFUSALS as error:
            raise ModelError(
                spec.name, [said("it does not run: {reason}", reason=error)]
            ) from error
        for told, answer in zip(spec.outputs, answers, strict=True):
            if answer.shape != told.shape:
                fault = said(
                    "output.shape: the network gives {found}, the manifest says {expected}",
                    found=str(list(answer.shape)),
                    expected=str(list(told.shape)),
                )
                raise ModelError(spec.name, [fault])
        if not all(np.isfinite(answer).all() for answer in answers):
            raise ModelError(spec.name, [said("it answers a black picture with values not finite")])
        self.runs, self.seconds = 0, 0.0


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # A plan of all buffers at once takes more memory than reusing them one by one, and no less time.
    options.enable_mem_pattern = False
    # Threads that spin between runs burn whole cores for nothing at a few runs a second.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _differences(
    what: str, name: str, shape: tuple[int, ...], ports: list[Any], kind: str = "float32"
) -> Iterator[str]:
    port = next((each for each in ports if each.name == name), None)
    if port is None:
        known = [each.name for each in ports]
        yield said(
            "{what}.name: the network has no {what} {name!r}; there are: {known}",
            what=what,
            name=name,
            known=known,
        )
        return
    if port.type != _TYPES[kind]:
        yield said(
            "{what}: {name!r} is {found}, {expected} is expected",
            what=what,
            name=name,
            found=port.type,
            expected=_TYPES[kind],
        )
    # A dimension that the network leaves open (a word or None) fits any size.
    if len(port.shape) != len(shape) or any(
        isinstance(theirs, int) and theirs != ours
        for theirs, ours in zip(port.shape, shape, strict=True)
    ):
        yield said(
            "{what}.shape: the network has {found}, the manifest says {expected}",
            what=what,
            found=str(port.shape),
            expected=str(list(shape)),
        )
