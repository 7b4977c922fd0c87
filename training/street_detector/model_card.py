"""The street detector's papers, from its measured figures."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.card_head import Head, share_of
from training.datasets.clips import frames, frames_per_s
from training.datasets.licences import notice
from training.datasets.splits import SHARES
from training.evaluate.latency import latency_ms
from training.evaluate.metrics import iou_matrix
from training.model_folder import InputSpec, Manifest, ModelClass, table, write_papers
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.elsewhere import (
    WALKERS,
    at_night,
    false_streets,
    from_above,
    recall,
)
from training.street_detector.judge import (
    MEDIUM_PX,
    SMALL_PX,
    Judged,
    StreetFile,
    false_picture_share,
    figure,
)
from training.street_detector.mixture import IN_NO_UNBOXED_SET
from training.street_detector.pictures import (
    SIZE_PX,
    Example,
    Scene,
    device_windows,
    take_window,
)
from training.street_detector.teachers import NanoDetPlus

VERSION = "0.7.0"
NEW_CLASSES = ("stall", "bin", "rubbish")
CLIP = "dev_pedestrians_vtest.mp4"
CLIP_WINDOW_PX = 440
START = "YOLOX-nano, COCO"
TEACHERS = ("NanoDet-Plus-m-1.5x, COCO", "person-vehicle-bike-detection-2002")
Runs = Mapping[str, Mapping[str, Judged]]


@dataclass(frozen=True, slots=True)
class Run:
    """How the file came to be; ``begun`` names the street model that it goes on from, if any."""

    seed: int
    epochs: int
    pictures_seen: int
    minutes: float
    thresholds: Mapping[str, float]
    counts: Mapping[str, Mapping[str, int]]
    begun: str = ""
    name: str = "street"

    @property
    def command(self) -> str:
        """The command that makes the model again."""
        begin = " --begin EARLIER" if self.begun else ""
        return f"python -m training make {self.name} --seed {self.seed}{begin}"


def sets_of(parts: Iterable[str]) -> list[str]:
    """The sets that taught it, by the names of their folders; of the parts that they were dealt into."""
    return [name.split(" (")[0] for name in parts]


def title_of(folder: Path) -> str:
    """A model's name, version and hash."""
    told = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
    return f"{told['name']} {told['version']} (SHA-256 {told['sha256'][:16]}…)"


