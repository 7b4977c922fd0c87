"""Runs a foreign model in a process of its own, with limits on time and memory.

A model is a program: it can loop endlessly or ask for terabytes. What it does here ends with the child.

    python -P -m provisioning.adoption.trial graph|verify SITUATION
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from drivers import programs
from wording.harmless import harmless
from wording.messages import Said, said

LIMIT_S = 60.0
"""A network that takes longer to be opened and run once is too slow for any street."""
MEMORY_BYTES = 2**31
"""At most, and never more than three quarters of what the machine has."""
_MAX_METADATA = 1_000_000
_PR_SET_PDEATHSIG = 1
_GRAPH, _VERIFY = "graph", "verify"


def graph(
    folder: Path, network: str, weights: tuple[str, ...], size_px: tuple[int, int] | None
) -> Any:
    """What a network says of itself and answers to a black picture.

    Args:
        folder: Where its files lie.
        network: The ONNX file in it.
        weights: Its files of weights.
        size_px: Width and height of the picture, where the network leaves them open.

    Returns:
        An :class:`agent.inference.session.Graph`.

    Raises:
        ModelError: It cannot be opened or run within the limits.
    """
    from agent.inference.session import Graph, Port  # noqa: PLC0415 - the child begins without it

    told = _in_child(_GRAPH, folder, network=network, weights=weights, size_px=size_px)
    inputs, outputs = (
        tuple(Port(one["name"], tuple(one["shape"]), one["kind"]) for one in told[key])
        for key in ("inputs", "outputs")
    )
    return Graph(inputs, outputs, told["metadata"])


def verify(folder: Path) -> None:
    """Hold a model folder against its manifest, and run the network once.

    Raises:
        ModelError: It cannot be used, or not within the limits.
    """
    _in_child(_VERIFY, folder)


def _in_child(what: str, folder: Path, **more: Any) -> Any:
    from agent.inference.manifest import ModelError  # noqa: PLC0415 - the child begins without it

    situation = json.dumps({"folder": str(folder), **more})
    command = programs.python("-m", __name__, what, situation)
    try:
        ended = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        fault = said(
            "it was not opened and run once within {limit_s:.0f} s: it is too slow, or never ends",
            limit_s=LIMIT_S,
        )
        raise ModelError(folder.name, [fault]) from error
    try:
        told = json.loads(ended.stdout)
    except ValueError as error:
        raise ModelError(folder.name, [_how_it_ended(ended)]) from error
    if told["faults"]:
        raise ModelError(folder.name, [_said_again(each) for each in told["faults"]])
    return told["found"]


def _how_it_ended(ended: subprocess.CompletedProcess[bytes]) -> Said:
    if ended.returncode < 0:
        return said(
            "its trial was ended by signal {number} ({name}): it crashes the runtime, or takes too much"
            " time or memory",
            number=-ended.returncode,
            name=signal.Signals(-ended.returncode).name,
        )
    last = (ended.stderr.decode("utf-8", "replace").strip().splitlines() or ["?"])[-1]
    return said("its trial failed: {reason}", reason=harmless(last))


def _main(what: str, situation: str) -> int:
    told = json.loads(situation)
    _limit()
    from agent.inference.manifest import ModelError  # noqa: PLC0415 - within the limits

    faults: list[str] = []
    found = None
    try:
        if what == _GRAPH:
            found = _graph(told)
        else:
            _verify(told)
    except ModelError as error:
        faults += error.faults
    except MemoryError:
        faults.append(said("it needs more memory than there is"))
    print(json.dumps({"found": found, "faults": [_as_json(each) for each in faults]}))
    return 0


def _limit() -> None:
    """For this process, and before anything large is imported."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most = min(MEMORY_BYTES, total * 3 // 4)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Should whoever waits for it be killed: nobody else would end it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Where memory runs out all the same, this goes first.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _graph(told: dict[str, Any]) -> dict[str, Any]:
    from agent.inference.session import read_graph  # noqa: PLC0415 - within the limits

    folder = Path(told["folder"])
    weights = {name: (folder / name).read_bytes() for name in told["weights"]}
    network = (folder / told["network"]).read_bytes()
    size_px = tuple(told["size_px"]) if told["size_px"] else None
    found = dataclasses.asdict(
        read_graph(network, weights, model=folder.name, file=told["network"], size_px=size_px)
    )
    wanted = {key: found["metadata"].get(key, "")[:_MAX_METADATA] for key in ("names", "task")}
    return found | {"metadata": wanted}


def _verify(told: dict[str, Any]) -> None:
    from agent import inference  # noqa: PLC0415 - within the limits

    inference.verify(Path(told["folder"]))


def _as_json(text: Any) -> Any:
    """A text with all that its translation needs."""
    if isinstance(text, Said):
        facts = {name: _as_json(fact) for name, fact in text.facts.items()}
        return {"template": text.template, "many": text.many, "facts": facts}
    if isinstance(text, list | tuple):
        return [_as_json(each) for each in text]
    return text if isinstance(text, str | int | float) else str(text)


def _said_again(told: Any) -> Any:
    if isinstance(told, dict):
        facts = {name: _said_again(fact) for name, fact in told["facts"].items()}
        return Said(told["template"], facts, told["many"])
    if isinstance(told, list):
        return [_said_again(each) for each in told]
    return told


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
