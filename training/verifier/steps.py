"""The steps of the verifier's recipe: look, cut, fold, teach, ship."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agent.domain.labels import CANDIDATE_KINDS as KINDS
from training.datasets.groups import digest_of
from training.evaluate.folds import Fold, Spread
from training.make import Job
from training.model_folder import manifest_text
from training.street_detector.teachers import Teachers
from training.verifier import choose, model_card, scenes, train
from training.verifier.candidates import Candidate, Scene, candidates_of
from training.verifier.composites import composites
from training.verifier.crops import Kept, keep
from training.verifier.mixture import chances
from training.verifier.network import Verifier

BACKGROUNDS = {"bin_crops_shenzhen": 0}
MANY, FEW = 14, 5
"""Places at random in a street without a stall, and in any other picture."""
UNLABELLED = (
    "bins_scene_montevideo",
    "amsterdam_garbage",
    "bins_closed_sandiego",
    "malta_bags",
    "rubbish_bags_korea",
)
HIGH_UP = 0.35
"""Nobody boxed every bin and all rubbish of these sets, and teachers miss many: what is called nothing
there must end above this share of the picture, where neither stands."""
MOST = {"label": 8, "detector": 6}
"""Candidates of one kind and source that one picture gives; the others say the same again."""
MOST_JUDGED = 700
"""So many places of a fold that are no stall and no shop's goods are judged."""
HARD_ROWS, HARDER = 1500, 8.0
"""How many places are asked about after the first round, and how much more often a sure mistake is seen."""
SCENES, CANDIDATES, FOLDS, WEIGHTS = "scenes.pkl", "candidates.pkl", "folds.json", "weights.pt"


def look(job: Job) -> None:
    """Read the sets; teachers and the street detector that stands look once at every picture."""
    options = job.options
    stills = (
        job.gathered("stills", "stills-") if any("stills" in name for name in job.inputs) else None
    )
    found = scenes.scenes(options.data, options.models, stills)
    teaching = [each for each in found if each.set_name in (*job.step.sets, "rendered")]
    per_set: Counter[str] = Counter()
    mine = []
    for each in teaching:
        per_set[each.set_name] += 1
        if per_set[each.set_name] <= job.recipe["per_set"]:
            mine.append(each)
    teachers = Teachers(
        options.weights, options.models / "street" / "model.onnx", job.folder / "said"
    )
    looker = scenes.Looker(teachers, options.models / "street" / "model.onnx")
    seen = [looker(each) if each.part != "held_out" else each for each in mine]
    (job.folder / SCENES).write_bytes(pickle.dumps(seen))


def cut(job: Job) -> None:
    """Every candidate of the pictures that teach and tune, and things set down in other places."""
    seen: list[Scene] = pickle.loads((job.inputs["scenes"] / SCENES).read_bytes())
    found = candidates([each for each in seen if each.part != "held_out"])
    kept = [keep(each) for each in found]
    laid = composed(found, kept, job.recipe["composites"], job.options.seed)
    (job.folder / CANDIDATES).write_bytes(pickle.dumps((found, kept, laid)))


def candidates(seen: Sequence[Scene], seed: int = 1) -> list[Candidate]:
    """The candidates of pictures, at most so many alike of each."""
    random = np.random.default_rng(seed)
    every = []
    for each in seen:
        count = MANY if each.set_name == "vending_streets" and not each.things else FEW
        every += candidates_of(each, BACKGROUNDS.get(each.set_name, count), random)
    taken: Counter[tuple[Path, str, str]] = Counter()
    found = []
    for row in random.permutation(len(every)):
        one = every[row]
        key = one.scene.path, one.kind, one.source
        taken[key] += 1
        if taken[key] <= (
            40 if one.scene.set_name == "vending_streets" else MOST.get(one.source, 3)
        ):
            found.append(one)
    return [each for each in found if not may_be_more(each)]


