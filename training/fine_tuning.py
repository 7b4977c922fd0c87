"""How every network here is trained: steps of AdamW under one cycle of the rate, and the average of the
weights on the way, which is what is judged and exported.

What learns, from what and by which loss, each model says for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from training import checkpoints


@dataclass(frozen=True, slots=True)
class Pace:
    """The numbers of a training's steps.

    Attributes:
        rates: The highest rate of each group of weights.
        decay: AdamW's weight decay (Loshchilov and Hutter, arXiv:1711.05101).
        warm_up: The share of the steps in which the rate rises.
        averaged: How much of the average each step keeps.
        clip: The longest gradient that is followed.
    """

    rates: Sequence[float]
    decay: float
    warm_up: float
    averaged: float
    clip: float


Network = TypeVar("Network", bound=torch.nn.Module)


class FineTuning(Generic[Network]):
    """The state of one training: network, optimiser, schedule, average, and how far it came.

    Args:
        network: Goes to a GPU where there is one.
        groups: Its weights that learn, a group for each rate.
        steps: How many the rate is planned for.
        pace: The numbers of a step.
    """

    def __init__(
        self, network: Network, groups: Sequence[Iterable[Tensor]], steps: int, pace: Pace
    ) -> None:
        self.network, self.device, self.pace = network, checkpoints.fastest_device(), pace
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = checkpoints.Average(network, pace.averaged)
        rated = zip(groups, pace.rates, strict=True)
        self.optimiser = torch.optim.AdamW(
            [{"params": list(group), "lr": rate} for group, rate in rated], weight_decay=pace.decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, list(pace.rates), total_steps=steps + 1, pct_start=pace.warm_up
        )
        self.epoch, self.minutes = 0, 0.0

    def learn(self, loss: Tensor) -> None:
        """One step down a batch's loss."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.pace.clip)
        self.optimiser.step()
        self.schedule.step()
        self.average.update(self.network)

    def run(
        self,
        until: int,
        one_epoch: Callable[[int], None],
        checkpoint: Path,
        recipe: Mapping[str, Any],
    ) -> None:
        """Every epoch that is not done; goes on from the checkpoint where one of the same recipe lies.

        Args:
            until: How many epochs there are to be.
            one_epoch: Learns from the epoch of a number, from 0.
            checkpoint: Rewritten after every epoch.
            recipe: All that the weights depend on, as JSON.
        """
        recipe = dict(recipe)
        if (state := checkpoints.load(checkpoint, recipe)) is not None:
            self._restore(state)
        for epoch in range(self.epoch, until):
            began_s = time.monotonic()
            one_epoch(epoch)
            self.minutes += (time.monotonic() - began_s) / 60
            self.epoch = epoch + 1
            checkpoints.save(checkpoint, self._state() | {"recipe": recipe})

    def averaged(self) -> Network:
        """The network with the averaged weights, on the CPU, in evaluation mode; ends the training."""
        self.network.load_state_dict(self.average.values)
        return self.network.cpu().eval()

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.values,
            "steps": self.average.steps,
            "epoch": self.epoch,
            "minutes": self.minutes,
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.average.values, self.average.steps = state["average"], state["steps"]
        self.epoch, self.minutes = state["epoch"], state["minutes"]
