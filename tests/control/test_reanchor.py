"""The running agent proposes where zones of an old picture lie now, or says why it cannot."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agent.analysis import reference_image
from agent.control.client import Call
from agent.control.errors import RefusedError
from agent.control.messages.reanchor import AskReanchor, OldZone, ReanchorReply
from drivers import pictures
from tests.support.paths import ROOT
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.scenes import frame_of
from tests.support.waiting import wait_until

__all__ = ["corner_at"]
CLIP = ROOT / "examples" / "street" / "clip.mp4"
ZONE = [(0.3, 0.5), (0.6, 0.5), (0.65, 0.8), (0.25, 0.8)]


def watching_the_clip(corner_at: type, path: Path = CLIP) -> WatchedCorner:
    """``path``: another film, or one picture: then chance chooses no moment of the street."""
    camera = {"camera_id": "street", "driver": "video_file"}
    settings = {"path": str(path), "pace": "real_time", "loop": True}
    corner: WatchedCorner = corner_at(cameras=[camera | {"settings": settings}])
    corner.start()
    return corner


def old_picture(matrix: Any = None) -> str:
    opened = cv2.VideoCapture(str(CLIP))
    read, bgr = opened.read()
    opened.release()
    assert read
    if matrix is not None:
        bgr = cv2.warpAffine(bgr, np.array(matrix, float), (1280, 720))
    done, encoded = cv2.imencode(".jpg", bgr)
    assert done
    return base64.b64encode(encoded.tobytes()).decode()


def proposal(agent: Call, asked: AskReanchor) -> ReanchorReply:
    found: list[ReanchorReply] = []

    def made() -> bool:
        try:
            found.append(agent.ask(asked)[0])
        except RefusedError as error:
            if error.code != "not_yet":
                raise
        return bool(found)

    wait_until(made)
    return found[0]


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """The clip's first picture."""
    path = tmp_path / "street.jpg"
    path.write_bytes(base64.b64decode(old_picture()))
    return path


def test_zones_of_a_camera_that_was_moved_are_proposed_where_they_belong(
    corner_at: type, street: Path
) -> None:
    corner = watching_the_clip(corner_at, street)
    zones = [OldZone(zone_id="kerb", polygon=ZONE)]
    # The old picture shows everything 128 pixels further right, and 36 further down.
    old = old_picture([[1, 0, 128], [0, 1, 36]])
    with corner.asked() as agent:
        found = proposal(agent, AskReanchor(camera_id="street", reference=old, zones=zones))
    [moved] = found.zones
    assert np.array(moved.polygon) == pytest.approx(np.array(ZONE) - (0.1, 0.05), abs=0.015)
    assert (moved.sure, moved.cut) == (True, False)
    assert 0.5 < found.certainty <= 1
    assert found.moved_by == pytest.approx(0.11, abs=0.02)


def test_without_an_old_picture_it_is_the_units_own_commissioning_picture(
    corner_at: type, street: Path
) -> None:
    corner = watching_the_clip(corner_at, street)
    zones = [OldZone(zone_id="kerb", polygon=ZONE)]
    asked = AskReanchor(camera_id="street", zones=zones)
    with corner.asked() as agent, pytest.raises(RefusedError) as caught:
        agent.ask(asked)
    assert caught.value.code == "no_reference"
    bgr = pictures.decoded(np.frombuffer(base64.b64decode(old_picture()), np.uint8))
    grey = np.asarray(cv2.resize(bgr, (320, 180))[..., 1], np.uint8)
    frame = replace(frame_of(grey, 0.0, "street"), bgr=lambda: bgr)
    reference_image.keep(corner.state_dir, frame, ())
    with corner.asked() as agent:
        found = proposal(agent, asked)
    assert np.array(found.zones[0].polygon) == pytest.approx(np.array(ZONE), abs=0.015)


def test_another_place_and_what_is_no_picture_are_refused(corner_at: type) -> None:
    corner = watching_the_clip(corner_at)
    zones = [OldZone(zone_id="kerb", polygon=ZONE)]
    noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
    done, encoded = cv2.imencode(".png", noise)
    assert done
    elsewhere = base64.b64encode(encoded.tobytes()).decode()
    for old, code in (
        (elsewhere, "uncertain"),
        ("bm8gcGljdHVyZQ==", "unreadable"),
        ("?", "unreadable"),
    ):
        with corner.asked() as agent, pytest.raises(RefusedError) as caught:
            proposal(agent, AskReanchor(camera_id="street", reference=old, zones=zones))
        assert caught.value.code == code
