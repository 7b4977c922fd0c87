"""The street detector with a larger input: the same weights, for a device with time to spare.

``python -m training.export.enlarge --size 640 --out models/street-640``

Every layer of the network slides over the picture, so its weights do not know how large that is. A
larger input looks at larger windows with as many pixels for each thing, or at the same with
more. Both files are judged in one run on the pictures that were not trained on.
"""

from __future__ import annotations

import re
from pathlib import Path

import click
import onnx

from training.evaluate.compare import sections
from training.model_folder import hand_on, sha256_of, version_of

STRIDES = (8, 16, 32)
FIGURES = ("ap", "roc_auc")
CARD = """
# {name}

`{source}` {version} with an input of {size} × {size} pixels in place of {old} × {old}: the same
weights, nothing trained again. It takes larger windows at once and sees smaller things in a whole
picture, and costs about {times:.1f} times as much. What the card of `{source}` says of pictures, parts
and mistakes holds here as well.

- Made by `{command}` from `{source}` with SHA-256 `{sha}`.

{sections}
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
    command = f"python -m training.export.enlarge --size {size_px} --out models/{out.name}"
    old = int(re.findall(r"(?m)^width = (\d+)$", (source / "manifest.toml").read_text("utf-8"))[0])
    origin = f"{source.name} ({sha256_of(source / 'model.onnx')}) at {size_px} px; {command}"
    hand_on(source, out, origin, width=size_px, height=size_px)
    manifest = out / "manifest.toml"
    text = re.sub(r"(?m)^shape = \[1, \d+", f"shape = [1, {places}", manifest.read_text("utf-8"))
    manifest.write_text(text, encoding="utf-8")
    card = CARD.format(
        name=out.name,
        source=source.name,
        version=version_of(source),
        size=size_px,
        old=old,
        times=(size_px / old) ** 2,
        command=command,
        sha=sha256_of(source / "model.onnx"),
        sections=sections(data, {source.name: source, out.name: out}, FIGURES),
    )
    (out / "CARD.md").write_text(card.strip() + "\n", encoding="utf-8")
    click.echo(card)


if __name__ == "__main__":
    main()
