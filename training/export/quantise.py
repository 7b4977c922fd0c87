"""Turn a shipped model into whole numbers, and say what that costs.

``python -m training.export.quantise bin-state --out models/bin-state-int8``

The ranges of all activations are taken from pictures of the ``train`` part; weights become signed
bytes with a scale for each channel, activations unsigned bytes: for the bin state by ONNX Runtime's own
tool, for the detector by :mod:`training.export.rounding`, which loses a tenth of what that does. Loss and speed are measured against the FP32 file in the same run, on the ``held_out`` part.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

from training.evaluate.latency import RUNS, processor, speed
from training.export.targets import KINDS, Kind
from training.model_folder import hand_on, sha256_of, version_of

CALIBRATION_PICTURES = 160
AT_ONCE = 8
"""So many pictures' activations are held in memory together: all of the detector's are above 20 GB."""
MIN_OPSET = 13
"""The first that can hold a scale for each channel."""
CARD = """
# {name}

The weights of `{source}` {version} as whole numbers (INT8, QDQ), for processors that multiply bytes
faster than floats. Everything else that the card of `{source}` says of pictures, parts and mistakes
holds here as well.

- Made by `{command}` from `{source}` with SHA-256 `{sha}`.
- Ranges from {pictures} pictures of the `train` part{method}; scales for each channel.

## What it costs and saves

Held-out part, both files in one run:

{figures}

One thread on {machine}, both files in turn, {runs} runs each; median (fastest to slowest). A figure
of that machine: on the device `kerbwatch models bench` tells which of the two is faster there.

{speed}
"""


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    """What the calibration is fed, a few at once, with a bar."""

    def __init__(self, name: str, batches: Sequence[NDArray[np.float32]]) -> None:
        self._name, self._batches = name, batches
        self._rest = iter(batches)
        self._bar = tqdm(total=len(batches), desc="ranges")

    def __len__(self) -> int:
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._rest = iter(self._batches[start_index:end_index])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self._rest, None)
        if batch is None:
            return None
        self._bar.update()
        return {self._name: batch}


def _kept_in_float(model: onnx.ModelProto, first: frozenset[str]) -> list[str]:
    """The nodes named and all that follow them: the last numbers want their precision."""
    names: list[str] = []
    behind: set[str] = set()
    for node in model.graph.node:
        if node.name in first or behind & set(node.input):
            names.append(node.name)
            behind |= set(node.output)
    return names


def quantise(source: Path, out: Path, kind: Kind, batches: Sequence[NDArray[np.float32]]) -> None:
    """Write the INT8 file.

    Args:
        source: The FP32 file.
        out: Where the INT8 file goes.
        kind: What is particular about this model.
        batches: Inputs, (1, 3, height, width) each, as the device would feed them; what is over a
            multiple of ``AT_ONCE`` is left out.
    """
    batches = batches[: len(batches) // AT_ONCE * AT_ONCE]
    model = onnx.load(source)
    if model.opset_import[0].version < MIN_OPSET:
        model = onnx.version_converter.convert_version(model, MIN_OPSET)
    made = kind.in_bytes(model, batches)
    if made is not None:
        onnx.save(made, str(out))
        return
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        onnx.save(model, str(prepared))
        quant_pre_process(prepared, prepared)
        model = onnx.load(prepared)
        quantize_static(
            prepared,
            out,
            _Pictures(model.graph.input[0].name, batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_kept_in_float(model, kind.first_in_float(model)),
            calibrate_method=CalibrationMethod.Percentile
            if kind.percentile
            else CalibrationMethod.MinMax,
            extra_options={"CalibStridedMinMax": AT_ONCE},
        )


@click.command(help=__doc__)
@click.argument("model", type=click.Choice(sorted(KINDS)))
@click.option("--models", default=Path("models"), type=click.Path(path_type=Path, exists=True))
@click.option(
    "--data", default=Path("../shared/data"), type=click.Path(path_type=Path, exists=True)
)
@click.option("--stills", default=None, type=click.Path(path_type=Path, exists=True))
@click.option("--seed", default=1, show_default=True, help="That of the model's training.")
@click.option("--out", required=True, type=click.Path(path_type=Path))
def main(model: str, models: Path, data: Path, stills: Path | None, seed: int, out: Path) -> None:
    """Quantise, judge beside the FP32 file, and write the papers."""
    logging.getLogger().setLevel(logging.ERROR)  # its advice on shapes is taken already
    source = models / model
    kind = KINDS[model](data, stills, seed, source)
    out.mkdir(parents=True, exist_ok=True)
    batches = kind.batches("train", CALIBRATION_PICTURES)
    quantise(source / "model.onnx", out / "model.onnx", kind, batches)
    files = {"FP32": source / "model.onnx", "INT8": out / "model.onnx"}
    drawn = " --stills DIR" if stills else ""
    command = (
        f"python -m training.export.quantise {model} --seed {seed}{drawn} --out models/{out.name}"
    )
    card = CARD.format(
        name=out.name,
        source=model,
        version=version_of(source),
        command=command,
        sha=sha256_of(files["FP32"]),
        pictures=len(batches),
        method=" (the outermost 0.001 % left out)" if kind.percentile else "",
        figures=kind.figures(files),
        machine=processor(),
        runs=RUNS,
        speed=speed(files),
    )
    origin = f"{model} ({sha256_of(files['FP32'])}) as INT8; {command}"
    hand_on(source, out, origin)
    (out / "CARD.md").write_text(card.strip() + "\n", encoding="utf-8")
    click.echo(card)


if __name__ == "__main__":
    main()
