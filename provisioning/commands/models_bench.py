"""``kerbwatch models bench``: what a model costs on this machine, to choose one on the device.

Crops of real size are prepared, run and decoded; what is beside ``session.run`` is shown as a share
of it. The figures hold for this machine, as it was while they were taken, and for no other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np
from tqdm import tqdm

from agent import inference
from agent.config.schema import AnalysisSection
from agent.domain.labels import BIN_STATES
from agent.inference.preprocess import Preparation
from drivers import pictures
from drivers.power import read_power
from drivers.temperature import processor_c
from provisioning.demo.street import STREET
from provisioning.wording import say
from provisioning.wording.width import padded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cv2.typing import MatLike

    from drivers.cameras import Picture

WARM_UP_RUNS = 3
MIN_RUNS = 5
PICTURES = 16
CROP_PX = (420, 520)
"""Height and width of what the agent usually shows to a network."""
RUNS_PER_S: float = AnalysisSection.model_fields["runs_per_s"].default
DETECTOR, BIN_STATE = "detector", "bin_state"
CORE_SHARE = 0.6
"""Of one core, for the networks; the rest is for cameras, tracking, evidence and delivery."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one model costs with a number of threads.

    Times are of one run, in milliseconds: the median, the fastest and the slowest.
    ``beside_share`` is what preparing and decoding cost, as a share of ``session.run``;
    ``cpu_ms`` is processor time over all threads, both included. ``installed`` is false for a network
    that was put into whole numbers only to see what that would cost: nobody has judged it.
    """

    model: str
    precision: str
    installed: bool
    threads: int
    runs: int
    median_ms: float
    fastest_ms: float
    slowest_ms: float
    cpu_ms: float
    beside_share: float


@dataclass(frozen=True, slots=True)
class Advice:
    """Which of the models for one task this machine can carry.

    Attributes:
        model: The costliest that leaves enough of a core; the cheapest where none does.
        core_share: What it takes of one core at the usual number of runs.
        fits: Whether that leaves enough.
        runs_per_s: So many runs a second it may do.
    """

    model: str
    core_share: float
    fits: bool
    runs_per_s: float


def bench(names: Sequence[str], *, seconds: float, pictures: Path | None, as_json: bool) -> None:
    """Measure the models named, or all of them, and print a table.

    Args:
        names: Models by their folders' names; none means all.
        seconds: How long each row may take.
        pictures: A folder of pictures to take crops from; None: the example street, and crops of
            noise where it is not installed.
        as_json: Print one JSON document in place of the table.

    Raises:
        ModelError: A model cannot be used.
    """
    chosen = list(names) or list(inference.list_models())
    threads = [count for count in (1, 2, 4) if count <= (os.cpu_count() or 1)]
    crops = _crops(pictures)
    rows: list[Row] = []
    notes: list[str] = []
    slowed = _slowed_down()
    with tempfile.TemporaryDirectory() as scratch:
        work = [
            (name, count, small)
            for name in chosen
            for count in threads
            for small in ((False,) if _is_int8(inference.find_model(name)) else (False, True))
        ]
        for name, count, small in tqdm(work, desc=say("bench"), disable=as_json, leave=False):
            folder = inference.find_model(name)
            if small:
                quantised = _quantised(folder, Path(scratch), crops)
                if isinstance(quantised, str):
                    if count == threads[0]:
                        notes.append(f"{name}: {quantised}")
                    continue
                folder = quantised
            rows.append(_measured(folder, name, count, crops, seconds, installed=not small))
            slowed = slowed or _slowed_down()
    if slowed:
        notes.append(
            say("The processor was throttled by heat or low voltage: measure again when cool.")
        )
    advice = advice_for(rows)
    if as_json:
        _print_json(rows, notes, advice)
        return
    _print(rows)
    for told in (*_told(advice), *notes):
        click.echo(told)


def advice_for(rows: Sequence[Row]) -> dict[str, Advice]:
    """For each task with models, the one to take, by what a run costs on one thread.

    Of networks for the same task the larger one sees more; that is measured in their cards, and here
    it is taken for granted. The verifier is asked a few times a minute and fits anywhere.
    """
    found: dict[str, Advice] = {}
    for task in (DETECTOR, BIN_STATE):
        costs = {
            row.model: row.cpu_ms
            for row in rows
            if row.installed and row.threads == 1 and _task(row.model) == task
        }
        fitting = {
            name: cost for name, cost in costs.items() if cost * RUNS_PER_S <= 1e3 * CORE_SHARE
        }
        if costs:
            best = (
                max(fitting, key=fitting.__getitem__)
                if fitting
                else min(costs, key=costs.__getitem__)
            )
            found[task] = Advice(
                model=best,
                core_share=round(costs[best] * RUNS_PER_S / 1e3, 3),
                fits=bool(fitting),
                runs_per_s=round(1e3 * CORE_SHARE / costs[best], 1),
            )
    return found


def _task(name: str) -> str:
    """Detector, bin state, or nothing that is chosen by its cost."""
    manifest = inference.load_manifest(inference.find_model(name))
    if inference.load_family(manifest.family).GIVES == "detections":
        return DETECTOR
    return BIN_STATE if set(manifest.labels) & set(BIN_STATES) else ""


def _told(advice: Mapping[str, Advice]) -> Iterator[str]:
    for task, each in advice.items():
        if each.fits:
            yield say(
                '[models] {key} = "{model}": the largest installed one that fits, {share:.0%} of one '
                "core at {runs:g} runs a second.",
                key=task,
                model=each.model,
                share=each.core_share,
                runs=RUNS_PER_S,
            )
        else:
            yield say(
                '[models] {key} = "{model}": the quickest installed one, yet {share:.0%} of one core '
                "at {runs:g} runs a second. Set analysis.runs_per_s to {most:g} or less.",
                key=task,
                model=each.model,
                share=each.core_share,
                runs=RUNS_PER_S,
                most=each.runs_per_s,
            )


def _crops(folder: Path | None) -> list[Picture]:
    """Pictures to run on. Their content hardly changes the time; their size does."""
    height, width = CROP_PX
    if folder is not None:
        read = (_read(path) for path in sorted(folder.iterdir()))
        found = [each[:height, :width] for each in read if each is not None][:PICTURES]
        if not found:
            raise click.ClickException(say("There is no picture in {path}.", path=folder))
    elif (STREET / "clip.mp4").is_file():
        clip = cv2.VideoCapture(str(STREET / "clip.mp4"))
        found = [clip.read()[1][-height:, :width] for _ in range(PICTURES)]
    else:
        random = np.random.default_rng(1)
        found = [random.integers(0, 255, (height, width, 3), np.uint8) for _ in range(PICTURES)]
    return [np.ascontiguousarray(each, np.uint8) for each in found]


def _read(path: Path) -> MatLike | None:
    try:
        return pictures.read(path, most_px=pictures.MAX_PHOTO_PX)
    except pictures.PictureError:
        return None


def _slowed_down() -> bool:
    power = read_power()
    return power is not None and power.throttled


def _is_int8(folder: Path) -> bool:
    """Whether a model is in whole numbers already: a network names its operators in plain text."""
    return b"DequantizeLinear" in inference.read_model(folder).network


def _measured(
    folder: Path,
    name: str,
    threads: int,
    crops: Sequence[Picture],
    limit_s: float,
    *,
    installed: bool,
) -> Row:
    stored = inference.read_model(folder)
    gives = inference.load_family(stored.manifest.family).GIVES
    model: inference.Detector | inference.Classifier
    look: Callable[[Picture], object]
    if gives == "detections":
        model = inference.Detector(stored, threads)
        look = model.detect
    else:
        model = inference.Classifier(stored, threads)
        look = model.probabilities
    for index in range(WARM_UP_RUNS):
        look(crops[index % len(crops)])
    model.session.seconds = 0.0
    whole: list[float] = []
    inside: list[float] = []
    began_s, cpu_s = time.perf_counter(), time.process_time()
    while len(whole) < MIN_RUNS or time.perf_counter() - began_s < limit_s:
        before_s, session_s = time.perf_counter(), model.session.seconds
        look(crops[len(whole) % len(crops)])
        whole.append(time.perf_counter() - before_s)
        inside.append(model.session.seconds - session_s)
    used_s = time.process_time() - cpu_s
    return Row(
        model=name,
        precision="INT8" if _is_int8(folder) else "FP32",
        installed=installed,
        threads=threads,
        runs=len(whole),
        median_ms=round(1e3 * statistics.median(inside), 2),
        fastest_ms=round(1e3 * min(inside), 2),
        slowest_ms=round(1e3 * max(inside), 2),
        cpu_ms=round(1e3 * used_s / len(whole), 2),
        beside_share=round((sum(whole) - sum(inside)) / sum(inside), 3),
    )


def _quantised(folder: Path, scratch: Path, crops: Sequence[Picture]) -> Path | str:
    """The model with 8-bit weights and activations, or why there is none."""
    target = scratch / folder.name
    if (target / "manifest.toml").is_file():
        return target
    try:
        from onnxruntime.quantization import (  # noqa: PLC0415 - not on every device
            CalibrationDataReader,
            QuantFormat,
            QuantType,
            quantize_static,
        )
    except ImportError:
        return say("no INT8 row: the package onnx is not installed (kerbwatch[dev])")
    manifest = inference.load_manifest(folder)
    if manifest.weights:
        return say("no INT8 row: its weights lie in files of their own")
    preparation = Preparation(manifest.input)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(crops)

        def get_next(self) -> dict[str, object] | None:
            crop = next(self._left, None)
            if crop is None:
                return None
            preparation.take(crop)
            return {manifest.input.name: preparation.tensor.copy()}

    target.mkdir(parents=True, exist_ok=True)
    logging.disable(logging.WARNING)  # it advises what does not apply here
    try:
        quantize_static(
            str(folder / manifest.file),
            str(target / manifest.file),
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(logging.NOTSET)
    text = (folder / "manifest.toml").read_text(encoding="utf-8")
    digest = _sha256(target / manifest.file)
    (target / "manifest.toml").write_text(text.replace(manifest.sha256, digest), encoding="utf-8")
    return target


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _machine() -> str:
    return f"{os.cpu_count()} × {platform.machine()}, Python {platform.python_version()}"


def _print_json(rows: Sequence[Row], notes: Sequence[str], advice: Mapping[str, Advice]) -> None:
    document = {
        "machine": _machine(),
        "temperature_c": processor_c(),
        "rows": [dataclasses.asdict(row) for row in rows],
        "advice": {task: dataclasses.asdict(each) for task, each in advice.items()},
        "notes": list(notes),
    }
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _print(rows: Sequence[Row]) -> None:
    click.echo(say("{machine}; milliseconds per model run", machine=_machine()))
    heads = (
        say("model"),
        say("precision"),
        say("threads"),
        say("median"),
        say("fastest"),
        say("slowest"),
        say("CPU"),
        say("outside"),
    )
    click.echo("  ".join(padded(head, 10) for head in heads))
    for row in rows:
        cells = (
            row.model,
            row.precision,
            str(row.threads),
            f"{row.median_ms:.2f}",
            f"{row.fastest_ms:.2f}",
            f"{row.slowest_ms:.2f}",
            f"{row.cpu_ms:.2f}",
            f"{100 * row.beside_share:.0f} %",
        )
        click.echo("  ".join(padded(cell, 10) for cell in cells))
