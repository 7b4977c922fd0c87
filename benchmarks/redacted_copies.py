"""How many bytes the two pictures of a case that leave by default have, and whether they still show the thing.

    python -m benchmarks.redacted_copies

Real pictures with boxed things (``redaction_labels.own_things``) and frames of the drawn example clip, in 1280 × 720,
in which the detector is sure of a thing. The whole picture is the case's threshold picture; its close-up is cut around
the largest thing with half its size on each side, as the device does. *Today* is what the originals have at JPEG
quality 90. Legibility is judged by the detector: how many of the things it is sure of (0.3) in the redacted close-up
before the copy is encoded, and in the copy; and by the edges that are left in it (mean gradient of the brightness in
the thing's box, as a share of that before).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import cv2
import numpy as np
from tqdm import tqdm

from agent import inference
from agent.domain.scene import Box
from agent.evidence.redacted_copy import CLOSE_UP, WIDE, copy_of
from agent.evidence.redactor import Redactor
from benchmarks.machine import headline
from benchmarks.redaction_labels import context_alone, frames, own_things
from drivers import pictures
from drivers.cameras import Picture

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
CLIP = Path(__file__).parents[1] / "examples" / "street" / "clip.mp4"
CLIP_FRAMES = range(100, 1000, 75)
LABELS = {
    "bicycles": {"bicycle", "motorcycle"},
    "bins": {"bin"},
    "stalls": {"stall", "umbrella"},
    "drawn, 1280 × 720": {"bicycle", "bin", "stall"},
}
OF_A_SET, SURE, MARGIN, TODAY = 20, 0.3, 0.5, 90


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one case: bytes, and what is left of the thing."""

    today: int
    wide: int
    close_up: int
    found_before: bool
    found: bool
    edges: float


def cases(detector: inference.Detector) -> Iterator[tuple[str, Picture, tuple[Box, ...]]]:
    """Pictures with things that a case may be about."""
    for name, every in own_things(DATA).items():
        if name in LABELS:
            for path, boxes in every[:: max(1, len(every) // OF_A_SET)][:OF_A_SET]:
                own = tuple(box.grown(0) for box in boxes if box.area > 0.003)
                if own:
                    yield name, pictures.read(path, most_px=pictures.MAX_PHOTO_PX), own
    for _, bgr in frames(CLIP, set(CLIP_FRAMES)):
        name = "drawn, 1280 × 720"
        seen = detector.detect_faint(bgr)
        own = tuple(f.box for f in seen if f.label in LABELS[name] and f.confidence >= SURE)
        if own:
            yield name, bgr, own


def found_in(detector: inference.Detector, bgr: Picture, thing: Box, name: str) -> bool:
    """Whether the detector is sure of the thing."""
    return any(
        each.label in LABELS[name] and each.confidence >= SURE and each.box.iou(thing) > 0.4
        for each in detector.detect_faint(bgr)
    )


def edges_in(bgr: Picture, thing: Box) -> float:
    """The mean gradient of the brightness in a box."""
    part = thing.cut_pixels(bgr.shape[1], bgr.shape[0]).cut(bgr)
    grey = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_BGR2GRAY).astype(np.float32)
    return float(
        np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)).mean()
    )


def sizes_of(
    detector: inference.Detector, redactor: Redactor, name: str, bgr: Picture, own: tuple[Box, ...]
) -> Sizes:
    """Redact, cut and encode as the device does."""
    height, width = bgr.shape[:2]
    done = redactor.redact(bgr, replace(context_alone(bgr), own=own)).bgr
    thing = max(own, key=lambda box: box.area)
    cut = thing.grown(MARGIN).cut_pixels(width, height)
    shown = np.ascontiguousarray(cut.cut(done))
    across, down = cut.right - cut.left, cut.bottom - cut.top
    within = Box(
        (thing.left * width - cut.left) / across,
        (thing.top * height - cut.top) / down,
        (thing.right * width - cut.left) / across,
        (thing.bottom * height - cut.top) / down,
    )
    copy = copy_of(shown, CLOSE_UP)
    seen = np.asarray(cv2.imdecode(np.frombuffer(copy.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    before = np.asarray(
        cv2.resize(shown, seen.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8
    )
    today = [
        cv2.imencode(".jpg", each, [cv2.IMWRITE_JPEG_QUALITY, TODAY])[1]
        for each in (bgr, cut.cut(bgr))
    ]
    return Sizes(
        sum(map(len, today)),
        len(copy_of(done, WIDE).jpeg),
        len(copy.jpeg),
        found_in(detector, shown, within, name),
        found_in(detector, seen, within, name),
        edges_in(seen, within) / max(1e-3, edges_in(before, within)),
    )


@click.command()
def main() -> None:
    """Encode redacted pictures and say how large they are and what they show."""
    if not DATA.exists():
        raise click.ClickException("the real pictures are not part of the project (../shared/data)")
    click.echo(headline())
    cv2.setNumThreads(1)
    detector = inference.open_detector("street", 1)
    redactor = Redactor(inference.open_detector("street", 1))
    found: defaultdict[str, list[Sizes]] = defaultdict(list)
    for name, bgr, own in tqdm(cases(detector), disable=None):
        found[name].append(sizes_of(detector, redactor, name, bgr, own))
    for name, every in found.items():
        both = np.array([each.wide + each.close_up for each in every]) / 1000
        today = np.array([each.today for each in every]) / 1000
        click.echo(
            f"{name:20}{len(every):3} cases: today {today.mean():4.0f} kB, copies {both.mean():4.0f} kB on average,"
            f" {np.percentile(both, 95):.0f} kB in 95 of 100, {both.max():.0f} kB at most;"
            f" the thing is found in {sum(each.found for each in every)}"
            f" (before encoding {sum(each.found_before for each in every)}),"
            f" edges {np.mean([each.edges for each in every]):.0%}"
        )


if __name__ == "__main__":
    main()
