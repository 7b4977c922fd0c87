"""How often a head or a plate is left in a picture that may leave, and what that costs of the case.

    python -m benchmarks.redaction [--sheet FOLDER] [--drawn FOLDER]

Heads and plates that were labelled by eye (``redaction_labels.py``); the redaction is the device's, by the shipped
detector ``street``. A head or a plate is left if less than 80 % of its box was hidden. A picture that stands alone is
judged as that: nothing is known of the seconds before, the worst case. Frames of clips are judged so, too, and again
with what the device would have known. Only heads at least 10 px high and plates at least 24 px wide count, by the
pictures' own pixels. What the rule before decision 0066 left of the same is told beside it.

What of the case's own things is hidden is told by other pictures, in which bicycles, stalls, bins and bags are boxed;
all boxed ones of a picture are the case's. Heads in front of them are hidden rightly and count as well.

``--drawn``: a folder of stills of ``training.street`` with exact people. ``--sheet``: what was left is drawn there.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from agent import inference
from agent.evidence.picture_context import PictureContext
from agent.evidence.redactor import Redactor
from agent.perception.many_looks import looks
from agent.perception.redaction import sensitive_regions
from benchmarks.intervals import wilson
from benchmarks.machine import headline
from benchmarks.redaction_labels import (
    Labelled,
    context_alone,
    context_in_clip,
    labelled,
    own_things,
    shown,
    stalls,
)
from drivers import pictures
from drivers.cameras import Picture
from training.datasets import readers

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
COVERED = 0.8
HEAD_PX, PLATE_PX = 10, 24
SIZES = ((10, 16), (16, 24), (24, 48), (48, 10_000))
DRAWN_HEAD = (0.25, 0.0, 0.75, 0.14)
"""Of a drawn person's box, who stands: the head."""
DRAWN_PERSON_PX, DRAWN_VISIBLE = 75, 0.9
PLATE_PLACE = (0.35, 0.5, 0.65, 0.8)
"""Of a vehicle's box."""
LEAST_VEHICLE_PX = {"car": 100, "bus": 140, "motorcycle": 60}
"""Width from which a plate may be 24 px wide."""
SEEDS = 4
OF_A_SET = 40
LEAST_OWN = 0.003
"""Of a picture: a smaller thing is no case's."""
TILE_PX, TILES_A_ROW = 160, 8
Mask = NDArray[np.bool_]
Edges = Sequence[float]


@dataclass
class Count:
    """How many there were and how many were left, by what is told of them."""

    there: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)

    def add(self, left: bool, *kinds: str) -> None:
        for kind in kinds:
            self.there[kind] += 1
            self.left[kind] += left

    def lines(self, title: str) -> Iterator[str]:
        for kind, there in self.there.items():
            low, high = wilson(self.left[kind], there)
            share = f"{self.left[kind] / there:.1%} ({low:.1%}–{high:.1%})"
            yield f"{title:22}{kind:34}{self.left[kind]:4} of {there:4} left  {share}"


def hidden_share(changed: Mask, edges: Edges) -> float:
    """Which share of a box was hidden."""
    left, top, right, bottom = (round(each) for each in edges)
    part = changed[max(0, top) : bottom, max(0, left) : right]
    return float(part.mean()) if part.size else 1.0


