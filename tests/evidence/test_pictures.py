"""Promises about the pictures that prove a case."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import cv2
import pytest

from agent.domain.case_lifecycle import Change
from agent.domain.scene import Box
from agent.evidence.pictures import TRY_AGAIN_S, Evidence, EvidenceError
from agent.perception.best_shot import BestShot
from tests.support.cases import BIKE_CASE, CLEARED, FOUND, KIND, MEMBER, OPENED
from tests.support.scenes import frame_of, paving


def evidence(folder: Path) -> Evidence:
    return Evidence(folder, jpeg_quality=90, close_up_margin=0.5)


def test_a_case_has_a_picture_from_when_the_stay_began(tmp_path: Path) -> None:
    kept = evidence(tmp_path)
    for now_s in (100, 104, 108):
        kept.await_cases(KIND, {"kerb": 100.0}, frame_of(paving(seed=now_s), now_s))
    begin, threshold, close_up = kept.pictures_of(OPENED, frame_of(paving(), 110))
    assert [begin.role, threshold.role, close_up.role] == ["begin", "threshold", "close_up"]
    assert (threshold.captured_at - begin.captured_at).total_seconds() == 10


def test_the_first_picture_outlives_a_restart(tmp_path: Path) -> None:
    evidence(tmp_path).await_cases(KIND, {"kerb": 100.0}, frame_of(paving(), 100))
    roles = [
        picture.role for picture in evidence(tmp_path).pictures_of(OPENED, frame_of(paving(), 110))
    ]
    assert roles == ["begin", "threshold", "close_up"]


def test_the_first_picture_of_a_stay_that_came_to_nothing_is_deleted(tmp_path: Path) -> None:
    kept = evidence(tmp_path)
    kept.await_cases(KIND, {"kerb": 100.0}, frame_of(paving(), 100))
    assert list(tmp_path.rglob("*.jpg"))
    kept.await_cases(KIND, {}, frame_of(paving(), 104))
    assert list(tmp_path.rglob("*.jpg")) == []


def test_kinds_do_not_touch_each_others_first_pictures(tmp_path: Path) -> None:
    kept = evidence(tmp_path)
    kept.await_cases(KIND, {"kerb": 100.0}, frame_of(paving(), 100))
    kept.await_cases("street_vending", {}, frame_of(paving(), 101))
    assert len(list(tmp_path.rglob("*.jpg"))) == 1


def test_a_picture_on_the_disk_is_the_one_the_event_names(tmp_path: Path) -> None:
    kept = evidence(tmp_path)
    for picture in kept.pictures_of(OPENED, frame_of(paving(), 110)):
        content = (tmp_path / picture.file).read_bytes()
        decoded = cv2.imread(str(tmp_path / picture.file))
        assert decoded is not None
        assert sha256(content).hexdigest() == picture.sha256
        assert decoded.shape[:2] == (picture.height_px, picture.width_px)


def test_the_close_up_shows_the_thing_and_a_margin_around_it(tmp_path: Path) -> None:
    [_, close_up] = evidence(tmp_path).pictures_of(OPENED, frame_of(paving(), 110))
    assert close_up.width_px == pytest.approx(0.2 * 320, abs=2)
    assert close_up.height_px == pytest.approx(0.2 * 180, abs=2)


def test_the_close_up_of_a_hidden_bike_is_the_view_that_showed_it(tmp_path: Path) -> None:
    before = frame_of(paving(), 104)
    shown = BestShot(before.bgr()[60:120, 100:200], Box(0, 0, 1, 1), True, 1.0, before.monotonic_s)
    [_, close_up] = evidence(tmp_path).pictures_of(OPENED, frame_of(paving(), 110), close_up=shown)
    assert (close_up.width_px, close_up.height_px) == (100, 60)
    assert close_up.captured_at == before.captured_at


@pytest.mark.parametrize(
    "box", [Box(0.9, 0.9, 1, 1), Box(1, 1, 1, 1), Box(0, 0, 0, 0), Box(0.3, 1, 0.5, 1)]
)
def test_a_close_up_at_the_pictures_edge_shows_something(tmp_path: Path, box: Box) -> None:
    case = replace(BIKE_CASE, members=(replace(MEMBER, box=box),))
    change = replace(OPENED, case=case)
    [_, close_up] = evidence(tmp_path).pictures_of(change, frame_of(paving(), 110))
    assert close_up.width_px >= 1
    assert close_up.height_px >= 1


def test_a_cleared_case_has_an_after_picture(tmp_path: Path) -> None:
    [after] = evidence(tmp_path).pictures_of(CLEARED, frame_of(paving(), 160))
    assert after.role == "after"


def test_a_picture_that_cannot_be_written_is_an_error_that_names_it_and_keeps_the_others(
    tmp_path: Path,
) -> None:
    kept = evidence(tmp_path)
    (tmp_path / "case-1").mkdir()
    (tmp_path / "case-1" / "threshold.jpg.part").mkdir()
    with pytest.raises(EvidenceError, match="threshold") as caught:
        kept.pictures_of(OPENED, frame_of(paving(), 110))
    assert [picture.role for picture in caught.value.kept] == ["close_up"]


def test_a_first_picture_that_cannot_be_written_costs_that_picture_only(tmp_path: Path) -> None:
    kept = evidence(tmp_path)
    (tmp_path / "pending").rmdir()
    (tmp_path / "pending").write_text("a file is in the way")
    for now_s in (100, 101, 102):
        kept.await_cases(KIND, {"kerb": 100.0}, frame_of(paving(), now_s))
    (tmp_path / "pending").unlink()
    (tmp_path / "pending").mkdir()
    roles = [each.role for each in kept.pictures_of(OPENED, frame_of(paving(), 110))]
    assert roles == ["threshold", "close_up"]
    kept.await_cases(KIND, {"kerb": 100.0}, frame_of(paving(), 100 + TRY_AGAIN_S))
    assert len(list((tmp_path / "pending").iterdir())) == 1, "later it is tried again"


@pytest.mark.parametrize("box", [Box(1, 1, 1, 1), Box(0, 1, 1, 1), Box(0, 0, 0, 0)])
def test_what_the_frames_edge_leaves_next_to_nothing_of_has_a_close_up(
    tmp_path: Path, box: Box
) -> None:
    case = replace(BIKE_CASE, members=(replace(MEMBER, box=box),))
    change = Change("case.opened", case, FOUND)
    taken = evidence(tmp_path).pictures_of(change, frame_of(paving(), 110))
    [close_up] = [each for each in taken if each.role == "close_up"]
    assert min(close_up.width_px, close_up.height_px) >= 1