@dataclass(frozen=True, slots=True)
class ClipFigures:
    """People in a clip: how the trained file compares with the start on the same windows."""

    windows: int
    people_of_start: int
    found_again: float
    people_of_trained: int
    false_share: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a card tells of a finished detector.

    Attributes:
        judged: The held-out parts, by start and trained file.
        clip: People in a clip.
        head: What comes first.
        elsewhere: Rows of :func:`elsewhere_rows`.
    """

    judged: Runs
    clip: ClipFigures
    head: Head
    elsewhere: Sequence[Sequence[str]]


def _windows_of_clip(path: Path, every_s: float = 2.0) -> list[Example]:
    examples: list[Example] = []
    for picture in frames(path, max(1, round(frames_per_s(path) * every_s))):
        scene = Scene(picture, (), np.zeros((0, 4), np.float32), frozenset())
        height, width = picture.shape[:2]
        windows = device_windows(width, height, CLIP_WINDOW_PX)
        examples += [take_window(scene, window) for window in windows]
    return examples


def people_in_clip(
    files: Mapping[str, StreetFile], data: Path, thresholds: Mapping[str, float]
) -> ClipFigures:
    """Compare people found by start (0.35) and trained file (its threshold) in a dev clip."""
    examples = _windows_of_clip(data / "videos" / CLIP)
    person = STREET_CLASSES.index("person")
    theirs = again = ours = 0
    false = dict.fromkeys(NEW_CLASSES, 0)
    for example in examples:
        start = files["start"].find(example.picture)
        trained = files["trained"].find(example.picture)
        sure = start.boxes[(start.classes == person) & (start.scores >= 0.35)]
        said = (trained.classes == person) & (trained.scores >= thresholds["person"])
        theirs, ours = theirs + len(sure), ours + int(said.sum())
        again += int((iou_matrix(sure, trained.boxes[said]).max(axis=1, initial=0) >= 0.5).sum())
        for name in NEW_CLASSES:
            index = STREET_CLASSES.index(name)
            scores = trained.scores[trained.classes == index]
            false[name] += int(bool((scores >= thresholds[name]).any()))
    return ClipFigures(
        len(examples),
        theirs,
        again / max(1, theirs),
        ours,
        {name: count / max(1, len(examples)) for name, count in false.items()},
    )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def held_out_rows(judged: Runs, thresholds: Mapping[str, float]) -> list[list[str]]:
    """One row for each class and part that has truths."""
    rows = []
    for part, trained in judged["trained"].items():
        for name in STREET_CLASSES:
            ours = figure(trained, name, thresholds[name])
            if ours.truths == 0:
                continue
            start = figure(judged["start"][part], name, 0.35)
            rows.append(
                [
                    part,
                    name,
                    f"{ours.pictures} / {ours.truths}",
                    f"{_number(start.ap50)} → {_number(ours.ap50)}",
                    f"{_number(start.ap)} → {_number(ours.ap)}",
                    f"{_number(start.recall)} / {_number(start.precision)}",
                    f"{_number(ours.recall)} / {_number(ours.precision)}",
                ]
            )
    return rows


def size_rows(judged: Runs, parts: Sequence[str], threshold: float) -> list[list[str]]:
    """People by size on real and drawn pictures."""
    sizes = {
        f"under {SMALL_PX:.0f} px": (0.0, SMALL_PX),
        f"{SMALL_PX:.0f} to {MEDIUM_PX:.0f} px": (SMALL_PX, MEDIUM_PX),
        f"over {MEDIUM_PX:.0f} px": (MEDIUM_PX, 1e9),
    }
    rows = []
    for part in parts:
        for title, size in sizes.items():
            if part not in judged["trained"]:
                continue
            start = figure(judged["start"][part], "person", 0.35, size)
            ours = figure(judged["trained"][part], "person", threshold, size)
            if ours.truths:
                cells = [_number(v) for v in (start.ap50, ours.ap50, start.recall, ours.recall)]
                rows.append([part, title, str(ours.truths), *cells])
    return rows


HELD_OUT = """
{figures}

