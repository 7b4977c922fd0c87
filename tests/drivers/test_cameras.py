"""What every camera driver promises, and what the recorded ones promise besides."""

from __future__ import annotations

import hashlib
import json
import math
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.cameras import (
    LUMA_WIDTH_PX,
    Camera,
    CameraDriver,
    CameraError,
    Frame,
    Picture,
    UnknownDriverError,
    driver_names,
    load_driver,
)
from drivers.cameras._containers import missing_bytes
from drivers.cameras.video_file import VideoFile
from drivers.pacing import Thinning
from tests.support.decompression_bombs import png_bomb

Told = dict[str, Any]


def plain(level: int, width: int = 64, height: int = 48) -> Picture:
    return np.full((height, width, 3), level, dtype=np.uint8)


def film(
    path: Path,
    frames: int = 20,
    rate: float = 10,
    size: tuple[int, int] = (400, 300),
    codec: str = "MJPG",
) -> Path:
    """A film whose every frame has another brightness."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, size)
    assert writer.isOpened()
    for index in range(frames):
        writer.write(plain(10 * index % 250, *size))
    writer.release()
    return path


def album(folder: Path) -> Path:
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), plain(80 * index, 400, 300))
    plan = [{"from_s": 2.0 * index, "file": f"{index}.png"} for index in range(3)]
    (folder / "timeline.json").write_text(json.dumps(plan), encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Opening:
    """How the contract opens a driver: settings for a source that it makes in an empty folder.

    ``missing`` names a source that is not there; None where nothing can be missing. A driver of
    hardware has no ``there``, and ``needs`` says why.
    """

    there: Callable[[Path], Told] | None
    missing: Callable[[Path], Told] | None
    needs: str = ""


OPENINGS = {
    "picamera2": Opening(
        there=None,
        missing=lambda _: {"camera": "nobody"},
        needs="a Raspberry Pi's camera; tests/drivers/test_picamera2.py plays pictures to the real Picamera2",
    ),
    "picture_folder": Opening(
        there=lambda folder: {"folder": album(folder)},
        missing=lambda folder: {"folder": folder / "nowhere"},
    ),
    "rtsp": Opening(
        there=None,
        missing=lambda _: {"url": "rtsp://127.0.0.1:9/street"},
        needs="a network camera; tests/drivers/test_rtsp.py has servers",
    ),
    "synthetic": Opening(
        there=lambda _: {
            "seconds": 4,
            "things": [{"left": 0.2, "top": 0.5, "width": 0.1, "height": 0.2}],
        },
        missing=None,
    ),
    "v4l2": Opening(
        there=None,
        missing=lambda _: {"device": "/dev/v4l/by-id/nobody"},
        needs="a USB camera; tests/drivers/test_v4l2.py pretends one to the real OpenCV",
    ),
    "video_file": Opening(
        there=lambda folder: {"path": film(folder / "film.avi")},
        missing=lambda folder: {"path": folder / "nowhere.mp4"},
    ),
}


def driver_of(name: str) -> CameraDriver:
    try:
        return load_driver(name)
    except ImportError as error:
        if OPENINGS[name].needs:
            pytest.skip(f"{name} needs {OPENINGS[name].needs}: {error}")
        raise


def opened(name: str, folder: Path, **changes: Any) -> Camera:
    there = OPENINGS[name].there
    if there is None:
        pytest.skip(f"{name} needs {OPENINGS[name].needs}")
    driver = driver_of(name)
    return driver.open_camera("north", driver.Settings.model_validate({**there(folder), **changes}))


def frames_of(camera: Camera) -> Iterator[Frame]:
    try:
        while (frame := camera.read()) is not None:
            yield frame
    finally:
        camera.close()


every_driver = pytest.mark.parametrize("name", driver_names())


# --- the contract -------------------------------------------------------------------------------


def test_every_driver_in_the_folder_is_held_to_the_contract() -> None:
    assert set(OPENINGS) == set(driver_names())


def test_a_driver_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UnknownDriverError) as refused:
        load_driver("webcam_of_the_neighbour")
    assert refused.value.known == driver_names()
    with pytest.raises(UnknownDriverError):
        load_driver("_recorded")


@every_driver
def test_an_open_driver_is_a_camera(name: str, tmp_path: Path) -> None:
    camera = opened(name, tmp_path)
    assert isinstance(camera, Camera)
    camera.close()


@every_driver
def test_frames_count_from_0_and_their_clock_only_goes_forward(name: str, tmp_path: Path) -> None:
    frames = list(frames_of(opened(name, tmp_path)))
    assert len(frames) > 1
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    times = [frame.monotonic_s for frame in frames]
    assert all(later > earlier for earlier, later in pairwise(times))
    assert {frame.camera_id for frame in frames} == {"north"}


@every_driver
def test_frames_know_their_moment_in_utc(name: str, tmp_path: Path) -> None:
    frames = list(frames_of(opened(name, tmp_path)))
    for frame in frames:
        assert frame.captured_at.utcoffset() == timedelta(0)
        passed_s = (frame.captured_at - frames[0].captured_at).total_seconds()
        assert passed_s == pytest.approx(frame.monotonic_s - frames[0].monotonic_s, abs=1e-5)


@every_driver
def test_a_frame_has_a_small_grey_and_a_full_colour_picture_of_one_aspect(
    name: str, tmp_path: Path
) -> None:
    camera = opened(name, tmp_path)
    width, height = camera.size_px
    for frame in frames_of(camera):
        bgr, luma = frame.bgr(), frame.luma
        assert bgr.dtype == np.uint8
        assert bgr.shape == (height, width, 3)
        assert luma.dtype == np.uint8
        assert luma.ndim == 2
        assert luma.shape[1] == pytest.approx(LUMA_WIDTH_PX, rel=0.25)
        assert luma.shape[0] / luma.shape[1] == pytest.approx(height / width, rel=0.02)
        assert frame.bgr() is bgr


@every_driver
def test_the_grey_picture_is_as_bright_as_the_colour_picture(name: str, tmp_path: Path) -> None:
    for frame in frames_of(opened(name, tmp_path)):
        grey = cv2.cvtColor(frame.bgr(), cv2.COLOR_BGR2GRAY)
        assert float(frame.luma.mean()) == pytest.approx(float(np.mean(grey)), abs=2)


@every_driver
def test_a_source_that_is_not_live_gives_the_same_frames_again(name: str, tmp_path: Path) -> None:
    def seen(folder: Path) -> tuple[str, list[tuple[float, datetime, str]]]:
        folder.mkdir()
        camera = opened(name, folder)
        if camera.live:
            pytest.skip(f"{name} is live")
        return camera.source.replace(folder.name, ""), [
            (
                frame.monotonic_s,
                frame.captured_at,
                hashlib.sha256(frame.bgr().tobytes()).hexdigest(),
            )
            for frame in frames_of(camera)
        ]

    assert seen(tmp_path / "once") == seen(tmp_path / "again")


@every_driver
def test_what_a_source_is_called_does_not_depend_on_where_it_lies(
    name: str, tmp_path: Path
) -> None:
    camera = opened(name, tmp_path)
    assert camera.source
    assert str(tmp_path.parent) not in camera.source
    camera.close()


@every_driver
def test_a_camera_may_be_closed_twice(name: str, tmp_path: Path) -> None:
    camera = opened(name, tmp_path)
    camera.read()
    camera.close()
    camera.close()


@every_driver
def test_a_key_that_the_driver_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="wifi_name"):
        driver_of(name).Settings.model_validate({"wifi_name": "x"})


@every_driver
def test_settings_do_not_change_once_given(name: str, tmp_path: Path) -> None:
    there = OPENINGS[name].there or OPENINGS[name].missing
    assert there is not None
    settings = driver_of(name).Settings.model_validate(there(tmp_path))
    field = next(iter(type(settings).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, field, None)


@every_driver
def test_a_source_that_is_not_there_is_named_with_the_camera(name: str, tmp_path: Path) -> None:
    missing = OPENINGS[name].missing
    if missing is None:
        pytest.skip(f"nothing of {name} can be missing")
    driver = driver_of(name)
    settings = driver.Settings.model_validate(missing(tmp_path))
    with pytest.raises(CameraError) as lost:
        driver.open_camera("north", settings)
    assert lost.value.camera_id == "north"
    assert lost.value.reason
    assert "north" in str(lost.value)


# --- video_file ---------------------------------------------------------------------------------


def video(path: Path, **told: Any) -> Camera:
    driver = load_driver("video_file")
    return driver.open_camera("north", driver.Settings.model_validate({"path": path, **told}))


def brightness(frame: Frame) -> int:
    return round(float(frame.bgr().mean()))


def place_in_film(frame: Frame) -> int:
    return round(brightness(frame) / 10)


def test_a_film_played_fast_keeps_its_own_times(tmp_path: Path) -> None:
    camera = video(film(tmp_path / "film.avi", frames=5, rate=12.5))
    assert not camera.live
    times = [frame.monotonic_s for frame in frames_of(camera)]
    assert times == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])


def test_two_replays_of_a_film_agree_on_the_wall_clock(tmp_path: Path) -> None:
    [first, *_] = frames_of(video(film(tmp_path / "film.avi")))
    assert first.captured_at == datetime(2026, 1, 1, 2, 0, tzinfo=UTC)


def test_a_film_begins_when_it_is_told_to_have_begun(tmp_path: Path) -> None:
    told = "2025-06-30T23:59:59+08:00"
    frames = list(frames_of(video(film(tmp_path / "film.avi"), starts_at=told)))
    assert frames[0].captured_at == datetime.fromisoformat(told)
    assert frames[10].captured_at == datetime.fromisoformat("2025-07-01T00:00:00+08:00")


def test_a_beginning_without_an_offset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        video(tmp_path / "film.avi", starts_at="2025-06-30T23:59:59")


def test_a_thinned_film_keeps_the_first_frame_of_each_period(tmp_path: Path) -> None:
    path = film(tmp_path / "film.avi", frames=20, rate=10)
    kept = list(frames_of(video(path, frames_per_s=4)))
    assert [frame.sequence for frame in kept] == list(range(8))
    # 4 a second: periods begin at 0, .25, .5, .75 …; the first frames in them are these.
    assert [round(frame.monotonic_s * 10) for frame in kept] == [0, 3, 5, 8, 10, 13, 15, 18]
    assert [place_in_film(frame) for frame in kept] == [0, 3, 5, 8, 10, 13, 15, 18]


def test_a_film_asked_for_more_frames_than_it_has_gives_them_all(tmp_path: Path) -> None:
    assert len(list(frames_of(video(film(tmp_path / "film.avi"), frames_per_s=25)))) == 20


@given(gaps_s=st.lists(st.floats(0.001, 3), min_size=1, max_size=60), rate=st.floats(0.1, 30))
def test_thinning_never_keeps_more_than_its_rate_nor_leaves_a_period_out(
    gaps_s: list[float], rate: float
) -> None:
    times = list(np.cumsum([100.0, *gaps_s]))
    thinning = Thinning(rate)
    kept = [at_s for at_s in times if thinning.keeps(at_s)]
    periods = {math.floor((at_s - times[0]) * rate + 1e-6) for at_s in times}
    assert len(kept) == len(periods)
    assert kept[0] == times[0]
    assert len(kept) <= (times[-1] - times[0]) * rate + 1 + 1e-6


def claims(path: Path, size: tuple[int, int], claimed: tuple[int, int]) -> Path:
    """A film whose container says another size than its pictures have."""
    made = film(path, frames=5, size=size)
    content, at = bytearray(made.read_bytes()), 0
    honest = struct.pack("<II", *size)
    while 0 <= (at := content.find(honest)) < 2000:
        content[at : at + 8] = struct.pack("<II", *claimed)
    made.write_bytes(content)
    return made


@pytest.mark.parametrize("size", [(2, 2), (16, 2), (30, 4000), (4000, 24), (12_000, 1_600)])
def test_a_film_of_an_absurd_size_is_refused_with_what_is_allowed(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    with pytest.raises(CameraError, match=r"shows too little|is too large"):
        video(film(tmp_path / "film.avi", frames=2, size=size))


def test_a_container_that_claims_another_size_than_its_pictures_have_is_not_believed(
    tmp_path: Path,
) -> None:
    """Neither one that claims to be huge, nor one that hides how large its pictures are."""
    camera = video(claims(tmp_path / "boast.avi", (320, 240), (48_000, 27_000)))
    assert [frame.bgr().shape for frame in frames_of(camera)] == 5 * [(240, 320, 3)]
    with pytest.raises(CameraError, match="9000 × 1200 pixels is too large"):
        video(claims(tmp_path / "liar.avi", (9000, 1200), (320, 240)))


def test_a_film_whose_size_changes_keeps_the_size_it_began_with(tmp_path: Path) -> None:
    path = tmp_path / "film.mjpeg"
    pictures = [plain(90, 400, 300)] * 6 + [plain(90, 640, 360)] * 3 + [plain(90, 400, 300)] * 3
    path.write_bytes(b"".join(cv2.imencode(".jpg", each)[1].tobytes() for each in pictures))
    frames = list(frames_of(video(path)))
    assert len(frames) == 12
    assert {frame.bgr().shape for frame in frames} == {(300, 400, 3)}
    assert {frame.luma.shape for frame in frames} == {(240, 320)}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_a_single_picture_is_a_film_of_one_frame(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"corner{suffix}"), plain(90, 400, 300))
    [frame] = frames_of(video(tmp_path / f"corner{suffix}"))
    assert frame.bgr().shape == (300, 400, 3)


def test_a_single_picture_that_claims_too_many_pixels_is_refused_before_it_is_opened(
    tmp_path: Path,
) -> None:
    (tmp_path / "bomb.png").write_bytes(png_bomb(9000))
    with pytest.raises(CameraError, match="9000 × 9000 pixels is too large"):
        video(tmp_path / "bomb.png")


def test_a_playlist_is_no_recording(tmp_path: Path) -> None:
    """It would have FFmpeg open whatever it names."""
    film(tmp_path / "film.ts", codec="mp4v")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfilm.ts\n#EXT-X-ENDLIST\n"
    for name, content in {
        "a.m3u8": playlist,
        "b.txt": "ffconcat version 1.0\nfile film.ts\n",
    }.items():
        (tmp_path / name).write_text(content, encoding="ascii")
        with pytest.raises(CameraError, match="not a video"):
            video(tmp_path / name)


def test_a_looped_film_begins_again_while_time_goes_on(tmp_path: Path) -> None:
    camera = video(film(tmp_path / "film.avi", frames=4, rate=10), loop=True)
    frames = [frame for frame, _ in zip(frames_of(camera), range(10), strict=False)]
    assert [frame.sequence for frame in frames] == list(range(10))
    assert [frame.monotonic_s for frame in frames] == pytest.approx([i / 10 for i in range(10)])
    assert [place_in_film(frame) for frame in frames] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def test_a_film_that_breaks_off_is_an_error_and_not_an_end(tmp_path: Path) -> None:
    path = film(tmp_path / "film.avi", frames=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CameraError, match=r"broke off after \d+ of 20 frames"):
        list(frames_of(video(path)))


CONTAINERS = {".avi": "MJPG", ".mkv": "MJPG", ".flv": "FLV1", ".ts": "mp4v", ".mp4": "mp4v"}


def whole(folder: Path, suffix: str) -> Path:
    return film(folder / f"film{suffix}", frames=40, codec=CONTAINERS[suffix])


def promise_more(path: Path) -> None:
    """Let a Matroska's duration be twice what its pictures take, as longer sound does."""
    content = bytearray(path.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3
    [duration] = struct.unpack_from(">d", content, at)
    struct.pack_into(">d", content, at, 2 * duration)
    path.write_bytes(content)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_whole_film_is_read_to_its_end_whatever_its_container(
    tmp_path: Path, suffix: str
) -> None:
    path = whole(tmp_path, suffix)
    assert missing_bytes(path) == 0
    assert len(list(frames_of(video(path)))) == 40


def test_a_film_with_fewer_frames_than_its_duration_would_hold_is_whole_and_worth_a_word(
    tmp_path: Path,
) -> None:
    path = whole(tmp_path, ".mkv")
    promise_more(path)
    camera = video(path)
    assert len(list(frames_of(camera))) == 40
    assert isinstance(camera, VideoFile)
    assert camera.remark is not None
    assert "film.mkv was read to its end: 40 frames" in camera.remark


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".flv", ".ts"])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_film_that_is_cut_off_is_an_error_after_the_frames_that_are_there(
    tmp_path: Path, suffix: str, share: float
) -> None:
    path = whole(tmp_path, suffix)
    kept = int(path.stat().st_size * share) // 188 * 188 + 100  # in the middle of a TS packet
    path.write_bytes(path.read_bytes()[:kept])
    assert missing_bytes(path) > 0
    seen: list[Frame] = []
    with pytest.raises(CameraError, match=r"damaged: (broke off after \d+ of|it is cut off after)"):
        seen.extend(frames_of(video(path)))
    camera = video(path)
    for _ in range(3):
        assert camera.read() is not None


