"""Which judgement each set asks for, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.domain.scene import Detection
from training.evaluate import figures
from training.evaluate.candidates import Asked, places_of
from training.evaluate.judging import (
    BinJudge,
    Sight,
    StreetJudge,
    VerifierJudge,
    read,
    scores_of,
)
from training.evaluate.labels import THINGS, Claims
from training.evaluate.metrics import Scored, iou_matrix
from training.evaluate.sheet import Mistake
from training.evaluate.sources import CROWD, Item

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Things whose presence in a whole picture is judged."""
FEW = 0.5
"""IoU that a detection must have with a truth."""


@dataclass
class Outcome:
    """What one task gave: rows for the report, and the mistakes."""

    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    mistakes: list[Mistake] = dataclasses.field(default_factory=list)


def bin_states(
    judge: BinJudge, sets: Mapping[str, Sequence[Item]], claims: Claims, progress: Progress
) -> Outcome:
    """Overflowing or not, for every set that says so of its pictures."""
    outcome = Outcome()
    threshold = judge.threshold()
    every: list[tuple[float, float, str]] = []
    for name, items in sets.items():
        mine = _claiming(items, "overflowing", claims)
        if not mine:
            continue
        paths = list(progress([item.path for item, _ in mine], f"{name}: bins", len(mine)))
        score = scores_of(judge, paths)
        truth = np.array([int(so) for _, so in mine])
        groups = [item.group for item, _ in mine]
        every += list(zip(truth, score, groups, strict=True))
        row = _row(name, "bin_state", judge.manifest.name, mine, threshold)
        row["figures"] = figures.two_sided(truth, score, threshold, groups)
        row["figures"] |= figures.of_probability(truth, score, threshold, groups)
        outcome.rows.append(row)
        outcome.mistakes += _wrong(mine, truth, score, threshold, f"{name}: overflowing")
    if len(outcome.rows) > 1:
        truth, score = (np.array([each[index] for each in every]) for index in (0, 1))
        groups = [each[2] for each in every]
        row = {"set": "all of them", "task": "bin_state", "model": judge.manifest.name}
        row |= {"pictures": len(every), "groups": len(set(groups)), "threshold": threshold}
        row["figures"] = figures.two_sided(truth, score, threshold, groups)
        row["figures"] |= figures.of_probability(truth, score, threshold, groups)
        outcome.rows.append(row)
    return outcome


def things(
    judge: StreetJudge, sets: Mapping[str, Sequence[Item]], claims: Claims, progress: Progress
) -> Outcome:
    """Is there a bicycle, a stall? And the boxes, for every set that has some."""
    outcome = Outcome()
    seen: dict[str, list[tuple[Item, Sight]]] = {}
    for name, items in sets.items():
        of_things = [item for item in items if _claim(item, claims) in (*THINGS, None)]
        asked = [item for item in of_things if item.boxed or _claim(item, claims)]
        if asked:
            seen[name] = [
                (item, judge.look(read(item.path)))
                for item in progress(asked, f"{name}: things", len(asked))
            ]
    for thing in THINGS:
        _presence(judge, thing, seen, claims, outcome)
    for name, sights in seen.items():
        _boxes(judge, name, sights, outcome)
    return outcome


def quietly(items: Iterable[Any], _words: str, _count: int) -> Iterable[Any]:
    """No progress is shown."""
    return items


def candidates(
    judge: VerifierJudge,
    detector: StreetJudge,
    sets: Mapping[str, Sequence[Item]],
    claims: Claims,
    progress: Progress,
) -> Outcome:
    """Is what a detector proposes a stall? And what are the things that a set boxes?

    A set that was not collected for stalls and boxes none is taken to hold none.
    """
    outcome = Outcome()
    for name, items in sets.items():
        asked, assumed = asked_of(judge, detector, name, items, claims, progress)
        if asked:
            named_from = detector.threshold("stall")
            told_candidates(judge, name, asked, outcome, named_from, assumed=assumed)
    return outcome


def asked_of(
    judge: VerifierJudge,
    detector: StreetJudge,
    name: str,
    items: Sequence[Item],
    claims: Claims,
    progress: Progress,
) -> tuple[list[Asked], bool]:
    """What a verifier says of the fixed candidates of one set, and whether absence is assumed."""
    assumed = not any(_claim(item, claims) == "stall" or "stall" in item.boxed for item in items)
    asked: list[Asked] = []
    for item in progress(items, f"{name}: candidates", len(items)):
        without = claims.of(item.label) == ("stall", False) or assumed
        if without or item.boxed:
            picture = read(item.path)
            size = picture.shape[1], picture.shape[0]
            places = places_of(item, detector.look(picture), size, without_stall=without)
            asked += [Asked(place, judge.look(picture, place.box)) for place in places]
    return asked, assumed


def told_candidates(
    judge: VerifierJudge,
    name: str,
    asked: Sequence[Asked],
    outcome: Outcome,
    named_from: float,
    *,
    assumed: bool = False,
) -> None:
    """Add a set's row and mistakes to an outcome."""
    threshold = judge.threshold()
    every = [(each.place.item, each.place.is_stall) for each in asked]
    row = _row(name, "candidates: stall", judge.manifest.name, every, threshold)
    row["absence_assumed"] = assumed
    row["pictures"] = len({item.path for item, _ in every})
    row["figures"] = figures.of_candidates(asked, threshold, named_from)
    outcome.rows.append(row)
    for each in asked:
        if (each.stall >= threshold) != each.place.is_stall:
            so = "missed" if each.place.is_stall else "false"
            words = f"{so} {each.stall:.2f} {each.said[:9]} {each.place.item.path.name[-18:]}"
            badness = abs(float(each.place.is_stall) - each.stall)
            box = Detection("stall", each.stall, each.place.box)
            title = f"{name}: candidates"
            outcome.mistakes.append(Mistake(each.place.item.path, title, words, badness, box))


