"""Promises about what is kept beside a picture so that it can be redacted later."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.scene import WHOLE_FRAME, Box, Detection
from agent.evidence.picture_context import (
    MAX_BYTES,
    MAX_SEEN,
    ContextError,
    PictureContext,
)

CONTEXT = PictureContext(
    width_px=1280,
    height_px=720,
    crop=Box(0.25, 0.5, 0.75, 1.0),
    captured_at=datetime(2026, 5, 4, 8, 30, tzinfo=UTC),
    seen=(Detection("person", 0.07, Box(0.3, 0.5, 0.35, 0.8)),),
    moved=(Box(0.5, 0.6, 0.55, 0.7),),
    own=(Box(0.4, 0.6, 0.6, 0.9),),
    masks_applied=True,
    view="steady",
    background=True,
)


def written(**changed: Any) -> bytes:
    return json.dumps(json.loads(CONTEXT.to_json()) | changed).encode()


def test_what_was_written_is_read_again() -> None:
    assert PictureContext.from_json(CONTEXT.to_json().encode()) == CONTEXT


fraction = st.integers(0, 10**5).map(lambda part: part / 10**5)
boxes = st.builds(
    lambda xs, ys: Box(min(xs), min(ys), max(xs), max(ys)),
    st.tuples(fraction, fraction),
    st.tuples(fraction, fraction),
)


@given(st.lists(boxes, max_size=20), st.sampled_from(["steady", "moved", "unknown"]), st.booleans())
def test_any_boxes_come_back_as_they_were(moved: list[Box], view: Any, known: bool) -> None:
    context = replace(CONTEXT, moved=tuple(moved), view=view, background=known)
    assert PictureContext.from_json(context.to_json().encode()) == context


def test_what_a_tracker_foretells_beyond_the_frame_is_kept_up_to_its_edge() -> None:
    context = replace(CONTEXT, own=(Box(-0.1, 0.5, 0.2, 1.3),))
    assert PictureContext.from_json(context.to_json().encode()).own == (Box(0.0, 0.5, 0.2, 1.0),)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "damaged"),
        (CONTEXT.to_json().encode()[:-20], "damaged"),
        (b'{"version":1,"version":1}', "twice"),
        (b"[]", "damaged"),
        (written(version=2), "version"),
        (written(width_px=0), "width_px"),
        (written(width_px="1280"), "width_px"),
        (written(crop=[0.5, 0.5, 0.5, 1.0]), "crop"),
        (written(captured_at="2026-05-04T08:30:00"), "captured_at"),
        (written(moved=[[0.5, 0.5, 0.4, 0.6]]), "moved.0"),
        (written(moved=[[0.5, 0.5, 1.4, 0.6]]), "moved.0.2"),
        (written(own=[[0.5, 0.5]]), "own.0"),
        (written(masks_applied="yes"), "masks_applied"),
        (written(view="sideways"), "view"),
        (written(beside=1), "beside"),
        (written(seen=[["person", 0.1, [0, 0, 1, 1]]] * (MAX_SEEN + 1)), "seen"),
        (b" " * (MAX_BYTES + 1), str(MAX_BYTES)),
    ],
)
def test_a_damaged_context_is_refused_and_the_place_named(content: bytes, what: str) -> None:
    with pytest.raises(ContextError, match=what):
        PictureContext.from_json(content)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ContextError, match=r"width_px.*view"):
        PictureContext.from_json(written(width_px=0, view="sideways"))


@given(st.binary(max_size=200))
def test_no_file_does_more_harm_than_to_be_refused(content: bytes) -> None:
    with pytest.raises(ContextError):
        PictureContext.from_json(content)


def test_more_than_is_read_again_is_not_written() -> None:
    with pytest.raises(ContextError, match="seen"):
        replace(CONTEXT, seen=CONTEXT.seen * (MAX_SEEN + 1)).to_json()


def test_a_close_up_shows_of_a_box_what_lies_in_its_crop() -> None:
    assert CONTEXT.shown(Box(0.25, 0.5, 0.5, 0.75)) == Box(0.0, 0.0, 0.5, 0.5)
    assert CONTEXT.shown(Box(0.0, 0.0, 1.0, 1.0)) == WHOLE_FRAME
    assert CONTEXT.shown(Box(0.0, 0.0, 0.2, 1.0)) is None
