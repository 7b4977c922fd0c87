"""The street detector with a larger input: the same weights, for a device with time to spare.

``python -m training.enlarge --size 640 --out models/street-640``

Every layer of the network slides over the picture, so its weights do not know how large that is. A
larger input looks at larger windows with as many pixels for each thing, or at the same with
more. Both files are judged in one run on the pictures that were not trained on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import onnx

from training.cards import sha256_of, table
from training.evaluate.__main__ import judged
from training.evaluate.judging import opened
from training.evaluate.labels import KNOWN
from training.evaluate.sources import read_folder
from training.timing import RUNS, processor, speed

STRIDES = (8, 16, 32)
LEAST_TRUTHS = 10
CARD = """
# {name}

`{source}` {version} with an input of {size} × {size} pixels in place of {old} × {old}: the same
weights, nothing trained again. It takes larger windows at once and sees smaller things in a whole
picture, and costs about {times:.1f} times as much. What the card of `{source}` says of pictures, parts
and mistakes holds here as well.

- Made by `{command}` from `{source}` with SHA-256 `{sha}`.

## Held-out figures

Both in one run on pictures that were neither trained nor tuned on, whole, by `./evaluate`; in brackets
the 95 % interval of a bootstrap over groups.

{figures}

## Cost

One thread on {machine}, both files in turn, {runs} runs each; median (fastest to slowest). A figure
of that machine: `kerbwatch models bench` tells what it costs on the device.

{speed}
"""


def enlarged(source: Path, size_px: int, out: Path) -> int:
    """Write the network with another input size; returns how many places its output has.

    Args:
        source: The ONNX file.
        size_px: A multiple of 32.
        out: Where the file goes.
    """
    model = onnx.load(source)
    places = sum((size_px // stride) ** 2 for stride in STRIDES)
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_value = size_px
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = places
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.save(model, str(out))
    return places


def _figures(data: Path, models: Sequence[str]) -> str:
    """Average precision of boxes and whether a thing is there at all, by set and model."""
    streets, bins = opened(models)
    report, _ = judged(read_folder(data), streets, bins, KNOWN, everything=False)
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in report["results"]:
        figures = row["figures"]
        name = "ap" if "ap" in figures else "roc_auc"
        if name not in figures or figures.get("truths", LEAST_TRUTHS) < LEAST_TRUTHS:
            continue
        key = row["set"], f"{row['task']}, {'AP' if name == 'ap' else 'ROC AUC'}"
        cells.setdefault(key, {})[row["model"]] = _told(figures[name])
    names = [judge.manifest.name for judge in streets]
    rows = [[*key, *(mine.get(name, "–") for name in names)] for key, mine in cells.items()]
    return table(("set", "task", *names), rows)


def _told(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "–"
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


@click.command(help=__doc__)
@click.option("--size", "size_px", default=640, show_default=True)
@click.option(
    "--source", default=Path("models/street"), type=click.Path(path_type=Path, exists=True)
)
@click.option(
    "--data", default=Path("../shared/data"), type=click.Path(path_type=Path, exists=True)
)
@click.option("--out", required=True, type=click.Path(path_type=Path))
def main(size_px: int, source: Path, data: Path, out: Path) -> None:
    """Enlarge, judge beside the source, and write the papers."""
    if size_px % max(STRIDES):
        raise click.BadParameter(f"--size must be a multiple of {max(STRIDES)}")
    out.mkdir(parents=True, exist_ok=True)
    places = enlarged(source / "model.onnx", size_px, out / "model.onnx")
    command = f"python -m training.enlarge --size {size_px} --out models/{out.name}"
    text = (source / "manifest.toml").read_text(encoding="utf-8")
    old = int(re.findall(r"(?m)^width = (\d+)$", text)[0])
    origin = f"{source.name} ({sha256_of(source / 'model.onnx')}) at {size_px} px; {command}"
    for key, value in (
        ("name", json.dumps(out.name)),
        ("sha256", json.dumps(sha256_of(out / "model.onnx"))),
        ("provenance", json.dumps(origin)),
        ("width", str(size_px)),
        ("height", str(size_px)),
    ):
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
    text = re.sub(r"(?m)^shape = \[1, \d+", f"shape = [1, {places}", text, count=1)
    (out / "manifest.toml").write_text(text, encoding="utf-8")
    for paper in ("NOTICE", "groups.json"):
        (out / paper).write_text((source / paper).read_text(encoding="utf-8"), encoding="utf-8")
    version = re.findall(r'(?m)^version = "(.+)"$', text)[0]
    files = {source.name: source / "model.onnx", out.name: out / "model.onnx"}
    card = CARD.format(
        name=out.name,
        source=source.name,
        version=version,
        size=size_px,
        old=old,
        times=(size_px / old) ** 2,
        command=command,
        sha=sha256_of(source / "model.onnx"),
        figures=_figures(data, [str(source), str(out)]),
        machine=processor(),
        runs=RUNS,
        speed=speed(files),
    )
    (out / "CARD.md").write_text(card.strip() + "\n", encoding="utf-8")
    click.echo(card)


if __name__ == "__main__":
    main()
