"""Moves zones from an old picture of a place onto a new one: a proposal, or none where the pictures do not agree. Pure.

ORB features (Rublee et al., 2011) of both pictures are matched, a match counting only if it is much better than the
next best (Lowe, 2004), and the perspective transform on which most of them agree is found (MAGSAC++: Barath et al.,
2020). Then the old picture is moved by it and held against the new one, cell by cell: what does not look alike
afterwards was not the same place, however many features agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from agent.perception.view_health.features import STRUCTURE, like, look_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from agent.domain.picture import Picture
    from agent.domain.scene import Point

    Floats = NDArray[np.float64]

MATCHED_PX, COMPARED_PX = 960, 320
"""Longer sides of the pictures in which features are matched, and that are held against each other."""
FEATURES = 3000
RATIO = 0.8
"""A match's distance for that of the next best: above it nobody knows which of the two it is."""
REPROJECTION_PX = 3.0
MIN_INLIERS, MIN_INLIER_SHARE = 25, 0.3
MIN_ALIKE = 0.5
"""So much of the structure that both show must look alike once the old picture is moved."""
MIN_COMMON = 0.2
"""So much of the new picture must the old one show."""
LEAST_SCALE, MOST_SCALE = 0.4, 2.5
MIN_CELLS = 30

Refusal = Literal["no_features", "few_matches", "implausible", "little_in_common", "not_alike"]


class NotAnchored(Exception):  # noqa: N818 - it is an answer, not a fault of the program
    """The new picture is not known to show the place of the old one."""

    def __init__(self, because: Refusal) -> None:
        super().__init__(because)
        self.because = because


@dataclass(frozen=True, slots=True)
class Anchoring:
    """How the old picture lies on the new one.

    Attributes:
        transform: Homography, (3, 3), from fractions of the old picture to fractions of the new one.
        certainty: How much of what both show looks alike once the old one is moved, 0 to 1.
        inliers: Features that agree.
        moved_by: How far the middle of the old picture has moved, as a share of the new one's width.
        hull: Where in the new picture features agree, as a polygon: within it the transform is known, beyond it
            carried on.
    """

    transform: Floats
    certainty: float
    inliers: int
    moved_by: float
    hull: tuple[Point, ...]

    def moved(self, polygon: Sequence[Point]) -> list[Point]:
        """A polygon of the old picture on the new one, cut at its edges; empty if it lies beyond them."""
        points = np.array([polygon], np.float64)
        x_y = cv2.perspectiveTransform(points, self.transform)[0]
        return _within_the_picture([(float(x), float(y)) for x, y in x_y])

    def knows(self, polygon: Sequence[Point]) -> bool:
        """Whether a polygon on the new picture lies mostly where features agree."""
        hull = np.array(self.hull, np.float32)
        middle = np.mean(np.array(polygon), axis=0)
        corners = [*polygon, (float(middle[0]), float(middle[1]))]
        inside = [cv2.pointPolygonTest(hull, (x, y), measureDist=False) >= 0 for x, y in corners]
        return sum(inside) * 2 >= len(inside)


def anchored(old: Picture, new: Picture) -> Anchoring:
    """Find how an old picture lies on a new one.

    Args:
        old: uint8, grey (h, w) or BGR (h, w, 3).
        new: The same.

    Raises:
        NotAnchored: They do not agree, and in what.
    """
    a, b = _grey(old, MATCHED_PX), _grey(new, MATCHED_PX)
    transform, before, after, tried = _matched(a, b)
    if len(before) < MIN_INLIERS or len(before) < MIN_INLIER_SHARE * tried:
        raise NotAnchored("few_matches")
    scale_a, scale_b = _to_fractions(a), _to_fractions(b)
    in_fractions = scale_b @ transform @ np.linalg.inv(scale_a)
    if not _plausible(in_fractions):
        raise NotAnchored("implausible")
    certainty = _alike(_grey(old, COMPARED_PX), _grey(new, COMPARED_PX), in_fractions)
    middle = cv2.perspectiveTransform(np.array([[[0.5, 0.5]]]), in_fractions)[0, 0]
    hull = cv2.convexHull((after @ scale_b[:2, :2]).astype(np.float32))[:, 0]
    return Anchoring(
        in_fractions,
        certainty,
        len(before),
        float(np.hypot(*(middle - 0.5))),
        tuple((float(x), float(y)) for x, y in hull),
    )


