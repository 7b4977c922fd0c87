"""Things set down in other streets: what stands there must be told by itself, not by its street.

Most real stalls stand in night markets, and none in the streets where bikes were photographed. A
thing is lifted off its ground by GrabCut (Rother et al., 2004) within its box and laid on a place of
another picture that has no stall. All kinds are laid, so that a seam says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets.augment import Picture, Random
from training.verifier.crops import Kept, opened, recoded

LEAST_COVER, MOST_COVER = 0.35, 0.97
LEAST_PX = 60
SEEN_PX = 200
"""GrabCut looks at a thing of so many pixels: enough for its outline, and fast."""


def outline(picture: Picture, box: tuple[int, int, int, int]) -> NDArray[np.float32] | None:
    """How much of each pixel of a box belongs to the thing in it, (h, w) from 0 to 1.

    Args:
        picture: The thing with its surroundings, (h, w, 3) BGR.
        box: Left, top, right, bottom in pixels.

    Returns:
        None where no sensible outline was found.
    """
    left, top, right, bottom = box
    scale = SEEN_PX / max(right - left, bottom - top)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    edges = [round(edge * scale) for edge in box]
    mask = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    mask[edges[1] : edges[3], edges[0] : edges[2]] = cv2.GC_PR_FGD
    wide, high = edges[2] - edges[0], edges[3] - edges[1]
    sure = mask[
        edges[1] + int(0.4 * high) : edges[1] + int(0.85 * high),
        edges[0] + int(0.3 * wide) : edges[0] + int(0.7 * wide),
    ]
    sure[:] = cv2.GC_FGD
    if not (mask == cv2.GC_BGD).any():
        return None
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, mask, None, *models, 2, cv2.GC_INIT_WITH_MASK)
    thing = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    thing = cv2.morphologyEx(thing, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    cover = thing[edges[1] : edges[3], edges[0] : edges[2]].astype(np.float32)
    if not LEAST_COVER < cover.mean() < MOST_COVER:
        return None
    cover = cv2.resize(cover, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), 1.2), np.float32)


def laid(thing: Kept, ground: Kept, random: Random) -> Kept | None:
    """A thing set down in another place, about as large as what was asked about there.

    Args:
        thing: A candidate with its surroundings.
        ground: A place without a stall; it keeps its light.
        random: Draws size, side and place.

    Returns:
        None where the thing has no outline or is too small.
    """
    picture, street = opened(thing), opened(ground).copy()
    height, width = picture.shape[:2]
    left, top, right, bottom = (
        round(edge * side)
        for edge, side in zip(thing.box, (width, height, width, height), strict=True)
    )
    if min(right - left, bottom - top) < LEAST_PX:
        return None
    cover = outline(picture, (left, top, right, bottom))
    if cover is None:
        return None
    patch = picture[top:bottom, left:right]
    if random.random() < 0.5:
        patch, cover = patch[:, ::-1], cover[:, ::-1]
    most = random.uniform(0.4, 0.6) * min(street.shape[:2])
    scale = most / max(patch.shape[:2])
    size = max(8, round(patch.shape[1] * scale)), max(8, round(patch.shape[0] * scale))
    patch = cv2.resize(np.ascontiguousarray(patch), size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(np.ascontiguousarray(cover), size, interpolation=cv2.INTER_AREA)[..., None]
    x = int(random.uniform(0.15, 0.85) * (street.shape[1] - size[0]))
    y = int(random.uniform(0.45, 0.95) * (street.shape[0] - size[1]))
    place = street[y : y + size[1], x : x + size[0]]
    lighter = np.clip((place.mean() + 40) / (patch.mean() + 40), 0.6, 1.6) ** 0.7
    place[:] = np.clip(patch * lighter * cover + place * (1 - cover), 0, 255).astype(np.uint8)
    box = (
        x / street.shape[1],
        y / street.shape[0],
        (x + size[0]) / street.shape[1],
        (y + size[1]) / street.shape[0],
    )
    return replace(thing, jpeg=recoded(street), box=box, night=ground.night)


def composites(
    things: Sequence[Kept], grounds: Sequence[Kept], count: int, random: Random
) -> list[Kept]:
    """Things set down in other places.

    Args:
        things: Labelled candidates of one kind.
        grounds: Places where there is nothing.
        count: How many to try; fewer come of things without an outline.
        random: Draws.
    """
    found = []
    for _ in range(count):
        thing = things[int(random.integers(len(things)))]
        ground = grounds[int(random.integers(len(grounds)))]
        made = laid(thing, ground, random)
        if made is not None:
            found.append(replace(made, source="composite"))
    return found
