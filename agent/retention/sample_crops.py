"""Crops that were kept for labelling: they go after their days, like everything by lived time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Crops:
    """The crops of one device; see :mod:`agent.analysis.sample_collection`.

    Attributes:
        folder: Where they lie, by the kind of case they are about.
        days: For how long each is kept.
    """

    folder: Path
    days: float

    def names(self) -> set[str]:
        """Of all that there are."""
        return {str(path.relative_to(self.folder)) for path in self.folder.glob("*/*.jpg")}

    def delete(self, name: str) -> None:
        """Delete one with its facts: these last, for a crop must not be without its consent.

        Raises:
            OSError: The disk did not let it.
        """
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
