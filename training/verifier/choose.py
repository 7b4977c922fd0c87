"""Folds: what is chosen, and what a stranger's corner may expect. What is held out is not looked at.

Choices are made on frozen features, which are cheap: a linear layer on ImageNet's is fitted on four
fifths of the places and judged on the last, three times anew. Figures come from networks that were
trained on two thirds of the places and judged on the last.

``python -m training.verifier.choose .training/verifier/candidates/candidates.pkl`` repeats the choices.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from tqdm import tqdm

from agent.domain.labels import CANDIDATE_KINDS as KINDS
from training.datasets.licences import may_train
from training.evaluate.candidates import CONFIRMS, REFUSES
from training.evaluate.folds import Fold, Spread, grouped_folds, spread
from training.evaluate.metrics import roc_auc
from training.verifier.candidates import Candidate
from training.verifier.crops import Kept, batch_of, darkened, jittered, lit, opened, plain, shown
from training.verifier.mixture import chances
from training.verifier.network import Verifier, normalised

Array = NDArray[np.float64]
BATCH = 32
LOOKS = (
    "mobilenet-v2:160:1.5",
    "efficientnet-lite0:160:1.5",
    "mobilenet-v2:160:1.0",
    "mobilenet-v2:160:2.0",
)
"""What was chosen among: the network, its input, and the width of the crop."""
STALL = KINDS.index("stall")
FALSE = 0.03
"""What share of places without a stall may be called one."""
NAMED_FROM = 0.2
"""The detector's threshold of stalls."""
ASKED = ("label", "detector", "background", "group")
"""Sources of places that a device would ask about."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way of looking at candidates."""

    backbone: str
    size_px: int
    context: float