def _grey(picture: Picture, longer_px: int) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
    scale = min(1.0, longer_px / max(grey.shape))
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _to_fractions(grey: NDArray[np.uint8]) -> Floats:
    return np.diag([1 / grey.shape[1], 1 / grey.shape[0], 1.0])


def _matched(old: NDArray[np.uint8], new: NDArray[np.uint8]) -> tuple[Floats, Floats, Floats, int]:
    """The transform in pixels, the points that agree on it in both pictures, and how many were matched."""
    orb = cv2.ORB.create(FEATURES, scaleFactor=1.2, nlevels=8, fastThreshold=8)
    evened = cv2.createCLAHE(3.0, (8, 8))
    (points_a, marks_a), (points_b, marks_b) = (
        orb.detectAndCompute(evened.apply(each), None) for each in (old, new)
    )
    if marks_a is None or marks_b is None or min(len(marks_a), len(marks_b)) < MIN_INLIERS:
        raise NotAnchored("no_features")
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(marks_a, marks_b, k=2)
    good = [
        pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance
    ]
    if len(good) < MIN_INLIERS:
        raise NotAnchored("few_matches")
    a = np.array([points_a[each.queryIdx].pt for each in good])
    b = np.array([points_b[each.trainIdx].pt for each in good])
    transform, agree = cv2.findHomography(a, b, cv2.USAC_MAGSAC, REPROJECTION_PX)
    if transform is None:
        raise NotAnchored("few_matches")
    kept = agree.ravel().astype(bool)
    return np.asarray(transform, np.float64), a[kept], b[kept], len(good)


def _plausible(transform: Floats) -> bool:
    """Whether the picture stays the right way up and round, and is made neither tiny nor huge."""
    corners = np.array([[(0, 0), (1, 0), (1, 1), (0, 1)]], np.float64)
    depth = np.array([transform[2] @ (x, y, 1) for x, y in corners[0]])
    if (depth <= 0).any():  # a corner would lie behind the camera
        return False
    moved = cv2.perspectiveTransform(corners, transform).astype(np.float32)
    area = float(cv2.contourArea(moved, oriented=True))
    return bool(cv2.isContourConvex(moved)) and LEAST_SCALE**2 < area < MOST_SCALE**2


def _alike(old: NDArray[np.uint8], new: NDArray[np.uint8], transform: Floats) -> float:
    """How much of what both show looks alike once the old picture is moved onto the new one.

    Raises:
        NotAnchored: It is too little, or they have too little in common.
    """
    height, width = new.shape
    in_pixels = np.linalg.inv(_to_fractions(new)) @ transform @ _to_fractions(old)
    moved = cv2.warpPerspective(old, in_pixels, (width, height), borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.warpPerspective(np.full_like(old, 255), in_pixels, (width, height))
    look = look_at(new)
    rows, columns = look.shape
    covered = cv2.resize(shown, (columns, rows), interpolation=cv2.INTER_AREA) > 250
    if covered.mean() < MIN_COMMON:
        raise NotAnchored("little_in_common")
    known = covered & (look.coarse >= STRUCTURE)
    if known.sum() < MIN_CELLS:
        raise NotAnchored("little_in_common")
    alike = float(like(moved.astype(np.uint8), new)[known].mean())
    if alike < MIN_ALIKE:
        raise NotAnchored("not_alike")
    return alike


def _within_the_picture(polygon: list[Point]) -> list[Point]:
    """A polygon, cut at the picture's four edges (Sutherland and Hodgman, 1974)."""
    for axis, edge, below in ((0, 0.0, False), (0, 1.0, True), (1, 0.0, False), (1, 1.0, True)):
        cut: list[Point] = []
        for index, now in enumerate(polygon):
            last = polygon[index - 1]
            was, is_ = (
                (point[axis] <= edge if below else point[axis] >= edge) for point in (last, now)
            )
            if was != is_:
                share = (edge - last[axis]) / (now[axis] - last[axis])
                other = last[1 - axis] + share * (now[1 - axis] - last[1 - axis])
                cut.append((edge, other) if axis == 0 else (other, edge))
            if is_:
                cut.append(now)
        polygon = cut
    return polygon
