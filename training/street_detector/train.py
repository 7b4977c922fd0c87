"""How either detector is trained: on the same batches, its averaged weights back in the graph that it
began with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
from torch import Tensor
from tqdm import tqdm

from training.fine_tuning import FineTuning, Pace
from training.onnx_graph import OnnxGraph
from training.street_detector.mixture import TRAINED, Sources, training_scene
from training.street_detector.pictures import Example, varied

BATCH = 16
LEARNING_RATE = 1.5e-4
Network = TypeVar("Network", bound=OnnxGraph)


def draw_batch(sources: Sources, seed: tuple[int, int, int]) -> list[Example]:
    """One batch; depends on the seed alone, so a resumed training sees the same pictures."""
    random = np.random.default_rng(seed)
    return [
        varied(training_scene(sources, TRAINED, random), random, TRAINED.whole)
        for _ in range(BATCH)
    ]


def batches(sources: Sources, seed: int, epoch: int, count: int) -> Iterator[list[Example]]:
    """One epoch's batches, two of them prepared ahead on another thread."""
    with ThreadPoolExecutor(1) as worker:

        def prepared(index: int) -> Future[list[Example]]:
            return worker.submit(draw_batch, sources, (seed, epoch, index))

        ahead = [prepared(index) for index in range(min(2, count))]
        for index in range(count):
            if index + 2 < count:
                ahead.append(prepared(index + 2))
            yield ahead.pop(0).result()


class Training(FineTuning[Network]):
    """The training of a detector.

    Args:
        graph: What the network was read from; :meth:`export` writes into it.
        network: It.
        heads: Its last convolutions, which hold the new rows.
        heads_faster: How many times the others' rate is theirs.
        steps: How many the rate is planned for.
    """

    def __init__(
        self,
        graph: onnx.ModelProto,
        network: Network,
        heads: Sequence[Tensor],
        heads_faster: float,
        steps: int,
    ) -> None:
        last = {id(each) for each in heads}
        body = [w for w in network.parameters() if w.requires_grad and id(w) not in last]
        rates = LEARNING_RATE, LEARNING_RATE * heads_faster
        pace = Pace(rates, decay=0.0, warm_up=0.08, averaged=0.998, clip=10.0)
        super().__init__(network, (body, heads), steps, pace)
        self.graph = graph

    def export(self, path: Path) -> None:
        """Write the averaged weights into the start's graph."""
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.values)
        self.network.write_into(self.graph)
        self.network.load_state_dict(kept)
        onnx.save(self.graph, str(path))


def learn_epochs(
    training: Training[Network],
    until: int,
    fed: Callable[[int], Iterator[Sequence[Example]]],
    step: Callable[[int, Sequence[Example]], dict[str, float]],
    work: Path,
    recipe: dict[str, Any],
) -> None:
    """Train up to an epoch; goes on from the last checkpoint of the same recipe.

    Args:
        training: What learns.
        until: How many epochs there are to be.
        fed: The batches of an epoch.
        step: Learns from a batch of an epoch; returns the parts of its loss.
        work: Where the checkpoint lies, and ``latest.onnx``, the averaged weights so far.
        recipe: All that the weights depend on.
    """

    def one_epoch(epoch: int) -> None:
        sums: dict[str, float] = {}
        bar = tqdm(fed(epoch), desc=f"epoch {epoch + 1} of {until}")
        for index, examples in enumerate(bar):
            for name, part in step(epoch, examples).items():
                sums[name] = sums.get(name, 0.0) + part
            bar.set_postfix({k: f"{v / (index + 1):.3f}" for k, v in sums.items()})
        training.export(work / "latest.onnx")

    training.run(until, one_epoch, work / "checkpoint.pt", recipe)


def pictures_of(sources: Sources) -> int:
    """How many pictures there are, of all parts: a part of a training's recipe."""
    return sum(len(each.items) for each in sources.splits.values())