def may_be_more(each: Candidate) -> bool:
    """Whether a candidate may be a bin or rubbish that nobody boxed.

    What is called nothing may be one, and what a teacher takes for a truck is often a container.
    """
    if each.scene.set_name not in UNLABELLED or each.source == "label":
        return False
    if each.shares[KINDS.index("vehicle")] > 0:
        return True
    return each.shares[KINDS.index("nothing")] > 0 and each.box[3] > HIGH_UP


def composed(found: Sequence[Candidate], kept: Sequence[Kept], count: int, seed: int) -> list[Kept]:
    """Things set down in other streets, four times as many stalls as of each other kind.

    Args:
        found: Candidates; only those that teach are laid or lain on.
        kept: The same, cut out.
        count: Of stalls.
        seed: Of the draw.
    """
    random = np.random.default_rng((seed, 5))
    mine = [
        (each, one)
        for each, one in zip(found, kept, strict=True)
        if each.scene.part == "train" and not each.scene.drawn
    ]
    grounds = [one for each, one in mine if each.kind == "nothing" and each.source != "label"]
    made = []
    for kind in ("stall", "two_wheelers", "bin", "rubbish", "people", "vehicle"):
        things = [
            one for each, one in mine if each.kind == kind and each.source in ("label", "teacher")
        ]
        if things and grounds:
            share = 1.0 if kind == "stall" else 0.25
            made += composites(things, grounds, round(count * share), random)
    return made


def fold(job: Job) -> None:
    """Networks of folds: what a stranger's corner may expect of the one that is shipped."""
    found, kept, _ = pickle.loads((job.inputs["candidates"] / CANDIDATES).read_bytes())
    torch.set_num_threads(job.options.threads)
    numbers = dict(job.recipe)
    count = numbers.pop("folds")
    told = folded(found, kept, train.Recipe(seed=job.options.seed, **numbers), count, job.folder)
    rows = {
        name: [each.mean, each.deviation, each.low, each.high, each.folds]
        for name, each in told.items()
    }
    (job.folder / FOLDS).write_text(json.dumps(rows, indent=1), "utf-8")


def folded(
    found: Sequence[Candidate],
    kept: Sequence[Kept],
    recipe: train.Recipe,
    count: int,
    folder: Path,
) -> Mapping[str, Spread]:
    """Figures of networks that have not seen the places that they are judged on.

    Things set down elsewhere are left out: they would bring a place into another fold.

    Args:
        found: Candidates; drawn ones teach in every fold and judge in none.
        kept: The same, cut out.
        recipe: Of each network.
        count: Of folds.
        folder: Checkpoints go here.
    """
    photos = np.array([row for row, each in enumerate(found) if not each.scene.drawn])
    drawn = np.array([row for row, each in enumerate(found) if each.scene.drawn], dtype=int)
    every = choose.rows_of([found[row] for row in photos], np.ones(len(photos)))
    random = np.random.default_rng(recipe.seed)
    tests, logits = [], []
    for number, fold_ in enumerate(every.folds(count, repeats=1)):
        mine = np.concatenate([photos[fold_.train], drawn])
        network, _ = train.train(
            train.Teaching(
                [kept[row] for row in mine], chances([found[row] for row in mine]), recipe
            ),
            folder / f"fold-{number}.pt",
        )
        asked = random.permutation(photos[fold_.test[every.judged[fold_.test]]])
        rare = np.array([found[row].kind in ("stall", "shop_goods") for row in asked])
        tests.append(np.concatenate([asked[rare], asked[~rare][:MOST_JUDGED]]))
        logits.append(train.logits_of(network, [kept[row] for row in tests[-1]], recipe.size_px))
    return _told([found[row] for row in np.concatenate(tests)], logits)