def boxes(*parts: tuple[bytes, int]) -> bytes:
    return b"".join(struct.pack(">I", 8 + length) + kind + bytes(length) for kind, length in parts)


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (boxes((b"ftyp", 8), (b"moov", 20), (b"mdat", 100)), 0),
        (boxes((b"ftyp", 8), (b"moov", 20), (b"mdat", 100))[:-30], 30),
        (boxes((b"ftyp", 8)) + struct.pack(">I4sQ", 1, b"mdat", 16 + 50) + bytes(20), 30),
        (boxes((b"ftyp", 8)) + struct.pack(">I4s", 0, b"mdat") + bytes(20), 0),
        (
            b"RIFF" + struct.pack("<I", 20) + bytes(20) + b"RIFF" + struct.pack("<I", 9) + bytes(2),
            8,
        ),
        (b"RIFF" + struct.pack("<I", 0) + b"AVI LIST" + bytes(20), 0),
        (b"\x1aE\xdf\xa3\x81x\x18S\x80g\x01" + 7 * b"\xff" + b"\x1f\x43\xb6\x75\x88abc", 5),
        (b"no container at all", 0),
        (b"", 0),
    ],
)
def test_a_container_tells_how_much_of_it_is_missing(
    tmp_path: Path, content: bytes, missing: int
) -> None:
    (tmp_path / "film").write_bytes(content)
    assert missing_bytes(tmp_path / "film") == missing


