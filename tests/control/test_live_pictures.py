"""Promises of a running agent's live pictures: redacted, with their figures, and at a bounded cost."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from agent.control.client import Call
from agent.control.errors import RefusedError
from agent.control.messages.base import Reply, Request
from agent.control.messages.pictures import (
    AskPicture,
    AskReference,
    AskTracks,
    PictureReply,
    TracksReply,
)
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.waiting import wait_until

__all__ = ["corner_at"]

Made = tuple[PictureReply, bytes]


def until_made(agent: Call, request: Request[PictureReply]) -> Made:
    """Ask again until it is made, as a page does."""
    found: list[Made] = []

    def asked() -> bool:
        try:
            found.append(agent.ask(request))
        except RefusedError as error:
            if error.code != "not_yet":
                raise
        return bool(found)

    wait_until(asked)
    return found[0]


def test_a_whole_picture_shows_the_street_and_says_how_it_is(corner_at: type) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    with corner.asked() as agent:
        wait_until(lambda: until_made(agent, AskPicture(camera_id="street"))[0].kind == "whole")
        reply, jpeg = until_made(agent, AskPicture(camera_id="street"))
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (reply.height_px, reply.width_px, 3)
    assert (reply.camera_width_px, reply.camera_height_px) == (640, 360)
    assert (reply.because, reply.commissioned, reply.view) == (None, False, "unknown")
    bikes = [each for each in reply.seen if each.label == "bicycle"]
    assert bikes, "the red thing stands there"
    left, _, right, bottom = bikes[0].box
    assert bikes[0].foot == pytest.approx(((left + right) / 2, bottom), abs=1e-3)
    assert 0 < reply.aim.brightness < 255
    assert reply.aim.sharpness > 0
    assert reply.aim.sharpness_share is None, "there is nothing to compare with"


def test_a_preview_is_small_and_there_before_anything_is_known_of_the_street(
    corner_at: type,
) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    with corner.asked() as agent:
        reply, jpeg = until_made(agent, AskPicture(camera_id="street", kind="preview"))
    assert reply.kind == "preview"
    assert max(reply.width_px, reply.height_px) <= 480
    assert jpeg[:2] == b"\xff\xd8"


def test_who_walks_is_followed_with_the_time_in_each_zone(corner_at: type) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    found: list[TracksReply] = []

    def followed(agent: Call) -> bool:
        try:
            reply, _ = agent.ask(AskTracks(camera_id="street"))
        except RefusedError as error:
            if error.code != "not_yet":
                raise
            return False
        found.append(reply)
        return any(zone.inside_s > 1 for each in reply.tracks for zone in each.zones)

    with corner.asked() as agent:
        wait_until(lambda: followed(agent))
    assert {each.label for each in found[-1].tracks} == {"bicycle"}
    stays = [zone for each in found[-1].tracks for zone in each.zones]
    assert {zone.zone_id for zone in stays} == {"kerb"}
    assert all(zone.stands_s is None or zone.stands_s <= zone.inside_s for zone in stays)
    assert found[-1].looked_share > 0.5


@pytest.mark.parametrize(
    "request_", [AskPicture, AskReference, AskTracks], ids=lambda each: each.verb
)
def test_a_camera_that_is_none_is_named_with_those_that_are(
    corner_at: type, request_: type[Request[Reply]]
) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    with corner.asked() as agent, pytest.raises(RefusedError, match="street") as caught:
        agent.ask(request_(camera_id="yard"))  # type: ignore[call-arg]
    assert caught.value.code == "unknown_camera"


def test_without_a_commissioning_picture_there_is_no_ghost(corner_at: type) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    with corner.asked() as agent, pytest.raises(RefusedError) as caught:
        agent.ask(AskReference(camera_id="street"))
    assert caught.value.code == "no_reference"


def test_without_the_network_that_finds_people_nothing_is_shown(corner_at: type) -> None:
    corner: WatchedCorner = corner_at()
    corner.start()
    (corner.folder / "models" / "street" / "model.onnx").write_bytes(b"damaged")
    with corner.asked() as agent, pytest.raises(RefusedError) as caught:
        until_made(agent, AskPicture(camera_id="street"))
    assert caught.value.code == "model_refused"
