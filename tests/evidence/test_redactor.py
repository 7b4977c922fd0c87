"""Promises about the copy of a picture that may leave the device."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
import pytest

from agent import inference
from agent.domain.scene import WHOLE_FRAME, Box, Detection
from agent.evidence.picture_context import PictureContext
from agent.evidence.redactor import (
    POINTING_PX,
    PREVIEW_PX,
    NotRedacted,
    NotRedactedReason,
    Redactor,
    shrunk,
)
from agent.perception.redaction import CELLS
from drivers.cameras import Picture
from tests.support.paths import ROOT

PEOPLE_AT_S = 26
"""In the example clip a group of people walks past then."""


@pytest.fixture(scope="module")
def street() -> Picture:
    clip = cv2.VideoCapture(str(ROOT / "examples" / "street" / "clip.mp4"))
    clip.set(cv2.CAP_PROP_POS_MSEC, PEOPLE_AT_S * 1000)
    read, bgr = clip.read()
    clip.release()
    assert read
    return np.asarray(bgr, np.uint8)


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(inference.open_detector("street", 1))


def context_of(bgr: Picture, **known: Any) -> PictureContext:
    context = PictureContext(
        width_px=bgr.shape[1],
        height_px=bgr.shape[0],
        crop=WHOLE_FRAME,
        captured_at=datetime(2026, 5, 4, tzinfo=UTC),
        seen=(),
        moved=(),
        own=(),
        masks_applied=True,
        view="steady",
        background=True,
    )
    return replace(context, **known)


def patches(bgr: Picture, box: Box) -> int:
    """How many colours are in a part of a picture."""
    part = box.cut_pixels(bgr.shape[1], bgr.shape[0]).cut(bgr)
    return len(np.unique(part.reshape(-1, 3), axis=0))


def test_of_everybody_whom_the_detector_sees_no_head_is_left(
    street: Picture, redactor: Redactor
) -> None:
    before = street.copy()
    done = redactor.redact(street, context_of(street))
    assert (street == before).all(), "the original stays as it was taken"
    seen = inference.open_detector("street", 1).detect_faint(street)
    people = [each.box for each in seen if each.label == "person" and each.confidence > 0.4]
    assert people, "there must be people in view, or nothing is tested"
    for person in people:
        head = Box(person.left, person.top, person.right, person.top + 0.15 * person.height)
        # Its own patches, and those of a few neighbours'.
        assert patches(done.bgr, head) <= 6 * CELLS * CELLS < patches(street, head)
    assert 0 < done.share_of_picture < 0.6


EMPTY = np.full((240, 320, 3), 128, np.uint8) + np.random.default_rng(1).integers(
    0, 8, (240, 320, 3), np.uint8
)


def test_who_was_seen_or_moved_only_in_the_seconds_before_is_hidden_too(redactor: Redactor) -> None:
    person, moved = Box(0.1, 0.2, 0.2, 0.9), Box(0.7, 0.3, 0.8, 0.8)
    known = context_of(EMPTY, seen=(Detection("person", 0.2, person),), moved=(moved,))
    done = redactor.redact(EMPTY, known)
    assert patches(done.bgr, Box(0.1, 0.2, 0.2, 0.35)) <= CELLS * CELLS
    assert patches(done.bgr, moved) <= 2 * CELLS * CELLS
    assert patches(done.bgr, Box(0.4, 0.1, 0.5, 0.2)) > 50


def test_a_close_up_hides_the_head_of_somebody_whom_it_shows_in_part(redactor: Redactor) -> None:
    person = Detection("person", 0.9, Box(0.45, 0.5, 0.55, 1.0))
    known = context_of(EMPTY, crop=Box(0.4, 0.4, 0.6, 0.6), seen=(person,))
    done = redactor.redact(EMPTY, known)
    assert patches(done.bgr, Box(0.26, 0.51, 0.74, 0.99)) <= CELLS * CELLS
    assert patches(done.bgr, Box(0.0, 0.0, 0.1, 0.3)) > 50


def test_it_is_told_how_much_of_the_case_is_hidden(redactor: Redactor) -> None:
    own, person = Box(0.2, 0.5, 0.6, 0.9), Box(0.3, 0.4, 0.5, 0.95)
    known = context_of(EMPTY, own=(own,), seen=(Detection("person", 0.9, person),))
    done = redactor.redact(EMPTY, known)
    changed = (done.bgr != EMPTY).any(axis=2)
    assert not changed[~done.hidden].any()
    mine = own.cut_pixels(320, 240).cut(done.hidden)
    assert done.share_of_case == pytest.approx(float(mine.mean()))
    assert done.share_of_picture == pytest.approx(float(done.hidden.mean()))
    assert float(changed.mean()) == pytest.approx(done.share_of_picture, abs=0.02)
    assert redactor.redact(EMPTY, context_of(EMPTY)).share_of_case == 0.0


def detail(bgr: Picture, box: Box) -> float:
    """How much there is to see in a part of a picture that is 480 wide."""
    small = shrunk(bgr, PREVIEW_PX)
    part = box.cut_pixels(small.shape[1], small.shape[0]).cut(small)
    return float(np.abs(cv2.Laplacian(part, cv2.CV_64F)).mean())


def test_a_preview_shows_no_head_either_and_is_too_small_for_one(
    street: Picture, redactor: Redactor
) -> None:
    preview, seen = redactor.preview(street, context_of(street))
    assert max(preview.shape[:2]) == PREVIEW_PX
    people = [each.box for each in seen if each.label == "person" and each.confidence > 0.4]
    assert people, "there must be people in view, or nothing is tested"
    heads = [Box(each.left, each.top, each.right, each.top + 0.15 * each.height) for each in people]
    left, there = (sum(detail(shown, head) for head in heads) for shown in (preview, street))
    assert left < 0.5 * there
    assert all(detail(preview, head) < detail(street, head) for head in heads)


@pytest.mark.parametrize("known", [{"background": False}, {"view": "moved"}], ids=str)
def test_while_a_camera_is_pointed_the_preview_is_smaller_still(
    street: Picture, redactor: Redactor, known: dict[str, Any]
) -> None:
    preview, _ = redactor.preview(street, context_of(street, **known))
    assert max(preview.shape[:2]) == POINTING_PX


def test_a_preview_without_the_sites_masks_or_without_a_model_is_none(redactor: Redactor) -> None:
    for refusing, context, reason in (
        (redactor, None, NotRedactedReason.CONTEXT_MISSING),
        (redactor, context_of(EMPTY, masks_applied=False), NotRedactedReason.MASKS_NOT_APPLIED),
        (Redactor(None), context_of(EMPTY), NotRedactedReason.MODEL_REFUSED),
    ):
        with pytest.raises(NotRedacted) as caught:
            refusing.preview(EMPTY, context)
        assert caught.value.reason == reason


class UmbrellaSeer:
    """A detector that sees one umbrella wherever it looks at the whole picture."""

    input_size_px: tuple[int, int] = (416, 416)

    def __init__(self, box: Box, score: float) -> None:
        self._found = Detection("umbrella", score, box)

    def detect_faint(self, bgr: Picture) -> list[Detection]:
        return [self._found]


@pytest.mark.parametrize(
    ("umbrella", "score", "stays"),
    [
        (Box(0.25, 0.2, 0.75, 0.48), 0.6, True),
        (Box(0.25, 0.2, 0.75, 0.48), 0.2, False),
        (Box(0.25, 0.0, 0.75, 0.2), 0.6, False),
    ],
    ids=["over it", "unsure", "elsewhere"],
)
def test_the_umbrella_over_a_stall_is_part_of_it(umbrella: Box, score: float, stays: bool) -> None:
    stall = Box(0.3, 0.5, 0.7, 0.9)
    known = context_of(EMPTY, own=(stall,), moved=(umbrella,))
    done = Redactor(UmbrellaSeer(umbrella, score)).redact(EMPTY, known)
    mine = umbrella.cut_pixels(320, 240).cut(done.hidden)
    assert mine[:, 40:-40].any() != stays


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"masks_applied": False}, NotRedactedReason.MASKS_NOT_APPLIED),
        ({"view": "moved"}, NotRedactedReason.VIEW_MOVED),
        ({"background": False}, NotRedactedReason.NO_BACKGROUND),
        ({"width_px": 321}, NotRedactedReason.PICTURE_DAMAGED),
    ],
)
def test_what_cannot_be_redacted_does_not_leave_and_the_reason_is_told(
    known: dict[str, Any], why: NotRedactedReason, redactor: Redactor
) -> None:
    with pytest.raises(NotRedacted) as refused:
        redactor.redact(EMPTY, context_of(EMPTY, **known))
    assert refused.value.reason is why


def test_without_a_context_or_a_model_nothing_leaves(redactor: Redactor) -> None:
    with pytest.raises(NotRedacted, match="context_missing"):
        redactor.redact(EMPTY, None)
    with pytest.raises(NotRedacted, match="model_refused"):
        Redactor(None).redact(EMPTY, context_of(EMPTY))
    with pytest.raises(NotRedacted, match="picture_damaged"):
        redactor.redact(EMPTY[..., 0], context_of(EMPTY))
