"""The verb ``move``: a unit that hangs at another place knows nothing of the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from agent.analysis import reference_image
from agent.config.site_texts import SiteTexts
from agent.control.acceptance_folder import AcceptanceFolder
from agent.control.errors import RefusedError
from agent.control.messages.moving import AskMove, MoveReply
from wording.known_errors import words_of

if TYPE_CHECKING:
    from pathlib import Path

    from agent.control.configuration import Applying
    from agent.control.verbs import Caller

NO_ZONES = '{"zones": []}'
_AT_ONCE_S = 60.0


class Street(Protocol):
    """What the running agent knows of its street."""

    def forget_street(self) -> int:
        """End every open case as moved, and forget who stands where; gives how many cases ended."""


class Moving:
    """Ends what belongs to the old place: cases, commissioning pictures, acceptance, zones; then the agent starts again.

    Args:
        applying: Its configurations.
        street: What it knows.
        state_dir: Where the commissioning pictures are.
    """

    def __init__(self, applying: Applying, street: Street, state_dir: Path) -> None:
        self._applying, self._street, self._state_dir = applying, street, state_dir

    def move(self, asked: AskMove, caller: Caller) -> MoveReply:
        """Do it. Asked again after it was cut short, it does the rest."""
        self._applying.refuse_trial()
        now = self._applying.now
        zones = 0 if asked.keep_zones else len(now.configuration.zones)
        if zones:
            empty = SiteTexts(now.texts.site, NO_ZONES, redrawn=True)
            new, _ = self._applying.apply(
                empty, user=caller.user, through=caller.by, confirm_within_s=_AT_ONCE_S
            )
        withdrawn = (
            self._street.forget_street()
        )  # before the confirmation: moved, not drawn no more
        if zones:
            self._applying.confirm(new.number, user=caller.user, through=caller.by)
        try:
            cameras = [each.camera_id for each in now.configuration.cameras]
            pictures = sum(reference_image.forget(self._state_dir, each) for each in cameras)
            AcceptanceFolder(self._state_dir).withdraw()
        except OSError as error:
            raise RefusedError("disk", words_of(error)) from error
        self._applying.restart_soon()
        return MoveReply(withdrawn=withdrawn, pictures=pictures, zones=zones)