def _told(
    judged: Sequence[Candidate], logits: Sequence[NDArray[np.float64]]
) -> Mapping[str, Spread]:
    """Figures of what folds said; a fold is calibrated on the others."""
    rows = choose.rows_of(judged, np.ones(len(judged)))
    ends = np.cumsum([0, *map(len, logits)])
    whole, probabilities, folds = np.concatenate(logits), np.zeros(rows.shares.shape), []
    for begin, end in pairwise(ends.tolist()):
        test = np.arange(begin, end)
        others = np.setdiff1d(np.arange(len(judged)), test)
        temperature = train.temperature_of(whole[others], rows.shares[others])
        scaled = whole[test] / temperature
        probabilities[test] = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
        folds.append(Fold(0, others, test))
    return choose.figures(rows, probabilities[None], folds)


def teaching(
    found: Sequence[Candidate],
    kept: Sequence[Kept],
    laid: Sequence[Kept],
    recipe: train.Recipe,
) -> train.Teaching:
    """What teaches: the parts of that name, and things set down elsewhere as a fifth of their kind."""
    mine = [row for row, each in enumerate(found) if each.scene.part == "train"]
    chance = chances([found[row] for row in mine])
    kinds = np.array([found[row].kind for row in mine])
    lifted = np.array([KINDS[int(np.argmax(each.shares))] for each in laid])
    more: NDArray[np.float64] = np.zeros(len(laid))
    for kind in set(lifted.tolist()):
        here = kinds == kind
        more[lifted == kind] = 0.2 * chance[here].sum() / (lifted == kind).sum()
        chance[here] *= 0.8
    every = np.concatenate([chance, more])
    rows = [kept[row] for row in mine] + list(laid)
    return train.Teaching(rows, every / every.sum(), recipe)


def teach(job: Job) -> None:
    """Train all layers on the candidates that teach."""
    found, kept, laid = pickle.loads((job.inputs["candidates"] / CANDIDATES).read_bytes())
    torch.set_num_threads(job.options.threads)
    recipe = train.Recipe(seed=job.options.seed, **job.recipe)
    network, minutes = train.train(
        teaching(found, kept, laid, recipe), job.folder / "checkpoint.pt"
    )
    left = {"network": network.state_dict(), "minutes": minutes, "recipe": asdict(recipe)}
    torch.save(left, job.folder / WEIGHTS)


def again(job: Job) -> None:
    """A second round: what the first took for a stall is seen more often."""
    found, kept, laid = pickle.loads((job.inputs["candidates"] / CANDIDATES).read_bytes())
    torch.set_num_threads(job.options.threads)
    first = torch.load(job.inputs["training"] / WEIGHTS, weights_only=True)
    recipe = train.Recipe(seed=job.options.seed + 1, **job.recipe)
    given = teaching(found, kept, laid, recipe)
    given = harder(given, first["network"], HARD_ROWS if not job.options.quick else 40)
    network, minutes = train.train(given, job.folder / "checkpoint.pt", first["network"])
    left = {"network": network.state_dict(), "minutes": minutes + first["minutes"]}
    both = asdict(recipe) | {"epochs": recipe.epochs + first["recipe"]["epochs"]}
    both |= {"seed": job.options.seed}
    torch.save(left | {"recipe": both}, job.folder / WEIGHTS)


def harder(given: train.Teaching, weights: dict[str, torch.Tensor], most: int) -> train.Teaching:
    """Places without a stall are drawn the more often, the more a network takes them for one.

    Args:
        given: What teaches.
        weights: Of the network that is asked.
        most: So many places are asked about, the likeliest to be drawn first.
    """
    network = Verifier(len(KINDS), given.recipe.backbone)
    network.load_state_dict(weights)
    network.eval()
    stall = np.array([each.shares[choose.STALL] for each in given.kept])
    proposed = np.array([each.source == "detector" for each in given.kept])
    rows = np.flatnonzero((stall == 0) & proposed)
    rows = rows[np.argsort(-given.chances[rows], kind="stable")][:most]
    logits = train.logits_of(network, [given.kept[row] for row in rows], given.recipe.small_px)
    taken = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))[:, choose.STALL]
    chances_ = given.chances.copy()
    chances_[rows] *= 1 + HARDER * taken
    return train.Teaching(given.kept, chances_ / chances_.sum(), given.recipe)


