"""What a camera sees now, and what is followed in it: asked of the agent, for mounting, drawing and walking."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from agent.control.messages.pictures import (
    AskPicture,
    AskReference,
    AskTracks,
)
from provisioning.page.answers import PageError, both
from provisioning.page.page_words import BAD_REQUEST
from provisioning.wording import in_words
from provisioning.wording.labels import LABEL_WORDS

if TYPE_CHECKING:
    from typing import Any, Literal

    from agent.control.messages.pictures import PictureReply
    from provisioning.page.page import Call, Page

MOST_SEEN = 60
"""Things in one header: browsers take 256 kB of it, and nobody reads more of them on a phone."""
CAMERA_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def cameras(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """The cameras, with what their pictures measure; null where there is none yet."""
    return JSONResponse([_camera(page, name) for name in sorted(page.agent.status()["cameras"])])


def _camera(page: Page, name: str) -> dict[str, Any]:
    try:
        reply, _ = page.agent.ask(AskPicture(camera_id=name, kind="preview"))
    except PageError as error:
        return {
            "camera_id": name,
            "width_px": None,
            "height_px": None,
            "has_reference": None,
            "because": both(error.text),
        }
    return {
        "camera_id": name,
        "width_px": reply.camera_width_px,
        "height_px": reply.camera_height_px,
        "has_reference": reply.commissioned,
    }


def picture(page: Page, call: Call) -> Response:
    """The picture, redacted by the agent; what :func:`picture_facts` says of it stands in the header ``X-Picture``."""
    reply, jpeg = _asked(page, call, call.path["camera_id"])
    headers = {
        "x-captured-at": reply.captured_at.isoformat(),
        "x-picture": json.dumps(_facts(reply)),
    }
    return Response(jpeg, media_type="image/jpeg", headers=headers)


def picture_facts(page: Page, call: Call) -> Response:
    """What stands in the picture, and how well it is aimed, exposed and focused."""
    reply, _ = _asked(page, call, call.path["camera_id"])
    return JSONResponse(_facts(reply))


def _facts(reply: PictureReply) -> dict[str, Any]:
    facts = reply.model_dump(mode="json")
    facts["because"] = None if reply.because is None else both(reply.because.said())
    facts["seen"] = [each | {"name": _named(each["label"])} for each in facts["seen"][:MOST_SEEN]]
    return facts


def _named(label: str) -> str:
    words = LABEL_WORDS.get(label)
    return label if words is None else in_words(words.all_of_them)


def _asked(page: Page, call: Call, camera_id: str) -> tuple[PictureReply, bytes]:
    kind: Literal["whole", "preview"] = (
        "preview" if call.request.query_params.get("kind") == "preview" else "whole"
    )
    return page.agent.ask(AskPicture(camera_id=_name(camera_id), kind=kind))


def reference(page: Page, call: Call) -> Response:
    """The commissioning picture, redacted: laid over the live one while the camera is mounted."""
    reply, jpeg = page.agent.ask(AskReference(camera_id=_name(call.path["camera_id"])))
    headers = {"x-captured-at": reply.taken_at.isoformat()}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


def tracks(page: Page, call: Call) -> Response:
    """Who and what is followed, with foot and stay in each zone."""
    camera_id = _name(call.request.query_params.get("camera_id", ""))
    reply, _ = page.agent.ask(AskTracks(camera_id=camera_id))
    told = reply.model_dump(mode="json")
    told["tracks"] = [each | {"name": _named(each["label"])} for each in told["tracks"]]
    return JSONResponse(told)


def _name(text: str) -> str:
    if not CAMERA_ID.fullmatch(text):
        raise PageError(400, "bad_request", BAD_REQUEST)
    return text
