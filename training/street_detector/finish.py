"""When a detector is trained: thresholds by the part that tunes, the held-out part judged once, papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.card_head import Head
from training.datasets.splits import SHARES
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.judge import (
    StreetFile,
    best_threshold,
    judge,
    quiet_threshold,
    without,
)
from training.street_detector.mixture import (
    IN_NO_UNBOXED_SET,
    Sources,
    judged_parts,
    unboxed_streets,
)
from training.street_detector.model_card import Measured, elsewhere_rows, people_in_clip, sets_of
from training.street_detector.pictures import Example
from training.street_detector.real_stalls import FOLDS, REPEATS, STEPS, Choice, figures, rows_of

DEFAULT_THRESHOLD = 0.35
LEAST_THRESHOLDS = {"person": 0.3, "stall": 0.36}
"""Below these a replayed clip sees for 4 s more a stall that has left."""


def thresholds(detector: StreetFile, sources: Sources, seed: int) -> dict[str, float]:
    """Per class, a score chosen on the ``tune`` parts.

    It is the one with the best F score; for a stall the lowest that is quiet on the real pictures
    without one.
    """
    judged = {
        name: judge(detector, part) for name, part in judged_parts(sources, "tune", seed).items()
    }
    real = [part for name, part in judged.items() if name not in ("rendered", "composed")]
    real.append(judge(detector, unboxed_streets(sources, "tune")))
    chosen = {}
    for name in STREET_CLASSES:
        best = (
            quiet_threshold([without(part, name) for part in real], name)
            if name in IN_NO_UNBOXED_SET
            else best_threshold(list(judged.values()), name)
        )
        best = DEFAULT_THRESHOLD if best is None else best
        chosen[name] = max(best, LEAST_THRESHOLDS.get(name, 0.0))
    return chosen


def counts_of(sources: Sources) -> dict[str, dict[str, int]]:
    """How many pictures each set has in each part."""
    return {
        name: {part: len(each.part(part)) for part in SHARES}
        for name, each in sources.splits.items()
    }


def held_out_parts(sources: Sources, seed: int) -> dict[str, list[Example]]:
    """What is judged once at the end, streets that nobody boxed among it."""
    return judged_parts(sources, "held_out", seed) | {
        "streets nobody boxed": unboxed_streets(sources, "held_out")
    }


@dataclass(frozen=True, slots=True)
class Judging:
    """What is judged, and on what.

    Attributes:
        files: The start and the trained file, by these names.
        sources: What the trained one was made from.
        held_out: Parts of :func:`held_out_parts`.
        data: The picture sets.
        weights: The teachers' folder.
    """

    files: Mapping[str, StreetFile]
    sources: Sources
    held_out: Mapping[str, Sequence[Example]]
    data: Path
    weights: Path


def measured(
    judging: Judging, thresholds_: Mapping[str, float], choice: Choice, more_on_choice: str = ""
) -> Measured:
    """Everything that the card tells of start and trained file.

    Args:
        judging: What and on what.
        thresholds_: Of each class.
        choice: Of a stall's threshold.
        more_on_choice: What else bore on it, as words that go on a sentence.
    """
    files, data = judging.files, judging.data
    head = Head(
        figures(choice, rows_of(files["trained"], judging.sources, "held_out")),
        f"the `tune` part in {FOLDS} folds by source, {REPEATS} times; the threshold chosen on four of "
        "five, judged on the fifth. The weights are one training, which saw none of it",
        len(STEPS),
        f"thresholds of a stall from {STEPS[0]} to {STEPS[-1]}; over the folds {choice.among_folds}"
        + more_on_choice,
        sets_of(judging.sources.splits),
    )
    judged = {
        key: {name: judge(each, part) for name, part in judging.held_out.items()}
        for key, each in files.items()
    }
    elsewhere = elsewhere_rows(files, data, judging.weights, thresholds_)
    return Measured(judged, people_in_clip(files, data, thresholds_), head, elsewhere)
