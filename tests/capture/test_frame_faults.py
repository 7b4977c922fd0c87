"""Promises about frames that cannot be judged: they cost the frame, then the camera, nothing else."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agent.capture import camera_reader
from agent.capture.frame_faults import MAX_IN_A_ROW, FaultyFrames, FrameError, fault_of
from agent.capture.mailbox import Mailbox
from agent.config.schema import Configuration
from agent.runtime.composition import Parts
from agent.runtime.device import run
from agent.runtime.replay import replay
from agent.storage.errors import StorageError
from drivers import cameras
from drivers.cameras import CameraError, Frame, Picture, synthetic
from drivers.cameras._recorded import fitted, luma_of
from tests.support.assembled_site import events_of, frames_of, parts_of
from tests.support.crossing import camera, crossing
from tests.support.waiting import PATIENCE_S, wait_until

SECRET = "rtsp://admin:hunter2@192.0.2.7/live"


pytestmark = pytest.mark.usefixtures("red_model")


# --- who is to blame --------------------------------------------------------------------------------


def fails(faulty: FaultyFrames, camera_id: str, error: Exception) -> FrameError:
    with pytest.raises(FrameError) as told, faulty.judging(camera_id):
        raise error
    return told.value


def test_a_camera_is_blamed_after_several_frames_in_a_row_and_again_after_as_many() -> None:
    faulty = FaultyFrames(["east", "west"])
    blamed = [fails(faulty, "east", ValueError()).blames_camera for _ in range(2 * MAX_IN_A_ROW)]
    assert blamed == 2 * [*([False] * (MAX_IN_A_ROW - 1)), True]
    with faulty.judging("east"):
        pass
    assert fails(faulty, "east", ValueError()).in_a_row == 1


def test_faults_of_disk_and_memory_are_nobodys_frames() -> None:
    faulty = FaultyFrames(["east"])
    for error in (StorageError(Path("x"), "full"), OSError(5, "Input/output error"), MemoryError()):
        with pytest.raises(type(error)), faulty.judging("east"):
            raise error


def test_what_every_one_of_several_cameras_has_is_not_the_cameras_fault() -> None:
    faulty = FaultyFrames(["east", "west"])
    for _ in range(MAX_IN_A_ROW):
        fails(faulty, "east", ValueError())
    for _ in range(MAX_IN_A_ROW - 1):
        fails(faulty, "west", ValueError())
    with pytest.raises(ZeroDivisionError), faulty.judging("west"):
        raise ZeroDivisionError


def test_a_fault_is_told_by_its_place_and_without_its_text() -> None:
    error = ValueError(SECRET)
    with pytest.raises(ValueError, match="hunter2"):
        raise error
    told = fault_of(error)
    assert told.startswith("ValueError at test_frame_faults.py:")
    assert "hunter2" not in told


# --- frames in the analysis ---------------------------------------------------------------------------


def one_camera() -> Configuration:
    return crossing(camera("east", (2, 30), seconds=40), places=("gate",))


def told(parts: Parts) -> list[tuple[str, float]]:
    return [(event["type"], event["body"]["dwell_s"]) for event in events_of(parts)]


def undecodable(frame: Frame) -> Frame:
    def bgr() -> Picture:
        raise CameraError(frame.camera_id, "the picture is damaged")

    return dataclasses.replace(frame, bgr=bgr)


def broken(frame: Frame) -> Frame:
    """Its colour fails in OpenCV, as that of a driver with a fault may."""

    def bgr() -> Picture:
        return np.asarray(cv2.cvtColor(np.zeros((2, 2), np.uint8), cv2.COLOR_BGR2GRAY), np.uint8)

    return dataclasses.replace(frame, bgr=bgr)


def narrow(frame: Frame) -> Frame:
    return dataclasses.replace(frame, luma=np.zeros((1, 1), np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", [undecodable, broken, narrow])
def test_frames_that_cannot_be_judged_change_no_case_and_are_as_if_they_had_not_come(
    spoilt: Callable[[Frame], Frame], tmp_path: Path
) -> None:
    """Bad frames come while the case would open, while it is open, and while it would clear."""
    site = one_camera()

    def story(folder: str, take: Callable[[Parts, Frame], None]) -> list[tuple[str, float]]:
        with closing(parts_of(site, tmp_path / folder)) as parts:
            for frame in frames_of(site):
                take(parts, frame)
            return told(parts)

    def bad(frame: Frame) -> bool:
        return any(at <= frame.monotonic_s < at + 0.75 for at in (2, 5.8, 15, 30))

    def without(parts: Parts, frame: Frame) -> None:
        if not bad(frame):
            parts.analysis.take(frame)

    refused = 0

    def with_them(parts: Parts, frame: Frame) -> None:
        nonlocal refused
        try:
            parts.analysis.take(spoilt(frame) if bad(frame) else frame)
        except FrameError:
            refused += 1

    seen = story("with", with_them)
    assert refused
    assert [type_ for type_, _ in seen] == ["case.opened", "case.cleared"]
    expected = story("without", without)
    for (_, dwell_s), (_, expected_s) in zip(seen, expected, strict=True):
        assert dwell_s == pytest.approx(expected_s, abs=2.5)


@pytest.mark.slow
@pytest.mark.parametrize("size_px", [(800, 600), (1280, 720)])
def test_a_camera_that_comes_back_with_another_size_goes_on_with_its_case(
    tmp_path: Path, size_px: tuple[int, int]
) -> None:
    site, pipelines = one_camera(), set()
    with closing(parts_of(site, tmp_path / "state")) as parts:
        for frame in frames_of(site):
            if frame.monotonic_s >= 10:
                bgr = fitted(frame.bgr(), size_px)
                shown = dataclasses.replace(frame, luma=luma_of(bgr), bgr=partial(np.copy, bgr))
                parts.analysis.take(shown)
            else:
                parts.analysis.take(frame)
            pipelines.add(parts.analysis.pipelines["east"])
        assert [type_ for type_, _ in told(parts)] == ["case.opened", "case.cleared"]
    assert len(pipelines) == 2  # one for each size


def test_a_replay_drops_and_counts_a_single_frame_and_ends_at_a_run_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Picture] = []

    def luma(bgr: Picture) -> Picture:
        shown.append(bgr)
        return np.zeros((1, 1), np.uint8) if bad(len(shown)) else luma_of(bgr)

    monkeypatch.setattr(synthetic, "luma_of", luma)
    bad: Callable[[int], bool] = lambda number: number == 6  # noqa: E731
    report = replay(one_camera(), base=tmp_path)
    assert report.frames_not_judged == 1
    assert report.frames == len(shown) - 1
    bad = lambda number: number > 0  # noqa: E731
    with pytest.raises(FrameError):
        replay(one_camera(), base=tmp_path)


# --- the whole agent ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_camera_whose_frames_cannot_be_judged_is_opened_anew_and_the_other_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def luma(bgr: Picture) -> Picture:
        return np.zeros((1, 1), np.uint8) if bgr.shape[1] == 320 else luma_of(bgr)

    monkeypatch.setattr(synthetic, "luma_of", luma)
    monkeypatch.setattr(camera_reader, "REOPEN_FIRST_S", 0.05)
    east, west = camera("east", (1, 600), seconds=600), camera("west", seconds=600)
    for each, width in ((east, 640), (west, 320)):
        each["settings"] |= {"pace": "real_time", "width": width, "height": width * 9 // 16}
    site = crossing(east, west, places=("gate", "stop"))
    storage = {"state_dir": tmp_path / "state", "run_dir": tmp_path / "run"}
    guard = site.view_guard.model_copy(update={"lost_after_s": 1.0})
    site = site.model_copy(
        update={"storage": site.storage.model_copy(update=storage), "view_guard": guard}
    )
    stop, ended = threading.Event(), []
    thread = threading.Thread(target=lambda: ended.append(run(site, base=tmp_path, stop=stop)))
    thread.start()

    def status() -> dict[str, Any]:
        path = tmp_path / "run" / "status.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"cameras": {}}
        return dict(found["cameras"])

    try:
        wait_until(lambda: status().get("west", {}).get("reopened", 0) >= 2, 60)
        before = status()["east"]["analysed"]
        wait_until(lambda: status()["east"]["analysed"] > before + 5, 60)
        wait_until(lambda: status()["west"]["view"]["view"] == "camera_lost", 60)
        west_told = status()["west"]
    finally:
        stop.set()
        thread.join(60)
    assert ended == [0]
    assert west_told["dropped"] >= 2 * MAX_IN_A_ROW
    assert west_told["analysed"] == 0


def test_a_driver_that_fails_in_a_way_of_its_own_costs_its_camera_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(camera_reader, "REOPEN_FIRST_S", 0.05)

    def opened() -> cameras.Camera:
        raise RuntimeError(SECRET)

    mailbox, stop = Mailbox(["gate"]), threading.Event()
    reader = camera_reader.CameraReader("gate", opened, mailbox, lambda: 5, lambda: None)
    thread = threading.Thread(target=reader.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: reader.activity.reopened >= 2)
        assert reader.state.startswith("RuntimeError at ")
        assert "hunter2" not in reader.state
    finally:
        stop.set()
        thread.join(PATIENCE_S)
