"""Displacement: whether a picture is the reference image, shifted or rotated. Pure.

ORB features (Rublee et al., 2011) of both are matched, and the similarity that most of them agree on
(RANSAC) is tried: only if moving the picture back makes it more like the old one has it moved. What
cannot be matched, as at night, says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.perception.view_health.features import like

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.perception.view_health.features import Luma, Mask

LIKE_ENOUGH = 0.6
"""A picture of which so much is like the old one has not moved; no more is asked."""
BETTER_BY = 0.15
"""By so much more must be alike when the picture is moved back."""
MIN_MATCHES = 12
FEATURES = 400


class Mover:
    """Compares pictures with one reference image.

    Args:
        luma: That picture, uint8 (h, w).
        structured: Its cells by which it can be known.
    """

    def __init__(self, luma: Luma, structured: Mask) -> None:
        self._luma, self._structured = luma, structured
        self._orb = cv2.ORB.create(FEATURES, scaleFactor=1.3, nlevels=4, fastThreshold=8)
        self._points, self._marks = self._orb.detectAndCompute(_evened(luma), None)

    def share_like(self, luma: Luma) -> float:
        """The share of the structured cells that look as they did."""
        if not self._structured.any():
            return 1.0
        return float(like(self._luma, luma)[self._structured].mean())

    def moved_by(self, luma: Luma) -> float | None:
        """How far the picture has moved, as a share of its width: at the corner that moved most.

        Returns:
            0 if it has not; None if that cannot be told.
        """
        alike = self.share_like(luma)
        if alike >= LIKE_ENOUGH:
            return 0.0
        transform = self._transform(luma)
        if transform is None:
            return None
        height, width = luma.shape
        back = cv2.warpAffine(
            luma,
            transform,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.uint8)
        inside = cv2.warpAffine(
            np.ones_like(luma), transform, (width, height), flags=cv2.WARP_INVERSE_MAP
        )
        rows, columns = self._structured.shape
        covered = cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA) > 0
        known = self._structured & covered
        if known.sum() < MIN_MATCHES:
            return None
        same = like(self._luma, luma)[known].mean()
        if like(self._luma, back)[known].mean() < same + BETTER_BY:
            return None
        return _furthest(transform, width, height)

    def _transform(self, luma: Luma) -> NDArray[np.float64] | None:
        """From the old picture's pixels to this one's, (2, 3)."""
        points, marks = self._orb.detectAndCompute(_evened(luma), None)
        if self._marks is None or marks is None or min(len(marks), len(self._marks)) < 2:
            return None
        matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
        matches = matcher.match(self._marks, marks)
        if len(matches) < MIN_MATCHES:
            return None
        old = np.array([self._points[each.queryIdx].pt for each in matches])
        new = np.array([points[each.trainIdx].pt for each in matches])
        transform, inliers = cv2.estimateAffinePartial2D(old, new, ransacReprojThreshold=2.0)
        if transform is None or int(inliers.sum()) < MIN_MATCHES:
            return None
        scale = float(np.hypot(transform[0, 0], transform[1, 0]))
        return np.asarray(transform, np.float64) if 0.7 < scale < 1.4 else None


def _evened(luma: Luma) -> Luma:
    """The same picture in an even light, so that dusk leaves it its features."""
    return cv2.createCLAHE(3.0, (8, 8)).apply(luma).astype(np.uint8)


def _furthest(transform: NDArray[np.float64], width: int, height: int) -> float:
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height), (width / 2, height / 2)])
    moved = corners @ transform[:, :2].T + transform[:, 2]
    return float(np.median(np.hypot(*(moved - corners).T)) / width)
