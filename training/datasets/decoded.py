"""Pictures decoded once: small enough for a training, and read as fast as the memory gives them.

A JPEG of a phone takes 60 ms to decode, ten times what is done with it in a step. Kept as plain
arrays they are mapped into memory, and a window of one costs the reading of that window.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from training.datasets.augment import Picture

LONGEST_PX = 1280


class Decoded:
    """The pictures of the sets, shrunk to a longest side, decoded at the first call for each.

    Args:
        folder: Where the arrays are kept; nothing of it belongs to the project.
        longest_px: Pictures that are larger are shrunk to it.
    """

    def __init__(self, folder: Path, longest_px: int = LONGEST_PX) -> None:
        self._folder, self._longest_px = folder, longest_px

    def __call__(self, path: Path) -> tuple[Picture, float]:
        """The picture, (h, w, 3) BGR, read-only, and its size as a share of the file's.

        Raises:
            FileNotFoundError: The file is missing or no picture.
        """
        facts = path.stat()
        name = f"{path.parent.name}~{path.stem}~{facts.st_size}~{facts.st_mtime_ns}"
        kept = self._folder / f"{name}.npy"
        scale = kept.with_suffix(".scale")
        if not scale.exists():
            return self._decode(path, kept, scale)
        picture: Picture = np.load(kept, mmap_mode="r")
        return picture, float(scale.read_text("ascii"))

    def _decode(self, path: Path, kept: Path, told: Path) -> tuple[Picture, float]:
        found = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if found is None:
            raise FileNotFoundError(path)
        scale = min(1.0, self._longest_px / max(found.shape[:2]))
        if scale < 1:
            found = cv2.resize(found, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = np.asarray(found, dtype=np.uint8)
        self._folder.mkdir(parents=True, exist_ok=True)
        np.save(kept, picture)
        told.write_text(repr(scale), "ascii")
        return picture, scale