class Bench:
    """The networks, and what was found."""

    def __init__(self, sheet: Path | None) -> None:
        self.detector = inference.open_detector("street", 1)
        self.redactor = Redactor(inference.open_detector("street", 1))
        self.sheet, self.left_ones = sheet, []
        self.seconds: list[float] = []
        self.share: defaultdict[str, list[float]] = defaultdict(list)

    sheet: Path | None
    left_ones: list[tuple[str, Picture]]

    def redacted(self, bgr: Picture, context: PictureContext, kind: str) -> Mask:
        begun = time.process_time()
        done = self.redactor.redact(bgr, context)
        self.seconds.append(time.process_time() - begun)
        self.share[kind].append(done.share_of_picture)
        return done.hidden

    def former(self, bgr: Picture) -> Mask:
        """What the former rule hid: one look, and boxes down to a score of 0.05."""
        height, width = bgr.shape[:2]
        changed = np.zeros((height, width), np.bool_)
        for box in sensitive_regions(self.detector.detect_faint(bgr), width / height):
            box.pixels(width, height).cut(changed)[:] = True
        return changed

    def judge(self, item: Labelled, bgr: Picture, changed: Mask, count: Count, way: str) -> None:
        """Count the heads and plates of one picture."""
        source = item.name.split("/")[0] if item.frame is None else item.path.stem
        for edges in item.heads:
            tall = edges[3] - edges[1]
            if tall < HEAD_PX:
                continue
            low, high = next(size for size in SIZES if tall < size[1])
            size = f"head {low} to {high} px" if high < SIZES[-1][1] else f"head over {low} px"
            left = hidden_share(changed, edges) < COVERED
            count.add(left, "heads", f"heads, {item.light}", size, f"heads, {source}")
            if left and way != "former":
                self.left_ones.append((f"{way} {item.name}", _around(bgr, edges)))
        for edges in item.plates:
            if edges[2] - edges[0] >= PLATE_PX:
                left = hidden_share(changed, edges) < COVERED
                count.add(left, "plates")
                if left and way != "former":
                    self.left_ones.append((f"{way} {item.name}", _around(bgr, edges)))

    def write_sheet(self) -> None:
        """What was left, in tiles."""
        if self.sheet is None or not self.left_ones:
            return
        self.sheet.mkdir(parents=True, exist_ok=True)
        tiles = []
        for name, part in self.left_ones:
            scale = TILE_PX / max(part.shape[:2])
            tile = np.zeros((TILE_PX + 14, TILE_PX, 3), np.uint8)
            small = cv2.resize(part, None, fx=scale, fy=scale)[:TILE_PX, :TILE_PX]
            tile[: small.shape[0], : small.shape[1]] = small
            cv2.putText(tile, name[-26:], (0, TILE_PX + 10), 0, 0.3, (255, 255, 255), 1)
            tiles.append(tile)
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % TILES_A_ROW)
        rows = [np.hstack(tiles[at : at + TILES_A_ROW]) for at in range(0, len(tiles), TILES_A_ROW)]
        cv2.imwrite(str(self.sheet / "left.png"), np.vstack(rows))


def _around(bgr: Picture, edges: Edges) -> Picture:
    """A label with its surroundings, framed."""
    left, top, right, bottom = (round(each) for each in edges)
    far = max(right - left, bottom - top)
    copy = bgr.copy()
    cv2.rectangle(copy, (left, top), (right, bottom), (0, 0, 255), 1)
    return copy[max(0, top - far) : bottom + far, max(0, left - far) : right + far]


def judge_labels(bench: Bench, part: str) -> None:
    """Print what was left of the labelled heads and plates of one part."""
    alone, former, known, case = Count(), Count(), Count(), Count()
    own = stalls(DATA)
    for item in tqdm([each for each in labelled(DATA) if each.part == part], disable=None):
        bgr = shown(item)
        kind = "pictures with heads" if item.heads else "pictures with plates"
        changed = bench.redacted(bgr, context_alone(bgr), kind)
        bench.judge(item, bgr, changed, alone, "alone")
        bench.judge(item, bgr, bench.former(bgr), former, "former")
        if item.path in own:
            context = replace(context_alone(bgr), own=own[item.path])
            changed = bench.redacted(bgr, context, "pictures of a stall's case")
            bench.judge(item, bgr, changed, case, "case")
        if item.frame is not None:
            context = context_in_clip(item, bench.detector.detect_faint, bgr)
            changed = bench.redacted(bgr, context, "frames of clips, by what was known")
            bench.judge(item, bgr, changed, known, "known")
    ways = (
        ("alone", alone),
        ("by what was known", known),
        ("a stall's own case", case),
        ("the rule before", former),
    )
    for title, count in ways:
        click.echo("\n".join(count.lines(title)))