def _presence(
    judge: StreetJudge,
    thing: str,
    seen: Mapping[str, Sequence[tuple[Item, Sight]]],
    claims: Claims,
    outcome: Outcome,
) -> None:
    threshold = judge.threshold(thing)
    for name, sights in seen.items():
        scores = {item: sight.score(thing) for item, sight in sights}
        mine = _claiming([item for item, _ in sights], thing, claims)
        assumed = False
        if not mine and thing == "stall":
            # A set that was not collected for stalls: a stall found in it is taken for a false one.
            mine, assumed = [(item, False) for item, _ in sights], True
        if not mine:
            continue
        truth = np.array([int(so) for _, so in mine])
        score = np.array([scores[item] for item, _ in mine])
        groups = [item.group for item, _ in mine]
        row = _row(name, f"{thing}_present", judge.manifest.name, mine, threshold)
        row["absence_assumed"] = assumed
        row["figures"] = figures.two_sided(truth, score, threshold, groups)
        outcome.rows.append(row)
        outcome.mistakes += _wrong(mine, truth, score, threshold, f"{name}: {thing}")


def _boxes(
    judge: StreetJudge, name: str, sights: Sequence[tuple[Item, Sight]], outcome: Outcome
) -> None:
    for label in sorted({label for item, _ in sights for label in item.boxed}):
        rows, groups, mine = [], [], []
        for item, sight in sights:
            if label in item.boxed:
                rows.append(_scored(item, sight, label))
                groups.append(item.group)
                mine.append((item, True))
        if not any(len(row.truths) for row in rows):
            continue
        threshold = judge.threshold(label)
        row = _row(name, f"boxes: {label}", judge.manifest.name, mine, threshold)
        row["figures"] = figures.Boxed(rows, groups).figures(threshold)
        outcome.rows.append(row)
        outcome.mistakes += _wrong_boxes(sights, label, threshold, f"{name}: boxes of {label}")


def _scored(item: Item, sight: Sight, label: str) -> Scored:
    height, width = read(item.path).shape[:2]
    found = [each for each in sight.found if each.label == label]
    sides = [(each.box.left, each.box.top, each.box.right, each.box.bottom) for each in found]
    boxes = np.array(sides, float).reshape(-1, 4) * (width, height, width, height)
    truths = [edges for name, edges in item.boxes if name == label]
    unsure = [edges for name, edges in item.boxes if name == CROWD]
    return Scored(
        boxes,
        np.array([each.confidence for each in found]),
        np.array(truths, float).reshape(-1, 4),
        np.array(unsure, float).reshape(-1, 4),
    )


def _claim(item: Item, claims: Claims) -> str | None:
    claim = claims.of(item.label)
    return None if claim is None else claim[0]


def _claiming(items: Iterable[Item], thing: str, claims: Claims) -> list[tuple[Item, bool]]:
    """The items whose label speaks of a thing, and what it says."""
    return [
        (item, claim[1])
        for item in items
        if (claim := claims.of(item.label)) is not None and claim[0] == thing
    ]


def _row(
    name: str, task: str, model: str, items: Sequence[tuple[Item, bool]], threshold: float
) -> dict[str, Any]:
    return {
        "set": name,
        "task": task,
        "model": model,
        "pictures": len(items),
        "groups": len({item.group for item, _ in items}),
        "threshold": threshold,
    }


def _wrong(
    items: Sequence[tuple[Item, bool]],
    truth: figures.Array,
    score: figures.Array,
    threshold: float,
    title: str,
) -> list[Mistake]:
    found = []
    for (item, _), so, value in zip(items, truth, score, strict=True):
        if (value >= threshold) != bool(so):
            words = f"{'missed' if so else 'false'} {value:.2f} {item.path.name[-24:]}"
            found.append(Mistake(item.path, title, words, abs(float(so) - float(value))))
    return found


def _wrong_boxes(
    sights: Sequence[tuple[Item, Sight]], label: str, threshold: float, title: str
) -> list[Mistake]:
    """The surest false box of each picture."""
    found = []
    for item, sight in sights:
        if label not in item.boxed:
            continue
        scored = _scored(item, sight, label)
        others = np.concatenate([scored.truths, scored.unsure])
        mine = [each for each in sight.found if each.label == label]
        best = iou_matrix(scored.boxes, others).max(axis=1, initial=0.0)
        false = [each for each, iou in zip(mine, best, strict=True) if iou < FEW]
        false = [each for each in false if each.confidence >= threshold]
        if false:
            worst = max(false, key=lambda each: each.confidence)
            words = f"false {worst.confidence:.2f} {item.path.name[-24:]}"
            found.append(Mistake(item.path, title, words, worst.confidence, worst))
    return found


def unknown_labels(sets: Mapping[str, Sequence[Item]], claims: Claims) -> dict[str, int]:
    """Labels that say nothing to any task, with how many pictures have them."""
    found: dict[str, int] = {}
    for items in sets.values():
        for item in items:
            if item.label is not None and claims.of(item.label) is None and not item.boxed:
                found[item.label] = found.get(item.label, 0) + 1
    return found
