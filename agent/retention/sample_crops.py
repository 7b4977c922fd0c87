"""Retention of crops collected for labelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SampleCrops:
    """The crops of one device; see :mod:`agent.analysis.sample_collection`.

    Attributes:
        folder: Their folder, with one subfolder per kind of case.
        days: Retention period in days.
    """

    folder: Path
    days: float

    def names(self) -> set[str]:
        """The names of all crops."""
        return {str(path.relative_to(self.folder)) for path in self.folder.glob("*/*.jpg")}

    def delete(self, name: str) -> None:
        """Delete a crop, then its metadata: a crop must never exist without the record of its consent.

        Raises:
            OSError: It could not be deleted.
        """
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