def judge_plate_places(bench: Bench) -> None:
    """Print how often the place where a boxed vehicle's plate may hang was left: no plate is seen there."""
    count = Count()
    for item in tqdm(readers.real_street_sets(DATA)["street_india_moto"], disable=None):
        bgr = pictures.read(item.path, most_px=pictures.MAX_PHOTO_PX)
        changed = bench.redacted(bgr, context_alone(bgr), "pictures with vehicles")
        for label, (left, top, right, bottom) in zip(item.labels, item.boxes, strict=True):
            width, height = right - left, bottom - top
            if width < LEAST_VEHICLE_PX[label]:
                continue
            place = [
                left + PLATE_PLACE[0] * width,
                top + PLATE_PLACE[1] * height,
                left + PLATE_PLACE[2] * width,
                top + PLATE_PLACE[3] * height,
            ]
            count.add(hidden_share(changed, place) < COVERED, f"places of plates, {label}")
    click.echo("\n".join(count.lines("alone")))


def judge_own(bench: Bench) -> None:
    """Print what of the case's own things was hidden."""
    for name, every in own_things(DATA).items():
        mine = []
        for path, boxes in every:
            own = tuple(box.grown(0) for box in boxes if box.area > LEAST_OWN)
            if own:
                mine.append((path, own))
        picked = np.random.default_rng(SEEDS).permutation(len(mine))[:OF_A_SET]
        shares = []
        for path, own in tqdm([mine[at] for at in picked], disable=None, leave=False):
            bgr = pictures.read(path, most_px=pictures.MAX_PHOTO_PX)
            done = bench.redactor.redact(bgr, replace(context_alone(bgr), own=own))
            shares.append(done.share_of_case)
        click.echo(
            f"of the case's own {name:20} {np.mean(shares):6.1%} hidden on average of {len(shares)} pictures,"
            f" {np.median(shares):.1%} in the middle one, more than a tenth in {np.mean(np.array(shares) > 0.1):.0%}"
        )


def judge_drawn(bench: Bench, folder: Path, count: Count) -> None:
    """Count what was left of exact people in drawn streets: those who stand unhidden."""
    told = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    names = {each["id"]: each["name"] for each in told["categories"]}
    people: defaultdict[int, list[Edges]] = defaultdict(list)
    for each in told["annotations"]:
        left, top, width, height = each["bbox"]
        whole = height >= DRAWN_PERSON_PX and each["visible_share"] >= DRAWN_VISIBLE
        if names[each["category_id"]] == "person" and whole and height > 2 * width:
            edges = [
                left + DRAWN_HEAD[0] * width,
                top + DRAWN_HEAD[1] * height,
                left + DRAWN_HEAD[2] * width,
                top + DRAWN_HEAD[3] * height,
            ]
            people[each["image_id"]].append(edges)
    for image in tqdm(told["images"], disable=None):
        bgr = pictures.read(folder / image["file_name"])
        changed = bench.redacted(bgr, context_alone(bgr), "drawn pictures")
        for edges in people[image["id"]]:
            left = hidden_share(changed, edges) < COVERED
            count.add(left, "heads")
            if left:
                bench.left_ones.append((f"drawn {image['file_name']}", _around(bgr, edges)))


@click.command()
@click.option("--part", type=click.Choice(["report", "tune"]), default="report")
@click.option("--sheet", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--drawn", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
def main(part: str, sheet: Path | None, drawn: tuple[Path, ...]) -> None:
    """Redact labelled pictures and say what was left."""
    if not DATA.exists():
        raise click.ClickException("the real pictures are not part of the project (../shared/data)")
    click.echo(headline())
    cv2.setNumThreads(1)
    bench = Bench(sheet)
    judge_labels(bench, part)
    if part == "report":
        judge_plate_places(bench)
        judge_own(bench)
    if drawn:
        count = Count()
        for folder in drawn:
            judge_drawn(bench, folder, count)
        click.echo("\n".join(count.lines("drawn")))
    for kind, shares in bench.share.items():
        click.echo(f"{kind}: {np.mean(shares):.0%} hidden on average of {len(shares)}")
    click.echo(
        f"one picture took {np.median(bench.seconds):.2f} s of CPU in the middle, {max(bench.seconds):.2f} s at most;"
        f" 1280 × 720 takes {2 * len(looks(1280, 720, max(bench.detector.input_size_px)))} runs by day, twice that in the dark"
    )
    bench.write_sheet()


if __name__ == "__main__":
    main()
