"""Near-duplicate pictures share a group, and a group never straddles a split.

Pictures of one place taken seconds apart would otherwise sit on both sides, and a held-out figure
would measure memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray


def digest_of(path: Path) -> str:
    """The first 16 hex digits of a file's SHA-256: by them a picture is known again."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def join_similar(features: NDArray[np.float32], similarity: float) -> list[int]:
    """Single-linkage groups of pictures by cosine similarity.

    Args:
        features: (n, d), one row a picture; rows are normalised here.
        similarity: Two pictures at or above this cosine are joined.

    Returns:
        The group number of each picture; a group is named by its first member's index.
    """
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(length, 1e-9)
    parent = list(range(len(unit)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    cosine = unit @ unit.T
    for first, second in np.argwhere(np.triu(cosine >= similarity, k=1)):
        low, high = sorted((root(int(first)), root(int(second))))
        parent[high] = low
    return [root(index) for index in range(len(unit))]


def _draw(name: str, seed: int) -> float:
    """A number in [0, 1) that depends on the name and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_groups(groups: Sequence[str], seed: int, shares: Mapping[str, float]) -> dict[str, str]:
    """Give every group one part, filling the parts towards their share of the pictures.

    Args:
        groups: The group of each picture.
        seed: Orders the groups.
        shares: Part name to share of the pictures; the shares add up to 1.

    Returns:
        Group to part. Groups far larger than their fellows and than half the smallest share go to
        the first part, so that one place cannot be most of a held-out part.
    """
    sizes: dict[str, int] = {}
    for name in groups:
        sizes[name] = sizes.get(name, 0) + 1
    first = next(iter(shares))
    limit = max(median(sizes.values()), min(shares.values()) * len(groups) / 2)
    filled = dict.fromkeys(shares, 0)
    parts: dict[str, str] = {}
    for name in sorted(sizes, key=lambda each: (-sizes[each], _draw(each, seed))):
        room = {part: shares[part] * len(groups) - filled[part] for part in shares}
        part = first if sizes[name] > limit else max(room, key=lambda each: room[each])
        parts[name] = part
        filled[part] += sizes[name]
    return parts


def records(
    files: Sequence[str],
    paths: Sequence[Path],
    groups: Sequence[str],
    parts: Mapping[str, str],
) -> list[dict[str, Any]]:
    """What is published of a split: file, group and part of every picture, and by which digest
    :mod:`training.evaluate` knows it again.
    """
    return [
        {"file": file, "group": group, "part": parts[group], "digest": digest_of(path)}
        for file, path, group in zip(files, paths, groups, strict=True)
    ]
