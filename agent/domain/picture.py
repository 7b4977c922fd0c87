"""Pictures as judging knows them; a :class:`drivers.cameras.Frame` is a :class:`Frame` of this kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

Picture: TypeAlias = NDArray[np.uint8]
"""Grey (h, w) or BGR (h, w, 3)."""

PictureFault = Literal["cut", "dark", "hidden", "small", "no_ten_seconds", "below_720p"]
"""What is the matter with a picture that is to prove a case: a thing of it goes on beyond the frame; there was
hardly any light; people or vehicles stand before more than half of each of its things; what it shows measures
a few pixels; the two wide pictures are not known to be ten seconds apart; the camera's picture is smaller than
1280 × 720."""


class Frame(Protocol):
    """One picture of one camera."""

    @property
    def luma(self) -> Picture:
        """Brightness, uint8 (h, w)."""

    @property
    def bgr(self) -> Callable[[], Picture]:
        """Gives the colour picture, uint8 (H, W, 3), made only when asked for."""

    @property
    def monotonic_s(self) -> float:
        """When the picture was taken, on a clock that never goes back."""
