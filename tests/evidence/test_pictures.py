"""Promises about the pictures that prove a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import pytest

from agent.domain.case_lifecycle import Change
from agent.domain.scene import Box, Member
from agent.evidence.first_pictures import TRY_AGAIN_S
from agent.evidence.picture_context import PictureContext
from agent.evidence.picture_files import EvidenceError
from agent.evidence.pictures import MAX_CLOSE_UPS, MAX_PLATE_VIEWS, Evidence
from agent.perception.best_shot import BestShot, Shown
from agent.perception.surroundings import Difference, Surroundings
from agent.protocol.case import Picture
from tests.support.cases import BIKE_CASE, CLEARED, FOUND, KIND, MEMBER, OPENED
from tests.support.scenes import box_at, frame_of, paving, seen


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
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


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
    [_, close_up] = evidence(tmp_path).pictures_of(
        OPENED, frame_of(paving(), 110), Shown(instead=shown)
    )
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
    assert len(list((tmp_path / "pending").glob("*.jpg"))) == 1, "later it is tried again"


@pytest.mark.parametrize("box", [Box(1, 1, 1, 1), Box(0, 1, 1, 1), Box(0, 0, 0, 0)])
def test_what_the_frames_edge_leaves_next_to_nothing_of_has_a_close_up(
    tmp_path: Path, box: Box
) -> None:
    case = replace(BIKE_CASE, members=(replace(MEMBER, box=box),))
    change = Change("case.opened", case, FOUND)
    taken = evidence(tmp_path).pictures_of(change, frame_of(paving(), 110))
    [close_up] = [each for each in taken if each.role == "close_up"]
    assert min(close_up.width_px, close_up.height_px) >= 1


TWO = replace(BIKE_CASE, members=(MEMBER, Member("2", "bicycle", box_at(0.8, 0.7), 101.0)))
OPENED_TWO = replace(OPENED, case=TWO)
HD = paving(1280, 720)


def view_at(now_s: float, thing: Box, **known: Any) -> BestShot:
    frame = frame_of(HD, now_s)
    crop = thing.grown(0.3)
    bgr = crop.cut_pixels(1280, 720).cut(frame.bgr())
    told = {"crop": crop, "thing": thing, "longest_px": 100.0, **known}
    return BestShot(bgr, Box(0.2, 0.2, 0.8, 0.8), True, 1.0, now_s, **told)


def test_each_of_several_things_has_a_close_up_of_its_best_view(tmp_path: Path) -> None:
    views = {"1": view_at(104, MEMBER.box), "2": view_at(107, TWO.members[1].box)}
    taken = evidence(tmp_path).pictures_of(OPENED_TWO, frame_of(HD, 110), Shown(best=views))
    assert [each.file.partition("/")[2] for each in taken] == [
        "threshold.jpg",
        "close_up.jpg",
        "close_up-1.jpg",
        "close_up-2.jpg",
    ]
    assert (taken[3].captured_at - taken[2].captured_at).total_seconds() == 3


def test_no_view_is_stored_twice(tmp_path: Path) -> None:
    one, two = view_at(104, MEMBER.box), view_at(107, TWO.members[1].box)
    shown = Shown(best={"1": one, "2": two}, instead=one)
    taken = evidence(tmp_path).pictures_of(OPENED_TWO, frame_of(HD, 110), shown)
    assert len({each.sha256 for each in taken}) == len(taken) == 3


def test_a_crowd_of_bikes_has_no_more_pictures_than_an_event_may_name(tmp_path: Path) -> None:
    members = tuple(replace(MEMBER, member_id=str(number)) for number in range(40))
    views = {each.member_id: view_at(104, each.box) for each in members}
    change = replace(OPENED, case=replace(BIKE_CASE, members=members))
    shown = Shown(best=views, sharpest=views)
    taken = evidence(tmp_path).pictures_of(change, frame_of(HD, 110), shown)
    assert len(taken) == 2 + MAX_CLOSE_UPS + MAX_PLATE_VIEWS <= 31


def faults(taken: Sequence[Picture]) -> dict[str, tuple[str, ...]]:
    return {each.role: each.faults for each in taken}


@pytest.mark.parametrize(("apart_s", "told"), [(12, ()), (9, ("no_ten_seconds",))])
def test_wide_pictures_too_near_in_time_say_so(
    tmp_path: Path, apart_s: int, told: tuple[str, ...]
) -> None:
    kept = evidence(tmp_path)
    kept.await_cases(KIND, {"kerb": 100.0}, frame_of(HD, 110 - apart_s))
    found = faults(kept.pictures_of(OPENED, frame_of(HD, 110)))
    assert found == {"begin": told, "threshold": told, "close_up": ()}


def test_a_threshold_picture_alone_proves_no_ten_seconds(tmp_path: Path) -> None:
    assert faults(evidence(tmp_path).pictures_of(OPENED, frame_of(HD, 110))) == {
        "threshold": ("no_ten_seconds",),
        "close_up": (),
    }


def test_a_small_dark_picture_of_a_hidden_thing_at_the_edge_says_all_of_it(tmp_path: Path) -> None:
    case = replace(BIKE_CASE, members=(replace(MEMBER, box=Box(0.0, 0.4, 0.05, 0.5)),))
    shown = Shown(hidden={"1": 0.8})
    night = frame_of(paving(640, 360) // 4, 110)
    found = faults(evidence(tmp_path).pictures_of(replace(OPENED, case=case), night, shown))
    assert found == {
        "threshold": ("cut", "hidden", "dark", "below_720p", "no_ten_seconds"),
        "close_up": ("cut", "hidden", "dark", "small"),
    }


AROUND = Surroundings(
    seen=(seen("person", 0.5, 0.72, 0.06), seen("car", 0.1, 0.3)),
    difference=Difference(standing=(MEMBER.box, box_at(0.1, 0.5)), moving=()),
    view="steady",
    masks_applied=True,
)


def context(folder: Path, name: str) -> PictureContext:
    return PictureContext.from_json((folder / "case-1" / f"{name}.context.json").read_bytes())


def test_beside_every_picture_lies_what_else_there_was(tmp_path: Path) -> None:
    kept = evidence(tmp_path)
    kept.await_cases(KIND, {"kerb": 100.0}, frame_of(HD, 99), lambda: AROUND)
    taken = kept.pictures_of(OPENED, frame_of(HD, 110), Shown(around=AROUND))
    for picture in taken:
        found = context(tmp_path, picture.role)
        assert (found.width_px, found.height_px) == (picture.width_px, picture.height_px)
        assert found.captured_at == picture.captured_at
        assert (found.view, found.background, found.masks_applied) == ("steady", True, True)
        assert [own.centre for own in found.own] == [pytest.approx(MEMBER.box.centre)]
    wide = context(tmp_path, "threshold")
    assert [each.label for each in wide.seen] == ["person", "car"]
    assert [box.centre for box in wide.moved] == [pytest.approx(box_at(0.1, 0.5).centre)]
    close = context(tmp_path, "close_up")
    assert [each.label for each in close.seen] == ["person"], "what it does not show is not told"
    assert close.moved == ()
    assert context(tmp_path, "begin").moved == wide.moved, "the thing of the case is not foreign"


def test_where_nothing_is_known_of_a_moment_its_context_says_so(tmp_path: Path) -> None:
    evidence(tmp_path).pictures_of(OPENED, frame_of(HD, 110))
    found = context(tmp_path, "threshold")
    assert (found.view, found.background, found.masks_applied) == ("unknown", False, False)


def test_where_more_has_moved_than_can_be_kept_there_is_no_background(tmp_path: Path) -> None:
    specks = tuple(
        Box(x / 40, y / 40, (x + 0.5) / 40, (y + 0.5) / 40) for x in range(40) for y in range(40)
    )
    around = replace(AROUND, difference=Difference(standing=(), moving=specks))
    evidence(tmp_path).pictures_of(OPENED, frame_of(HD, 110), Shown(around=around))
    assert context(tmp_path, "threshold").background is False


def test_the_first_pictures_context_outlives_a_restart(tmp_path: Path) -> None:
    evidence(tmp_path).await_cases(KIND, {"kerb": 100.0}, frame_of(HD, 99), lambda: AROUND)
    evidence(tmp_path).pictures_of(OPENED, frame_of(HD, 110))
    assert [each.label for each in context(tmp_path, "begin").seen] == ["person", "car"]
    assert list((tmp_path / "pending").iterdir()) == []


def test_a_first_picture_of_an_older_agent_is_taken_without_a_context(tmp_path: Path) -> None:
    evidence(tmp_path).await_cases(KIND, {"kerb": 100.0}, frame_of(HD, 99), lambda: AROUND)
    for path in (tmp_path / "pending").glob("*.context.json"):
        path.unlink()
    taken = evidence(tmp_path).pictures_of(OPENED, frame_of(HD, 110))
    assert taken[0].role == "begin"
    assert not (tmp_path / "case-1" / "begin.context.json").exists()
