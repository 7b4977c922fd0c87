"""The verbs ``picture``, ``reference`` and ``tracks``: what the running agent sees, for whoever is at the device."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from agent.analysis.live_pictures import NO_FRAME_S
from agent.control.errors import RefusedError
from agent.control.messages.base import Words
from agent.control.messages.pictures import (
    AimFigures,
    FollowedThing,
    PictureReply,
    ReferenceReply,
    SeenThing,
    TracksReply,
    ZoneStay,
)
from agent.evidence.redactor import NotRedactedReason
from drivers.pictures import size_of
from wording.known_errors import words_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from agent.analysis.live_pictures import LivePicture, LivePictures
    from agent.analysis.reference_image import ReferenceImage
    from agent.analysis.walk import Walked, WalkWatch
    from agent.control.messages.pictures import AskPicture, AskReference, AskTracks
    from agent.control.verbs import Caller
    from agent.domain.scene import Box, Detection

WHY_NOT_REDACTED = {
    NotRedactedReason.MODEL_REFUSED: said(
        "the network that finds people cannot be used: nothing is shown"
    ),
    NotRedactedReason.NO_BACKGROUND: said(
        "the background is not known yet, or the picture is quite another: it takes some seconds"
    ),
    NotRedactedReason.VIEW_MOVED: said("the camera does not look where it was commissioned"),
    NotRedactedReason.MASKS_NOT_APPLIED: said("what the site masks was not blackened"),
    NotRedactedReason.CONTEXT_MISSING: said("it is not known what was around"),
    NotRedactedReason.PICTURE_DAMAGED: said("the picture cannot be encoded"),
}
"""Why a picture is not shown, or only small."""


class PictureVerbs:
    """What answers them.

    Args:
        camera_ids: The site's.
        live: Makes the pictures.
        walk: Knows who is followed.
        reference: A camera's commissioning picture, as it is on the disk now; None: there is none.
    """

    def __init__(
        self,
        camera_ids: Collection[str],
        live: LivePictures,
        walk: WalkWatch,
        reference: Callable[[str], ReferenceImage | None],
    ) -> None:
        self._camera_ids, self._live, self._walk = tuple(camera_ids), live, walk
        self._reference = reference

    def picture(self, asked: AskPicture, _: Caller) -> tuple[PictureReply, bytes]:
        """The newest picture of a camera."""
        camera_id = self._known(asked.camera_id)
        try:
            made = self._live.newest(camera_id, asked.kind)
        except TimeoutError as error:
            raise RefusedError(
                "no_frame",
                said(
                    "camera {camera_id} has given no frame for {wait_s:.0f} s",
                    camera_id=camera_id,
                    wait_s=NO_FRAME_S,
                ),
            ) from error
        if made is None:
            raise _not_yet()
        if isinstance(made, NotRedactedReason):
            raise RefusedError(made.value, WHY_NOT_REDACTED[made])
        return self._told(camera_id, made), made.jpeg

    def _told(self, camera_id: str, made: LivePicture) -> PictureReply:
        because = None if made.why_small is None else Words.of(WHY_NOT_REDACTED[made.why_small])
        return PictureReply(
            camera_id=camera_id,
            kind=made.kind,
            because=because,
            captured_at=made.captured_at,
            width_px=made.size_px[0],
            height_px=made.size_px[1],
            camera_width_px=made.camera_size_px[0],
            camera_height_px=made.camera_size_px[1],
            view=made.view,
            commissioned=camera_id in self._live.references,
            seen=[_seen(each) for each in made.seen],
            aim=AimFigures.model_validate(asdict(made.aim)),
        )

    def reference(self, asked: AskReference, _: Caller) -> tuple[ReferenceReply, bytes]:
        """A camera's commissioning picture."""
        camera_id = self._known(asked.camera_id)
        kept = self._reference(camera_id)
        if kept is None:
            raise RefusedError(
                "no_reference",
                said("camera {camera_id} has no commissioning picture yet", camera_id=camera_id),
            )
        try:
            jpeg = kept.picture.read_bytes()
        except OSError as error:
            raise RefusedError("unreadable", words_of(error)) from error
        width_px, height_px = size_of(jpeg) or (0, 0)
        reply = ReferenceReply(
            camera_id=camera_id,
            taken_at=kept.taken_at,
            sha256=kept.sha256,
            width_px=width_px,
            height_px=height_px,
        )
        return reply, jpeg

    def tracks(self, asked: AskTracks, _: Caller) -> TracksReply:
        """Who and what is followed now."""
        camera_id = self._known(asked.camera_id)
        walk = self._walk.newest(camera_id)
        if walk is None:
            raise _not_yet()
        return TracksReply(
            camera_id=camera_id,
            at=walk.at,
            looked_share=round(walk.looked_share, 3),
            tracks=[_followed(each, walk.now_s) for each in walk.followed],
        )

    def _known(self, camera_id: str) -> str:
        if camera_id not in self._camera_ids:
            raise RefusedError(
                "unknown_camera",
                said(
                    "the site has no camera {camera_id!r}; it has: {known}",
                    camera_id=camera_id,
                    known=list(self._camera_ids),
                ),
            )
        return camera_id


def _not_yet() -> RefusedError:
    return RefusedError("not_yet", said("it is being made: ask again in a second"))


def _seen(found: Detection) -> SeenThing:
    return SeenThing(
        label=found.label,
        confidence=round(found.confidence, 3),
        box=_sides(found.box),
        foot=_foot(found.box),
    )


def _followed(walked: Walked, now_s: float) -> FollowedThing:
    track = walked.track
    still_s = None if track.still_since_s is None else max(0.0, now_s - track.still_since_s)
    stays = [
        ZoneStay(
            zone_id=zone_id,
            inside_s=round(inside_s, 1),
            stands_s=None if still_s is None else round(min(still_s, inside_s), 1),
        )
        for zone_id, inside_s in walked.zones.items()
    ]
    return FollowedThing(
        track_id=track.track_id,
        label=track.label,
        confidence=round(track.confidence, 3),
        box=_sides(track.box),
        foot=_foot(track.box),
        seen_now=track.seen_now,
        moves=track.still_since_s is None,
        zones=stays,
    )


def _sides(box: Box) -> tuple[float, float, float, float]:
    return round(box.left, 4), round(box.top, 4), round(box.right, 4), round(box.bottom, 4)


def _foot(box: Box) -> tuple[float, float]:
    x, y = box.foot
    return round(x, 4), round(y, 4)
