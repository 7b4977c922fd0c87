"""The ONNX Runtime session: the only place where a model runs."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

# The runtime reports to its maker, and prepares to when it is imported: what runs at the street
# talks to its platform alone.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as _runtime

from agent.inference.external_weights import wanted_weights
from agent.inference.manifest import MAX_PIXELS, ModelError
from drivers.allocator import give_back
from wording.harmless import harmless
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from agent.inference.manifest import StoredModel

    Tensor = NDArray[np.float32]

_TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)"}
_NOWHERE = "/dev/null"
"""No folder: below it the runtime finds no file that was not handed over."""
_LONGEST_REASON = 300
_TOO_NEW = (
    re.compile(
        r"Unsupported model (?P<what>IR version): (?P<is_>\d+), max supported .*: (?P<most>\d+)"
    ),
    re.compile(r"(?P<what>Opset) (?P<is_>\d+) is under development.* till opset (?P<most>\d+)"),
)
RUN_FAILURES = (
    MemoryError,
    UnicodeDecodeError,
    _runtime.EPFail,
    _runtime.Fail,
    _runtime.InvalidArgument,
    _runtime.InvalidGraph,
    _runtime.InvalidProtobuf,
    _runtime.NoSuchFile,
    _runtime.NotImplemented,
    _runtime.RuntimeException,
)
"""What the runtime raises where it cannot open or run a network."""


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


def read_graph(
    network: bytes,
    weights: Mapping[str, bytes],
    *,
    model: str,
    file: str,
    size_px: tuple[int, int] | None = None,
) -> Graph:
    """Open a network that has no manifest yet, and run it once on a black picture.

    Args:
        network: The ONNX file.
        weights: The files of weights beside it, by name.
        model: What errors call the model.
        file: What they call the file.
        size_px: Width and height of the picture, where the network leaves them open.

    Raises:
        ModelError: It is no network that runs here, takes no picture, or leaves its size open.
    """
    session = _opened(network, weights, model=model, file=file, threads=1)
    try:
        inputs = _inputs(session.get_inputs(), model, size_px)
        feed = {each.name: np.zeros(each.shape, each.kind) for each in inputs}
        if len(inputs) > 1:
            feed[inputs[1].name] = np.array([inputs[0].shape[:1:-1]], inputs[1].kind)
        answers = session.run(None, feed)
    except RUN_FAILURES as error:
        fault = said("it does not run: {reason}", reason=failure_reason(error))
        raise ModelError(model, [fault]) from error
    outputs = tuple(
        Port(port.name, tuple(np.shape(answer)), _kind_of(port))
        for port, answer in zip(session.get_outputs(), answers, strict=True)
    )
    return Graph(inputs, outputs, dict(session.get_modelmeta().custom_metadata_map))


def _opened(
    network: bytes,
    weights: Mapping[str, bytes],
    *,
    model: str,
    file: str,
    threads: int,
    keeps_memory: bool = True,
) -> ort.InferenceSession:
    """Open a network from bytes alone: no file is opened that was not hashed.

    Raises:
        ModelError: It is none that runs here, or wants other files of weights than these.
    """
    ort.disable_telemetry_events()
    _refuse_other_weights(network, weights, model)
    options = _options(threads)
    options.enable_cpu_mem_arena = keeps_memory
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", _NOWHERE
    )
    if weights:
        options.add_external_initializers_from_files_in_memory(
            list(weights), list(weights.values()), [len(each) for each in weights.values()]
        )
    try:
        return ort.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except RUN_FAILURES as error:
        fault = said("{file}: {reason}", file=file, reason=failure_reason(error))
        raise ModelError(model, [fault]) from error


def _refuse_other_weights(network: bytes, weights: Mapping[str, bytes], model: str) -> None:
    try:
        wanted = wanted_weights(network)
    except ValueError:
        return  # the runtime says what is wrong with it
    if wanted == weights.keys():
        return
    fault = said(
        "weights: the network keeps its weights in {wanted}, the manifest names {named}",
        wanted=sorted(wanted) or said("no file but its own"),
        named=sorted(weights) or said("none"),
    )
    raise ModelError(model, [fault])


def failure_reason(error: BaseException) -> str:
    """What the runtime complains of, without where in its own source it did."""
    text = " ".join(str(error).split())
    for pattern in _TOO_NEW:
        if found := pattern.search(text):
            return said(
                "it was exported for a newer onnxruntime ({what} {is_}, here at most {most}): export it"
                " for an older opset, or install a newer onnxruntime",
                **found.groupdict(),
            )
    if isinstance(error, MemoryError) or "bad_alloc" in text or "Failed to allocate" in text:
        return said("it needs more memory than there is")
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : ", "", text)
    return harmless(text, _LONGEST_REASON)


def _inputs(ports: list[Any], name: str, size_px: tuple[int, int] | None) -> tuple[Port, ...]:
    """The picture's input, and that of its size where there is one.

    Raises:
        ModelError: There are others, or no picture is taken, with what is taken in its place.
    """
    pictures = [each for each in ports if len(each.shape) == 4]
    if not pictures:
        raise ModelError(name, [said("input: no picture, (1, 3, height, width), is taken")])
    picture = pictures[0]
    if fault := _picture_fault(picture):
        raise ModelError(name, [fault])
    others = [each for each in ports if each is not picture]
    if len(others) > 1 or any(_kind_of(each) != "int64" for each in others):
        fault = said(
            "input: the network also takes {names}; one input is expected, and one of sizes if"
            " input.sizes names it",
            names=[each.name for each in others],
        )
        raise ModelError(name, [fault])
    shape = _picture_shape(picture, size_px)
    if shape is None:
        fault = said("input {name!r} leaves its size open: say --size", name=picture.name)
        raise ModelError(name, [fault])
    if shape[2] * shape[3] > MAX_PIXELS:
        fault = said("width × height may be at most {most}", most=MAX_PIXELS)
        raise ModelError(name, [fault])
    sizes = (Port(each.name, (1, 2), "int64") for each in others)
    return Port(picture.name, shape, "float32"), *sizes


def _picture_fault(port: Any) -> str | None:
    """Why an input takes no picture as the families give it, and how to export one that does."""
    kind, shape = _kind_of(port), list(port.shape)
    if kind == "float16":
        return said(
            "input {name!r} takes half-precision numbers (float16): export the network in full"
            " precision (half=False)",
            name=port.name,
        )
    if kind != "float32":
        return said(
            "input {name!r} takes {kind}: export the network so that it takes float32",
            name=port.name,
            kind=kind,
        )
    if isinstance(shape[0], int) and shape[0] != 1:
        return said(
            "input {name!r} takes {count} pictures at once: export the network for one (batch=1)",
            name=port.name,
            count=shape[0],
        )
    if shape[3] in (1, 3) and shape[1] not in (1, 3):
        return said(
            "input {name!r} takes {found}, the channels last: export the network with the channels"
            " first (NCHW)",
            name=port.name,
            found=str(shape),
        )
    if isinstance(shape[1], int) and shape[1] != 3:
        return said(
            "input {name!r} takes pictures of {count} channel(s); a network for three colours is needed",
            name=port.name,
            count=shape[1],
        )
    return None


def _picture_shape(port: Any, size_px: tuple[int, int] | None) -> tuple[int, ...] | None:
    """(1, 3, height, width); None where the network leaves its size open and nobody says it."""
    height, width = port.shape[2:]
    if size_px is not None and not (isinstance(height, int) and isinstance(width, int)):
        width, height = size_px
    if not (isinstance(height, int) and isinstance(width, int)):
        return None
    return 1, 3, max(1, height), max(1, width)


def _kind_of(port: Any) -> str:
    """The kind of number, as numpy calls it; of what is no tensor, the runtime's word."""
    found = re.fullmatch(r"tensor\((\w+)\)", port.type)
    if found is None:
        return str(port.type)
    return {"float": "float32", "double": "float64"}.get(found[1], found[1])


class OnnxSession:
    """A network that is ready to run on the CPU. For one thread at a time.

    One that runs a few times a minute keeps no memory for its next run: what it needs meanwhile is given
    back to the system after each.

    Attributes:
        runs: How often it has run since it was opened, the warm-up left out.
        seconds: The time those runs took inside the runtime.
    """

    def __init__(self, stored: StoredModel, threads: int, *, seldom: bool = False) -> None:
        """Open a network, hold it against its manifest, and run it once.

        Args:
            stored: The model as it was read, with its hashes checked.
            threads: How many threads one run may use.
            seldom: Whether it runs a few times a minute at most.

        Raises:
            ModelError: It is no network that runs here, or not the one of the manifest.
        """
        manifest, self._seldom = stored.manifest, seldom
        self._session = _opened(
            stored.network,
            stored.weights,
            model=manifest.name,
            file=manifest.file,
            threads=threads,
            keeps_memory=not seldom,
        )
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
        give_back()  # of what the file took that was parsed

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
        if self._seldom:
            give_back()
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
        except RUN_FAILURES as error:
            raise ModelError(
                spec.name, [said("it does not run: {reason}", reason=failure_reason(error))]
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
            raise ModelError(spec.name, [said("its output for a black picture is not finite")])
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
