"""Applies the present masks to pictures that were taken before the masks were drawn."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.analysis.camera_pipeline import blacked_out
from agent.domain.scene import MASK, Box
from agent.perception.best_shot import MARGIN
from drivers.cameras import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.domain.scene import Zone


@dataclass(frozen=True, slots=True)
class Masks:
    """What of one camera's picture nobody may see by now.

    Attributes:
        zones: The masks.
        margin: What a close-up shows around its things at most, in parts of their size.
    """

    zones: tuple[Zone, ...] = ()
    margin: float = MARGIN

    def over(self, picture: Any) -> Any:
        """A whole picture, uint8 (h, w, 3), without what is masked."""
        frame = Frame("", 0, picture[..., 0], lambda: picture, 0.0, datetime.now(UTC))
        return blacked_out(frame, self.zones).bgr()

    def over_part(self, picture: Any, things: Sequence[Box]) -> Any:
        """A part of a picture that shows some things; all of it black if a mask may reach into it."""
        shows = functools.reduce(Box.union, things).grown(self.margin)
        hidden = any(shows.overlap(zone.box) for zone in self.zones)
        return np.zeros_like(picture) if hidden else picture


def masks_of(where: Path, camera_id: str) -> Masks:
    """What is masked at a camera of a site; the results of a replay were made with their masks.

    Raises:
        ConfigError: The site cannot be read.
    """
    from agent.config.in_force import of_device  # noqa: PLC0415 - a replay's results need no configuration

    if where.suffix != ".toml" and not (where / "site.toml").is_file():
        return Masks()
    site = of_device(where)
    zones = [section.zone for section in site.zones if section.camera_id == camera_id]
    return Masks(
        tuple(zone for zone in zones if zone.kind == MASK),
        max(MARGIN, site.evidence.close_up_margin),
    )
