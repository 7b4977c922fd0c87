"""Where a training stands, so that it can go on after a stop. Written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint through a temporary file, so a kill leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ignore = path.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    half = path.with_suffix(".half")
    torch.save(state, half)
    half.replace(path)


def load(path: Path, recipe: dict[str, Any]) -> dict[str, Any] | None:
    """The last checkpoint of the same recipe, or None where there is none to go on from.

    Args:
        path: The checkpoint.
        recipe: Seed, epochs and picture counts; a checkpoint of another recipe is left alone.
    """
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return state if state["recipe"] == recipe else None


def fastest_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Average:
    """An exponential average of a network's weights; judged and exported in its place."""

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.values = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}

    def update(self, network: torch.nn.Module) -> None:
        """Take in the weights after one step; early steps weigh more."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, there in network.state_dict().items():
            value = there.detach().cpu()
            if value.dtype.is_floating_point:
                self.values[name].mul_(keep).add_(value, alpha=1 - keep)
            else:
                self.values[name].copy_(value)