People by size (root of the box's area at 416 px):

{sizes}

False pictures (at least one detection at the threshold where the set holds none of the class, or
none was put there; a bin or a bag may stand unlabelled on a real street):

{false}

## Cameras and streets that only judge

{elsewhere}

llvip_night: pictures of a raised camera by night; walker_1.mp4: a clip from a raised camera by day, a
frame a second. Nobody boxed them: the people are those of 60 px or more that two larger networks agree
on, or that one of them is sure of. streets_us_gsv: ordinary streets, none with a stall.

The clip {clip} (a high camera over a campus road; in no part of training), one frame each 2 s,
{windows} windows: the start finds {theirs} people at 0.35, the trained file {ours} at {person:.2f};
{again:.1%} of the start's people are found again. Windows with a false stall {stall:.1%}, bin
{bin:.1%}, rubbish {rubbish:.1%}; a yellow cloth lies on the grass there, and calling it rubbish is
counted as false here.
"""
"""What every detector's card tells of what was held out and of what only judges."""
COUNTED = ("set", "train", "tune", "held out")
FIGURES = (
    "part",
    "class",
    "pictures / truths",
    "AP50 start → trained",
    "AP start → trained",
    "start's recall / precision",
    "trained recall / precision",
)
SIZES = ("part", "size", "people", "AP50 start", "AP50", "recall start", "recall")

CARD = """
# Street detector, {version}

Finds people, two-wheelers, vehicles, umbrellas, stalls, bins and rubbish in a window of a street
picture.

{head}

## The network

- Input: a window of about 416 to 640 native pixels around a zone, letterboxed to 416 × 416
  (top left, grey 114), BGR, 0 to 255. Output (1, 3549, 15): undecoded boxes (strides 8, 16, 32),
  objectness, ten class scores, the last two kinds already sigmoids.
- YOLOX-nano, fine-tuned from COCO; {mega:.1f} MB, one picture {latency:.1f} ms
  on one thread of the machine it was trained on (x86-64, not a Raspberry Pi).
- {epochs} epochs, {seen} pictures seen, {minutes:.0f} minutes beside other work on two CPU cores,
  seed {seed}.{begun} The first {kept} weights and biases (up to an eighth of the picture's size)
  stayed as they were there.

## Pictures

{counts}

Groups of pictures that look like one place (centred frozen ImageNet features with a cosine of 0.5
or more; for drawn streets the scene, for real stalls the source) never straddle parts; `groups.json`
lists every picture. `train` made the weights, `tune` chose the thresholds (a stall's is the lowest at
which no more than one picture in twenty without a stall is false; a person's weighs recall twice as
much as precision; neither is lower than replayed clips allow), `held_out` made the tables. "composed" are real streets with bins, bags
and drawn stalls laid on them, from the same part each.

In training, real stalls are cut out with a rim of their ground and laid on other streets in other
light; so are pieces of streets without a stall, so that the seam tells nothing. Shop goods on the
pavement and what nobody can judge are neither stall nor none. What a set does not label is not taken
for absent: NanoDet-Plus-m-1.5x says where COCO's classes are (by its score a box counts more or less),
Open Model Zoo's person-vehicle-bike-detection-2002 adds people, and where the model that this one goes
on from sees a bin or rubbish, nothing is learned. The bicycles of bikes_street_calgary were boxed by us
(`training/labels`).

## Held-out figures

Start is the untouched COCO network in the same run, with the same input; it has no stall, bin or
rubbish. AP50 is at an IoU of 0.5, AP over 0.50 to 0.95. Recall and precision at 0.35 for the start
and at the manifest's threshold for the trained file. coco_mini is from COCO's *training* pictures,
which the start has seen and learned: it is favoured there.

{held_out}

## What is proven only on drawn pictures

- **bin** as a box: drawn streets, and real bins laid on real streets by their rectangle. No real
  picture with boxed bins was in reach.
- umbrella over a stall, parked two-wheelers seen from a pole: drawn streets mostly.

## Known mistakes

{mistakes}
"""

MISTAKES = """
- People on COCO pictures lost precision of box and order (see the coco_mini row: AP and AP50 below the
  start's); people under 32 px are too few there to tell.
- Real stalls are few in training: far ones, clothes rails and bare carts are found least, and a row of
  stalls may come out as one box. A shopfront with goods before it looks like a stall.
- A false stall or bin on a real street is rare but not unknown (table above), and so is a thing on the
  ground taken for rubbish.
- Rubbish was learned on close bags: loose litter and far bags are found less well.
- A motorcycle's box may hold its rider; tricycles and carts fall between stall, motorcycle and car.
- Dense rows of parked bicycles may come out as a few boxes (the racks of London are labelled so).
- One seed was run: how far the figures move from seed to seed was not measured. Mind the counts.
"""


def _may_hold(example: Example, name: str) -> bool:
    unsaid = example.unlabelled and name not in IN_NO_UNBOXED_SET
    return unsaid or STREET_CLASSES.index(name) in example.classes


def false_rows(judged: Runs, thresholds: Mapping[str, float]) -> list[list[str]]:
    """For each real part, the share of pictures with something that none of them holds."""
    rows = []
    for part, each in judged["trained"].items():
        if part in ("rendered", "composed"):
            continue
        shares = [
            "–"
            if any(_may_hold(example, name) for example in each.examples)
            else f"{false_picture_share(each, name, thresholds[name]):.1%}"
            for name in NEW_CLASSES
        ]
        rows.append([part, str(len(each.examples)), *shares])
    return rows


def elsewhere_rows(
    files: Mapping[str, StreetFile], data: Path, weights: Path, thresholds: Mapping[str, float]
) -> list[list[str]]:
    """People from raised cameras and false stalls on ordinary streets: start and trained file."""
    teacher = NanoDetPlus(weights / "nanodet_plus/nanodet_plus_m_1.5x_416.onnx")
    scenes = {
        "people of 60 px or more, llvip_night": list(at_night(data)),
        f"people of 60 px or more, {WALKERS}": list(from_above(data, teacher)),
    }
    rows = []
    for title, each in scenes.items():
        told = []
        for key, threshold in (("start", 0.35), ("trained", thresholds["person"])):
            seen = recall(files[key], each, threshold)
            told.append(str(share_of(seen.found, seen.people)))
        rows.append([title, str(sum(len(truths) for _, truths in each)), *told])
    false, streets = false_streets(files["trained"], data, thresholds)
    rows.append(["false stalls, streets_us_gsv", str(streets), "–", str(share_of(false, streets))])
    return rows


def told_of(out: Path, run: Run, measured: Measured) -> dict[str, Any]:
    """What every detector's card is filled with."""
    judged, clip, thresholds = measured.judged, measured.clip, run.thresholds
    held_out = HELD_OUT.format(
        figures=table(FIGURES, held_out_rows(judged, thresholds)),
        sizes=table(SIZES, size_rows(judged, ("coco_mini", "rendered"), thresholds["person"])),
        false=table(("part", "pictures", *NEW_CLASSES), false_rows(judged, thresholds)),
        elsewhere=table(("figure", "n", "start", "trained"), measured.elsewhere),
        clip=CLIP,
        windows=clip.windows,
        theirs=clip.people_of_start,
        ours=clip.people_of_trained,
        again=clip.found_again,
        person=thresholds["person"],
        **clip.false_share,
    )
    counts = [[name, *(str(each[part]) for part in SHARES)] for name, each in run.counts.items()]
    return {
        "head": measured.head.text(),
        "mega": (out / "model.onnx").stat().st_size / 1e6,
        "epochs": run.epochs,
        "seen": run.pictures_seen,
        "minutes": run.minutes,
        "seed": run.seed,
        "counts": table(COUNTED, counts),
        "held_out": held_out.strip(),
    }


def manifest_of(
    run: Run, version: str, family: str, base: str, fed: InputSpec, places: int, columns: int
) -> Manifest:
    """What the device must know of a detector.

    Args:
        run: How it came to be.
        version: Of the file.
        family: By which the device decodes it.
        base: The network that it was begun with.
        fed: What it wants to be fed.
        places: Rows of its output.
        columns: Columns of its output.
    """
    return Manifest(
        name=run.name,
        version=version,
        family=family,
        licence="Apache-2.0",
        provenance=f"{base} COCO (Apache-2.0), all layers fine-tuned on "
        + ", ".join(run.counts)
        + f"; {run.command}"
        + (f", where EARLIER is {run.begun}" if run.begun else ""),
        input=fed,
        output_name="output",
        output_shape=(1, places, columns),
        classes=tuple(ModelClass(name, name, run.thresholds[name]) for name in STREET_CLASSES),
    )


def write(out: Path, run: Run, measured: Measured, kept_weights: int) -> None:
    """Write manifest, card and notice beside the exported model.

    Args:
        out: The folder, with the network.
        run: How it came to be.
        measured: What it does.
        kept_weights: How many of the first weights and biases were not trained.
    """
    card = CARD.format(
        version=VERSION,
        latency=latency_ms(out / "model.onnx"),
        kept=kept_weights,
        begun=f" Goes on from {run.begun}." if run.begun else "",
        mistakes=MISTAKES.strip(),
        **told_of(out, run, measured),
    )
    fed = InputSpec("images", SIZE_PX, SIZE_PX, "BGR", "letterbox")
    columns = 5 + len(STREET_CLASSES)
    manifest = manifest_of(run, VERSION, "yolox", "YOLOX-nano", fed, 3549, columns)
    text = notice("street detector", sets_of(run.counts), START, TEACHERS)
    write_papers(out, manifest, card, text)