def features(
    choice: Choice, kept: Sequence[Kept], network: Verifier, seed: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Frozen features of plain views, and of views with another box and light, (n, 1280) each."""
    random = np.random.default_rng(seed)
    network.eval()

    def other(each: Kept) -> NDArray[np.uint8]:
        view = shown(opened(each), jittered(each.box, random), choice.size_px, choice.context)
        view = np.ascontiguousarray(view[:, ::-1])
        return (lit if each.night else darkened)(view, random) if random.random() < 0.5 else view

    looks: list[Callable[[Kept], NDArray[np.uint8]]] = [
        lambda each: plain(each, choice.size_px, choice.context),
        other,
    ]
    found = []
    for look in looks:
        rows = []
        with torch.no_grad():
            for start in tqdm(range(0, len(kept), BATCH), mininterval=30):
                pictures = batch_of([look(each) for each in kept[start : start + BATCH]])
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    images = normalised(torch.from_numpy(pictures))
                    rows.append(
                        network.embed(images.contiguous(memory_format=torch.channels_last)).float()
                    )
        found.append(torch.cat(rows).numpy())
    return found[0], found[1]


def fitted(
    inputs: NDArray[np.float32], shares: Array, weights: Array, decay: float
) -> Callable[[NDArray[np.float32]], Array]:
    """A linear layer with softmax on standardised features; gives probabilities (n, kinds)."""
    mean, spread_ = inputs.mean(axis=0), inputs.std(axis=0) + 1e-3
    x = torch.from_numpy((inputs - mean) / spread_)
    y, w = torch.from_numpy(shares).float(), torch.from_numpy(weights / weights.sum()).float()
    layer = torch.nn.Linear(inputs.shape[1], shares.shape[1])
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        log = functional.log_softmax(layer(x), dim=1)
        value = -(w[:, None] * y * log).sum() + decay * layer.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[arg-type, no-untyped-call]

    def probabilities(rows: NDArray[np.float32]) -> Array:
        with torch.no_grad():
            logits = layer(torch.from_numpy((rows - mean) / spread_))
            return np.asarray(torch.softmax(logits, dim=1).double().numpy())

    return probabilities


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of the rows that choices are made on.

    Attributes:
        shares: (n, kinds), what each is.
        weights: (n,), how much each teaches.
        groups: Their places.
        night: (n,), taken at night.
        judged: (n,), a place that the device would ask about: it takes part in the figures.
        detected: (n,), the score of the surest stall that the detector sees there.
    """

    shares: Array
    weights: Array
    groups: Sequence[str]
    night: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    detected: Array

    @property
    def stall(self) -> NDArray[np.bool_]:
        """A stall stands there."""
        return np.asarray(self.shares.argmax(axis=1) == STALL)

    def folds(self, count: int = 5, repeats: int = 3) -> list[Fold]:
        """Divisions by place, every fold with its share of each kind by day and at night."""
        kinds = [
            f"{KINDS[i]}/{dark}"
            for i, dark in zip(self.shares.argmax(axis=1), self.night, strict=True)
        ]
        return grouped_folds(self.groups, kinds, folds=count, repeats=repeats, seed=1)


def rows_of(found: Sequence[Candidate], weights: Array) -> Rows:
    """What is known of candidates, as rows."""
    return Rows(
        shares=np.array([each.shares for each in found]),
        weights=weights,
        groups=[each.scene.group for each in found],
        night=np.array([each.scene.night for each in found]),
        judged=np.array([each.source in ASKED and not each.scene.drawn for each in found]),
        detected=np.array([each.detected for each in found]),
    )


def out_of_fold(
    rows: Rows, teach: tuple[NDArray[np.float32], NDArray[np.float32]], decay: float
) -> Array:
    """Probabilities of every row by layers that have not seen its place, (repeats, n, kinds)."""
    folds = rows.folds()
    found = np.zeros((1 + max(fold.repeat for fold in folds), *rows.shares.shape))
    for fold in folds:
        inputs = np.concatenate([each[fold.train] for each in teach])
        shares = np.concatenate([rows.shares[fold.train]] * 2)
        weights = np.concatenate([rows.weights[fold.train]] * 2)
        found[fold.repeat, fold.test] = fitted(inputs, shares, weights, decay)(teach[0][fold.test])
    return found


def figures(
    rows: Rows, probabilities: Array, folds: Sequence[Fold] | None = None
) -> Mapping[str, Spread]:
    """What folds say of probabilities out of fold.

    The threshold of a fold is chosen on the others of its shuffle, at FALSE false ones.

    Args:
        rows: What is known of the rows.
        probabilities: (repeats, n, kinds), of networks that have not seen the row's place.
        folds: The divisions that they are of; those of :meth:`Rows.folds` if not given.
    """
    told: dict[str, list[float]] = {}
    for fold in folds or rows.folds():
        score = probabilities[fold.repeat, :, STALL]
        mine = fold.test[rows.judged[fold.test]]
        others = fold.train[rows.judged[fold.train]]
        threshold = float(np.quantile(score[others][~rows.stall[others]], 1 - FALSE))
        both = together(score, rows.detected)
        for name, some in (
            ("all", mine),
            ("day", mine[~rows.night[mine]]),
            ("night", mine[rows.night[mine]]),
        ):
            truth, said = rows.stall[some], score[some] >= threshold
            told.setdefault(f"AUC {name}", []).append(roc_auc(truth.astype(int), score[some]))
            told.setdefault(f"recall {name}", []).append(_share(said[truth]))
            told.setdefault(f"false {name}", []).append(_share(said[~truth]))
            told.setdefault(f"recall together {name}", []).append(_share(both[some][truth]))
            told.setdefault(f"false together {name}", []).append(_share(both[some][~truth]))
        right = probabilities[fold.repeat, fold.test].argmax(axis=1)
        truths = rows.shares[fold.test].argmax(axis=1)
        recalls = [(right[truths == kind] == kind).mean() for kind in np.unique(truths)]
        told.setdefault("kinds, balanced accuracy", []).append(float(np.mean(recalls)))
    return {name: spread(values) for name, values in told.items()}


def together(stall: Array, detected: Array) -> NDArray[np.bool_]:
    """:func:`training.evaluate.candidates.together` of many, at the device's own thresholds."""
    return stall >= np.where(detected >= NAMED_FROM, REFUSES, CONFIRMS)


def _share(said: NDArray[np.bool_]) -> float:
    return float(said.mean()) if len(said) else float("nan")


def chosen_rows(found: Sequence[Candidate], most: int, seed: int) -> list[int]:
    """Rows to choose on: every real stall, and of each other kind so many as it is drawn.

    Args:
        found: Candidates.
        most: Of each kind but stalls; of drawn ones a tenth as many.
        seed: Of the draw.
    """
    chance, random = chances(found), np.random.default_rng(seed)
    rows: list[int] = []
    for kind in KINDS:
        for drawn in (False, True):
            mine = np.array(
                [i for i, c in enumerate(found) if c.kind == kind and c.scene.drawn is drawn], int
            )
            count = len(mine) if kind == "stall" and not drawn else most // (10 if drawn else 1)
            if len(mine):
                odds = chance[mine] / chance[mine].sum()
                size = min(count, len(mine))
                rows += random.choice(mine, size=size, replace=False, p=odds).tolist()
    return rows


@click.command(help=__doc__)
@click.argument("candidates", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--look",
    "looks",
    multiple=True,
    default=LOOKS,
    show_default=True,
    help="NETWORK:PIXELS:WIDTH OF THE CROP",
)
@click.option("--most", default=150, show_default=True, help="Rows of each kind but stalls.")
@click.option("--decay", default=1e-3, show_default=True)
@click.option("--stated", is_flag=True, help="Only sets that state a licence teach.")
def main(candidates: Path, looks: Sequence[str], most: int, decay: float, stated: bool) -> None:
    """Tell what each way of looking comes to."""
    found, kept, _ = pickle.loads(candidates.read_bytes())
    chosen = chosen_rows(found, most, seed=3)
    some = [found[row] for row in chosen]
    weights = chances(found)[chosen]
    if stated:
        weights *= [may_train(each.scene.set_name, "stated") for each in some]
    rows = rows_of(some, weights)
    for look in looks:
        backbone, size_px, context = look.split(":")
        choice = Choice(backbone, int(size_px), float(context))
        network = Verifier(len(KINDS), backbone).to(memory_format=torch.channels_last)
        teach = features(choice, [kept[row] for row in chosen], network)
        click.echo(look)
        for name, told in figures(rows, out_of_fold(rows, teach, decay)).items():
            click.echo(f"  {name:<28} {told}")


if __name__ == "__main__":
    main()