def ship(job: Job) -> None:
    """Calibrate, export, judge once, and write the papers."""
    options = job.options
    seen: list[Scene] = pickle.loads((job.inputs["scenes"] / SCENES).read_bytes())
    found, kept, _ = pickle.loads((job.inputs["candidates"] / CANDIDATES).read_bytes())
    torch.set_num_threads(options.threads)
    weights = job.inputs["second-round"] / WEIGHTS
    folds = json.loads((job.inputs["folds"] / FOLDS).read_text("utf-8"))
    shipped(
        job.model,
        weights,
        found,
        kept,
        seen,
        {name: Spread(*row) for name, row in folds.items()},
        (options.data, options.models / "street"),
    )


def shipped(
    folder: Path,
    weights: Path,
    found: Sequence[Candidate],
    kept: Sequence[Kept],
    seen: Sequence[Scene],
    folds: Mapping[str, Spread],
    judged_with: tuple[Path, Path],
) -> None:
    """Write the model's folder.

    Args:
        folder: It.
        weights: What the training left.
        found: The candidates.
        kept: The same, cut out.
        seen: Every picture, those that were held out among them.
        folds: Figures over folds.
        judged_with: The picture sets, and the street model whose boxes are asked about.
    """
    state = torch.load(weights, weights_only=True)
    recipe = train.Recipe(**state["recipe"])
    network = Verifier(len(KINDS), recipe.backbone)
    network.load_state_dict(state["network"])
    network.eval()
    tune = [
        row for row, each in enumerate(found) if each.scene.part == "tune" and not each.scene.drawn
    ]
    logits = train.logits_of(network, [kept[row] for row in tune], recipe.size_px)
    shares = np.array([found[row].shares for row in tune])
    temperature = train.temperature_of(logits, shares)
    asked = np.array([found[row].source in ("label", "detector", "background") for row in tune])
    threshold = threshold_of(logits[asked] / temperature, shares[asked])
    train.export(network, temperature, recipe.size_px, folder / "model.onnx")
    write_groups(folder / "groups.json", seen)
    counts: dict[str, dict[str, int]] = {}
    for each in found:
        if each.scene.part == "train":
            mine = counts.setdefault(each.scene.set_name, {})
            mine[each.kind] = mine.get(each.kind, 0) + 1
    run = model_card.Run(
        seed=recipe.seed,
        size_px=recipe.size_px,
        views=recipe.epochs * recipe.per_epoch,
        minutes=state["minutes"],
        temperature=temperature,
        threshold=threshold,
        counts=counts,
        folds=folds,
    )
    # What the verifier is must be told before it is opened to be judged.
    manifest = manifest_text(model_card.manifest_of(run), folder / "model.onnx")
    (folder / "manifest.toml").write_text(manifest, encoding="utf-8")
    data, detector = judged_with
    judged = model_card.judge(folder, data, detector)
    model_card.write(folder, run, judged, detector)


def threshold_of(logits: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """The probability of a stall from which on 3 % of the places without one are called one."""
    log = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    stall = np.exp(log[:, choose.STALL])
    others = shares.argmax(axis=1) != choose.STALL
    return float(np.clip(np.quantile(stall[others], 1 - choose.FALSE), 0.05, 0.95))


def write_groups(path: Path, seen: Sequence[Scene]) -> None:
    """Publish which picture is in which group and part."""
    rows = [
        {
            "file": f"{each.set_name}/{each.path.name}",
            "group": each.group,
            "part": each.part,
            "digest": digest_of(each.path),
        }
        for each in seen
    ]
    text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")
