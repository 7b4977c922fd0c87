"""USB cameras: the driver and the real OpenCV on a pretended Video4Linux device.

No kernel module is needed: ``virtual_usb_camera.c`` is preloaded and answers for the device. Real
hardware was not tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.cameras import LUMA_WIDTH_PX, CameraError
from drivers.cameras.v4l2 import Settings, grey_of, list_cameras, open_camera
from drivers.pictures import PictureError
from tests.support.decompression_bombs import claiming
from tests.support.ld_preload import build
from tests.support.paths import ROOT, SUPPORT

SOURCE = SUPPORT / "virtual_usb_camera.c"


def test_a_device_is_a_path_below_dev() -> None:
    with pytest.raises(ValidationError, match="below /dev"):
        Settings(device=Path("/etc/passwd"))


def test_a_camera_that_is_not_plugged_in_is_named() -> None:
    with pytest.raises(CameraError, match="there is no /dev/v4l/by-id/nobody"):
        open_camera("gate", Settings(device=Path("/dev/v4l/by-id/nobody")))


def test_cameras_are_listed_by_the_names_that_last(tmp_path: Path) -> None:
    for name in ("usb-Maker_Eye_1234-video-index0", "usb-Maker_Eye_1234-video-index1"):
        (tmp_path / name).touch()
    [found] = list_cameras(tmp_path)
    assert found.address == str(tmp_path / "usb-Maker_Eye_1234-video-index0")
    assert found.hint == f'device = "{found.address}"'
    assert list_cameras(tmp_path / "nowhere") == []


@given(
    width=st.sampled_from([160, 320, 640, 1280, 1920]),
    height=st.sampled_from([120, 360, 720]),
    level=st.integers(0, 255),
)
def test_the_grey_picture_is_small_and_as_bright_as_the_whole(
    width: int, height: int, level: int
) -> None:
    encoded, jpeg = cv2.imencode(".jpg", np.full((height, width, 3), level, np.uint8))
    assert encoded
    grey = grey_of(np.asarray(jpeg, np.uint8).reshape(-1), (width, height))
    assert grey.shape[1] == min(width, LUMA_WIDTH_PX)
    assert abs(grey.shape[0] - height * grey.shape[1] / width) <= 1
    assert abs(float(grey.mean()) - level) <= 2


@given(st.binary(max_size=200))
def test_what_is_no_picture_is_damaged_and_no_crash(content: bytes) -> None:
    with pytest.raises(PictureError):
        grey_of(np.frombuffer(content + b"\0", np.uint8), (1280, 720))


def test_a_picture_of_another_size_than_announced_is_stretched_to_it() -> None:
    _, jpeg = cv2.imencode(".jpg", np.full((480, 640, 3), 90, np.uint8))
    assert grey_of(np.asarray(jpeg, np.uint8).reshape(-1), (1280, 720)).shape == (180, 320)


@pytest.mark.parametrize("size", [(160, 4096), (4096, 160)])
def test_a_size_that_shows_no_street_is_no_setting(size: tuple[int, int]) -> None:
    with pytest.raises(ValidationError, match="shows too little"):
        Settings(device=Path("/dev/video0"), width=size[0], height=size[1])


LOOK = """
import json, os, sys, time
from pathlib import Path
from drivers.cameras import CameraError
from drivers.cameras.v4l2 import Settings, open_camera

device, state = Path(sys.argv[1]), Path(sys.argv[2])
facts = {}

def opened(**told):
    return open_camera("gate", Settings(device=device, **told))

def loss(camera):
    began_s = time.monotonic()
    try:
        while camera.read() is not None:
            pass
    except CameraError as error:
        return error.reason, time.monotonic() - began_s
    finally:
        camera.close()

camera = opened(frames_per_s=20, gain=3)
frames = [camera.read() for _ in range(8)]
facts["size"] = camera.size_px
facts["unsupported"] = camera.unsupported
facts["bgr"], facts["luma"] = frames[0].bgr().shape, frames[0].luma.shape
facts["same"] = frames[0].bgr() is frames[0].bgr()
facts["sequences"] = [frame.sequence for frame in frames]
facts["span_s"] = frames[-1].monotonic_s - frames[0].monotonic_s
facts["first"] = float(frames[0].bgr().mean())
facts["last"] = float(frames[-1].bgr().mean())
state.write_text("damaged")
facts["damaged"] = loss(camera)
state.write_text("run")
folder, kept = Path(sys.argv[3]), {}
for name in ("absurd", "tiny"):
    for path in folder.glob("*.jpg"):
        kept.setdefault(path, path.read_bytes())
        path.write_bytes((folder / name).read_bytes())
    facts[name] = loss(opened())
for path, content in kept.items():
    path.write_bytes(content)
camera = opened()
state.write_text("silent")
facts["silent"] = loss(camera)
state.write_text("run")
camera = opened()
device.unlink()
state.write_text("gone")
facts["gone"] = loss(camera)
try:
    opened()
except CameraError as error:
    facts["away"] = error.reason
os.mknod(device)  # not by opening it: that would be answered
state.write_text("run")
camera = opened()
facts["back"] = camera.read().bgr().shape
camera.close()
try:
    opened(width=640, height=480)
except CameraError as error:
    facts["size asked"] = error.reason
print(json.dumps(facts))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a file in /dev")
def test_frames_losses_and_returns_of_a_usb_camera(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc, to build the pretended camera")
    library = tmp_path / "camera.so"
    build(compiler, SOURCE, library)
    frames = tmp_path / "frames"
    frames.mkdir()
    clip = cv2.VideoCapture(str(ROOT / "examples" / "street" / "clip.mp4"))
    for index in range(12):
        read, picture = clip.read()
        assert read
        cv2.imwrite(str(frames / f"{index:03d}.jpg"), picture)
    first = (frames / "000.jpg").read_bytes()
    (frames / "absurd").write_bytes(claiming(first, 48_000, 27_000))
    (frames / "tiny").write_bytes(cv2.imencode(".jpg", np.zeros((1, 1, 3), np.uint8))[1].tobytes())
    device, state = Path(f"/dev/kerbwatch-test-{os.getpid()}"), tmp_path / "state"
    device.touch()
    state.write_text("run")
    try:
        done = subprocess.run(
            [sys.executable, "-c", LOOK, str(device), str(state), str(frames)],
            env={
                **os.environ,
                "LD_PRELOAD": str(library),
                "PRETENDED_CAMERA": str(device),
                "PRETENDED_FRAMES": str(frames),
                "PRETENDED_STATE": str(state),
                "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "1",
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        device.unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert facts["size"] == [1280, 720]
    assert facts["unsupported"] == ["gain"]
    assert facts["bgr"] == [720, 1280, 3]
    assert facts["luma"] == [180, 320]
    assert facts["same"]
    assert facts["sequences"] == sorted(set(facts["sequences"]))
    assert facts["sequences"][-1] >= 8  # those left out are counted
    assert facts["damaged"][0] == "only damaged pictures come"
    assert "48000 × 27000 pixels is too large" in facts["absurd"][0]
    assert "1 × 1 pixels shows too little" in facts["tiny"][0]
    assert facts["silent"][0] == "no picture for 1 s"
    assert facts["gone"][0] == "unplugged"
    assert "there is no" in facts["away"]
    assert facts["back"] == [720, 1280, 3]
    assert "gives MJPG at 1280 × 720" in facts["size asked"]