@given(
    head=st.sampled_from([b"", b"RIFF", b"FLV", b"\x1aE\xdf\xa3", b"\0\0\0\x08ftyp"]),
    rest=st.binary(),
)
def test_no_container_is_a_crash(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, rest: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "film"
    path.write_bytes(head + rest)
    assert missing_bytes(path) >= 0


@pytest.mark.parametrize("content", [b"", b"this is no film"])
def test_a_file_that_is_no_film_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(CameraError, match=r"film\.mp4"):
        video(tmp_path / "film.mp4")


def test_what_a_film_is_called_follows_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = video(film(tmp_path / "a" / "film.avi", frames=4)).source
    assert video(film(tmp_path / "b" / "film.avi", frames=4)).source == first
    assert video(film(tmp_path / "b" / "film.avi", frames=5)).source != first
    assert first.startswith("film.avi ")


def test_a_film_in_real_time_gives_no_frame_before_it_is_due(tmp_path: Path) -> None:
    camera = video(film(tmp_path / "film.avi", frames=6, rate=20), pace="real_time")
    assert camera.live
    began_s = time.monotonic()
    frames = []
    for frame in frames_of(camera):
        assert frame.monotonic_s <= time.monotonic()
        frames.append(frame)
    assert frames[0].monotonic_s >= began_s
    for frame in frames:
        assert frame.monotonic_s - frames[0].monotonic_s == pytest.approx(frame.sequence / 20)


def test_a_late_reader_of_a_film_in_real_time_misses_frames_and_can_tell(tmp_path: Path) -> None:
    camera = video(film(tmp_path / "film.avi", rate=50), pace="real_time", loop=True)
    first = camera.read()
    time.sleep(0.2)
    second = camera.read()
    camera.close()
    assert first is not None
    assert second is not None
    assert second.sequence >= 8
    assert second.monotonic_s - first.monotonic_s == pytest.approx(second.sequence / 50)
    assert place_in_film(second) == second.sequence % 20


@pytest.mark.parametrize("name", ["picture_folder", "synthetic", "video_file"])
def test_a_picture_that_is_handed_out_cannot_be_painted_on(name: str, tmp_path: Path) -> None:
    frame = opened(name, tmp_path).read()
    assert frame is not None
    with pytest.raises(ValueError, match="read-only"):
        frame.bgr()[0, 0] = 0


# --- picture_folder -----------------------------------------------------------------------------


def pictures(folder: Path, **told: Any) -> Camera:
    driver = load_driver("picture_folder")
    return driver.open_camera("north", driver.Settings.model_validate({"folder": folder, **told}))


def shown(*entries: tuple[float, str]) -> list[Told]:
    return [{"from_s": from_s, "file": file} for from_s, file in entries]


def test_a_picture_is_shown_until_the_next_ones_time(tmp_path: Path) -> None:
    album(tmp_path)
    plan = shown((0, "2.png"), (1, "0.png"), (2.5, "1.png"), (3, "2.png"))
    camera = pictures(tmp_path, timeline=plan, frames_per_s=2, until_s=4)
    seen = [(frame.monotonic_s, brightness(frame) // 80) for frame in frames_of(camera)]
    assert seen == [(0, 2), (0.5, 2), (1, 0), (1.5, 0), (2, 0), (2.5, 1), (3, 2), (3.5, 2)]


def test_a_folder_without_an_end_shows_its_last_picture_once(tmp_path: Path) -> None:
    frames = list(frames_of(pictures(album(tmp_path))))
    assert [brightness(frame) for frame in frames] == [0, 0, 80, 80, 160]


def test_a_picture_of_another_size_takes_the_size_of_the_first(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wide.png"), plain(50, 640, 360))
    cv2.imwrite(str(tmp_path / "high.png"), plain(90, 300, 500))
    camera = pictures(tmp_path, timeline=shown((0, "wide.png"), (1, "high.png")))
    assert camera.size_px == (640, 360)
    frames = list(frames_of(camera))
    assert [frame.bgr().shape for frame in frames] == [(360, 640, 3)] * 2
    assert [brightness(frame) for frame in frames] == [50, 90]


def test_every_fault_of_a_timeline_is_told_at_once(tmp_path: Path) -> None:
    album(tmp_path)
    (tmp_path / "text.png").write_text("no picture")
    plan = shown((1, "0.png"), (5, "gone.png"), (4, "text.png"), (6, "../secret.png"))
    with pytest.raises(CameraError) as refused:
        pictures(tmp_path, timeline=plan)
    reason = refused.value.reason
    for fault in (
        "must begin at 0 s, begins at 1 s",
        "text.png begins at 4 s, not after gone.png at 5 s",
        "gone.png is not in",
        "text.png is no picture",
        "../secret.png lies outside",
    ):
        assert fault in reason


@pytest.mark.parametrize("size", [(1, 1), (16, 2), (1, 4000), (5000, 5000)])
def test_a_picture_of_an_absurd_size_is_a_fault_of_its_folder(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    album(tmp_path)
    cv2.imwrite(str(tmp_path / "odd.png"), plain(50, *size))
    with pytest.raises(CameraError, match=rf"odd\.png: a picture of {size[0]} × {size[1]} pixels"):
        pictures(tmp_path, timeline=shown((0, "0.png"), (1, "odd.png")))


@pytest.mark.parametrize("name", ["synthetic", "v4l2", "picamera2"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (4096, 2), (48_000, 27_000), (4096, 254)])
def test_a_size_that_shows_no_street_is_no_setting(name: str, width: int, height: int) -> None:
    where = {"device": "/dev/video0"} if name == "v4l2" else {}
    with pytest.raises(ValidationError):
        driver_of(name).Settings.model_validate({**where, "width": width, "height": height})


def test_an_empty_timeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="empty"):
        pictures(album(tmp_path), timeline=[])


def test_every_fault_of_a_timeline_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "timeline.json").write_text('[{"from_s": -1, "file": "a.png"}, {"from_s": 2}]')
    with pytest.raises(CameraError, match=r"0\.from_s.*1\.file"):
        pictures(tmp_path)


def test_a_picture_that_vanishes_while_it_is_needed_loses_the_camera(tmp_path: Path) -> None:
    camera = pictures(album(tmp_path), frames_per_s=0.5)
    (tmp_path / "1.png").unlink()
    assert camera.read() is not None
    with pytest.raises(CameraError, match=r"1\.png"):
        camera.read()


# --- synthetic ----------------------------------------------------------------------------------


def drawn(**told: Any) -> list[Frame]:
    driver = load_driver("synthetic")
    settings = driver.Settings.model_validate({"seconds": 10, "frames_per_s": 1, **told})
    return list(frames_of(driver.open_camera("north", settings)))


GREEN = {"colour": "#00ff00", "left": 0.4, "top": 0.4, "width": 0.2, "height": 0.2}


def green_share(frame: Frame) -> float:
    bgr = frame.bgr().astype(int)
    return float(((bgr[..., 1] > 240) & (bgr[..., 2] < 20)).mean())


def test_a_drawn_thing_is_there_from_its_coming_to_its_going() -> None:
    frames = drawn(things=[{**GREEN, "from_s": 3, "to_s": 6}])
    assert len(frames) == 10
    assert [green_share(frame) > 0.03 for frame in frames] == [
        3 <= frame.monotonic_s < 6 for frame in frames
    ]


def test_a_drawn_thing_moves_evenly_to_where_it_goes() -> None:
    frames = drawn(things=[{**GREEN, "left": 0.0, "to_s": 8, "moves_to": (0.8, 0.4)}])
    for frame in frames[:8]:
        columns = np.flatnonzero((frame.bgr()[..., 2] < 20).any(axis=0))
        assert columns[0] / 640 == pytest.approx(frame.monotonic_s / 10, abs=2 / 640)


def test_nothing_drawn_stands_out_in_an_empty_street() -> None:
    frames = drawn()
    steps = [
        np.abs(earlier.luma.astype(int) - later.luma.astype(int)).mean()
        for earlier, later in pairwise(frames)
    ]
    assert 0 < max(steps) < 3


def test_another_seed_draws_another_street() -> None:
    assert not np.array_equal(drawn(seed=1)[0].bgr(), drawn(seed=2)[0].bgr())


@pytest.mark.parametrize(
    "thing",
    [{"moves_to": (0, 0)}, {"from_s": 5, "to_s": 5}, {"colour": "green"}, {"width": 0}],
)
def test_a_thing_that_cannot_be_drawn_is_refused(thing: Told) -> None:
    with pytest.raises(ValidationError):
        drawn(things=[{**GREEN, **thing}])


def test_a_drawn_street_in_real_time_comes_when_it_is_due_with_the_devices_own_times() -> None:
    before = datetime.now(UTC)
    frames = drawn(seconds=1, frames_per_s=10, pace="real_time")
    after_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    times_s = [frame.monotonic_s for frame in frames]
    assert len(frames) == 10
    assert times_s == sorted(times_s)
    assert times_s[-1] - times_s[0] > 0.8  # the ninth tenth of a second, from just before the first
    assert times_s[-1] <= after_s
    assert all(frame.captured_at >= before for frame in frames)
