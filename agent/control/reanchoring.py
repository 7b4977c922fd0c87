"""The verb ``reanchor``: zones of a sister unit or an old site, proposed on what the camera sees now."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.control.errors import RefusedError
from agent.control.messages.base import Words
from agent.control.messages.pictures import AskPicture, AskReference
from agent.control.messages.reanchor import MovedZone, ReanchorReply
from agent.domain.polygons import area
from agent.perception.view_health.reanchoring import NotAnchored, anchored
from drivers import pictures
from wording.messages import said

if TYPE_CHECKING:
    from agent.control.live_pictures import PictureVerbs
    from agent.control.messages.reanchor import AskReanchor, OldZone
    from agent.control.verbs import Caller
    from agent.perception.view_health.reanchoring import Anchoring, Refusal
    from drivers.cameras import Picture

WHY_UNCERTAIN: dict[Refusal, str] = {
    "no_features": said("one of the pictures shows too little to be known by"),
    "few_matches": said("too few features of the old picture are found in the new one"),
    "implausible": said("no position of a camera explains what is found of the old picture"),
    "little_in_common": said("the new picture shows too little of what the old one shows"),
    "not_alike": said("moved as features say, the old picture does not look like the new one"),
}
SMALLEST = 1e-5
"""Of the picture: what is left of a zone below this is nothing."""
LOST = 0.02
"""A zone that lost more of its area than this at the picture's edge is cut."""


class Reanchoring:
    """What answers it.

    Args:
        pictures: Answers the verbs ``picture`` and ``reference``.
    """

    def __init__(self, pictures: PictureVerbs) -> None:
        self._pictures = pictures

    def reanchor(self, asked: AskReanchor, caller: Caller) -> ReanchorReply:
        """Where the zones would lie now."""
        if asked.reference is None:
            _, own = self._pictures.reference(AskReference(camera_id=asked.camera_id), caller)
            old = pictures.decoded(np.frombuffer(own, np.uint8))
        else:
            old = _old_picture(asked.reference)
        _, jpeg = self._pictures.picture(AskPicture(camera_id=asked.camera_id), caller)
        new = pictures.decoded(np.frombuffer(jpeg, np.uint8))
        try:
            found = anchored(old, new)
        except NotAnchored as error:
            raise RefusedError("uncertain", WHY_UNCERTAIN[error.because]) from error
        text = said(
            "a proposal: {alike:.0%} of what both pictures show is alike; look at every zone",
            alike=found.certainty,
        )
        return ReanchorReply(
            camera_id=asked.camera_id,
            zones=[_moved(each, found) for each in asked.zones],
            certainty=round(found.certainty, 3),
            inliers=found.inliers,
            moved_by=round(found.moved_by, 4),
            transform=found.transform.tolist(),
            text=Words.of(text),
        )


def _old_picture(encoded: str) -> Picture:
    try:
        content = base64.b64decode(encoded, validate=True)
        return pictures.decoded(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except (binascii.Error, pictures.PictureError) as error:
        raise RefusedError(
            "unreadable", said("the old picture must be a JPEG or PNG, as base64")
        ) from error


def _moved(zone: OldZone, found: Anchoring) -> MovedZone:
    polygon = found.moved(zone.polygon)
    if len(polygon) < 3 or area(polygon) < SMALLEST:
        return MovedZone(zone_id=zone.zone_id, polygon=[], cut=True, sure=False)
    whole = cv2.perspectiveTransform(np.array([zone.polygon], np.float64), found.transform)[0]
    cut = area(polygon) < (1 - LOST) * area([(float(x), float(y)) for x, y in whole])
    return MovedZone(
        zone_id=zone.zone_id,
        polygon=[(round(x, 4), round(y, 4)) for x, y in polygon],
        cut=bool(cut),
        sure=found.knows(polygon),
    )
