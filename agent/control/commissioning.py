"""Commissioning pictures of the running agent: of a camera's own last frame, with nobody in it.

What stands there for a minute would be missed as soon as it goes: later pictures are compared with this one. So a
picture with people or vehicles in it is not taken, and whoever wants one asks again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.analysis import reference_image
from agent.control.errors import RefusedError
from agent.control.messages.base import Words
from agent.control.messages.service import CommissionReply
from agent.domain.labels import LABELS, PEOPLE, VEHICLES
from agent.perception.redaction import sensitive_regions
from wording.known_errors import words_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.analysis.reference_image import ReferenceImage
    from agent.control.messages.service import AskCommission
    from agent.control.verbs import Caller
    from agent.domain.scene import Detection
    from drivers.cameras import Frame

THERE_FROM = 0.35
"""Score from which somebody is taken to be there: lower ones are seen in foliage at any time."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A camera's last frame, with the site's masks, and whatever may be seen in it, faint sights included."""

    frame: Frame
    seen: list[Detection]


class Commissioning:
    """Takes commissioning pictures.

    Args:
        state_dir: Where they are kept.
        camera_ids: Asked for the cameras of the site.
        look: Looks at a camera's last frame, in the analysis thread; None: it gives none now.
            Raises TimeoutError if the analysis did not come to it.
        hold: Lets a camera be compared with a picture from the next frame on; raises as ``look``.
    """

    def __init__(
        self,
        state_dir: Path,
        camera_ids: Callable[[], tuple[str, ...]],
        look: Callable[[str], Looked | None],
        hold: Callable[[str, ReferenceImage], object],
    ) -> None:
        self._state_dir, self._camera_ids = state_dir, camera_ids
        self._look, self._hold = look, hold

    def take(self, asked: AskCommission, _caller: Caller) -> CommissionReply:
        """One attempt.

        Raises:
            RefusedError: There is no such camera, it gives no frame, or the disk did not take the picture.
        """
        if asked.camera_id not in self._camera_ids():
            raise RefusedError(
                "no_camera",
                said(
                    "there is no camera {camera}; there are: {cameras}",
                    camera=asked.camera_id,
                    cameras=list(self._camera_ids()),
                ),
            )
        try:
            looked = self._look(asked.camera_id)
        except TimeoutError as error:
            raise RefusedError(
                "busy", said("the analysis did not come to it; ask again")
            ) from error
        if looked is None:
            raise RefusedError(
                "no_frame", said("camera {camera} gives no frame now", camera=asked.camera_id)
            )
        faults = reference_image.shortcomings(looked.frame.luma)
        found = _in_the_way(looked.seen)
        if faults or (found and not asked.anyway):
            because = faults[0] if faults else _in_words(found)
            return CommissionReply(stored=False, because=Words.of(because), found=found)
        kept = self._keep(asked.camera_id, looked)
        return CommissionReply(
            stored=True, found=found, sha256=kept.sha256, taken_at=looked.frame.captured_at
        )

    def _keep(self, camera_id: str, looked: Looked) -> ReferenceImage:
        height, width = looked.frame.bgr().shape[:2]
        sensitive = sensitive_regions(looked.seen, width / height)
        try:
            kept = reference_image.keep(self._state_dir, looked.frame, sensitive)
            self._hold(camera_id, kept)
        except (OSError, TimeoutError) as error:
            raise RefusedError("not_stored", words_of(error)) from error
        return kept


def _in_the_way(seen: list[Detection]) -> dict[str, int]:
    there = (each for each in seen if each.confidence >= THERE_FROM)
    return dict(
        Counter(LABELS[each.label].kind for each in there if each.label in PEOPLE | VEHICLES)
    )


def _in_words(found: dict[str, int]) -> str:
    return said(
        "there are {people} people and {vehicles} vehicles in it",
        people=found.get("person", 0),
        vehicles=found.get("vehicle", 0),
    )
