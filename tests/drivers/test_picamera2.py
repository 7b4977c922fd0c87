"""The Pi's camera: buffers without a camera, and the real Picamera2 on libcamera's virtual one.

The virtual camera plays JPEGs as fast as they are read. Autofocus, exposure, frame pacing and other
formats than NV12 cannot be had there.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.cameras import CameraError, Picture, load_driver
from drivers.cameras._planes import FORMATS, PLANAR, Layout, bgr_of, brightness_of
from tests.support.debian_roots import Recipe, debian_root, inside
from tests.support.outboxes import events_in
from tests.support.paths import ROOT, SUPPORT
from tests.support.sites import site_of, write_site

HERE = SUPPORT / "virtual_camera"
RECIPE = Recipe(
    name="picamera2",
    suite="trixie",
    packages=(
        "python3",
        "python3-venv",
        "python3-dev",
        "python3-libcamera",
        "libcamera-ipa",
        "gcc",
        "libc6-dev",
        "libcap-dev",
        "linux-libc-dev",
        "ca-certificates",
    ),
    files=(
        ("opt/heaps.c", HERE / "heaps.c"),
        ("opt/fitting/pykms.py", HERE / "pykms.py"),
        ("opt/fitting/sitecustomize.py", HERE / "sitecustomize.py"),
        ("usr/share/libcamera/pipeline/virtual/virtual.yaml", HERE / "virtual.yaml"),
        ("opt/requirements.lock", ROOT / "requirements.lock"),
    ),
    steps=(
        "gcc -shared -fPIC -O1 -Wall -Werror -o /opt/heaps.so /opt/heaps.c",
        "python3 -m venv --system-site-packages /opt/environment",
        "/opt/environment/bin/pip install -q --require-hashes --only-binary :all:"
        " -r /opt/requirements.lock",
        "/opt/environment/bin/pip install -q picamera2",
    ),
)
WITH_CAMERA = [
    "env",
    "LD_PRELOAD=/opt/heaps.so",
    "PYTHONPATH=/opt/fitting:/srv/installed",
    "KERBWATCH_MODELS=/srv/installed/share/kerbwatch/models",
    "LIBCAMERA_LOG_LEVELS=*:ERROR",
    "/opt/environment/bin/python",
]


# --- buffers -------------------------------------------------------------------------------------


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Smooth pictures: the chroma of planar formats has a quarter of the pixels."""
    width, height = 2 * draw(st.integers(1, 40)), 2 * draw(st.integers(1, 30))
    small = np.array(draw(st.lists(st.integers(0, 255), min_size=12, max_size=12)), np.uint8)
    return np.asarray(
        cv2.resize(small.reshape(2, 2, 3), (width, height), interpolation=cv2.INTER_LINEAR),
        np.uint8,
    )


def in_memory(bgr: Picture, format_: str, padding: int, rest: int) -> tuple[Picture, Layout]:
    """A picture as a camera lays it down; written apart from the code that reads it."""
    height, width = bgr.shape[:2]
    pixel_bytes = {"RGB888": 3, "BGR888": 3, "XRGB8888": 4, "XBGR8888": 4}.get(format_, 1)
    stride = pixel_bytes * width + 2 * padding
    memory = bytearray()
    if format_ in PLANAR:
        planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
        brightness = planes[: width * height].reshape(height, width)
        u, v = planes[width * height :].reshape(2, height // 2, width // 2)
        for row in brightness:
            memory += bytes(row) + b"\x55" * (2 * padding)
        if format_ == "YUV420":
            for plane in (u, v):
                for row in plane:
                    memory += bytes(row) + b"\x55" * padding
        else:
            for row_u, row_v in zip(u, v, strict=True):
                by_turns = [byte for pair in zip(row_u, row_v, strict=True) for byte in pair]
                memory += bytes(by_turns) + b"\x55" * (2 * padding)
    else:
        order = (0, 1, 2) if format_ in {"RGB888", "XRGB8888"} else (2, 1, 0)
        for row in bgr:
            for pixel in row:
                memory += bytes(pixel[channel] for channel in order) + b"\xff" * (pixel_bytes - 3)
            memory += b"\x55" * (2 * padding)
    memory += b"\xaa" * rest
    return np.frombuffer(bytes(memory), np.uint8), Layout(format_, width, height, stride)


@given(pictures(), st.sampled_from(FORMATS), st.integers(0, 9), st.integers(0, 64))
def test_every_layout_gives_the_picture_that_was_laid_down(
    bgr: Picture, format_: str, padding: int, rest: int
) -> None:
    buffer, layout = in_memory(bgr, format_, padding, rest)
    assert layout.size_bytes == buffer.size - rest
    found = bgr_of(buffer, layout)
    assert found.shape == bgr.shape
    if format_ in PLANAR:
        exact = cv2.cvtColor(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), cv2.COLOR_YUV2BGR_I420)
        assert np.array_equal(found, exact)
    else:
        assert np.array_equal(found, bgr)


@given(pictures(), st.sampled_from(sorted(PLANAR)), st.integers(0, 9))
def test_brightness_is_the_first_plane_without_its_padding(
    bgr: Picture, format_: str, padding: int
) -> None:
    buffer, layout = in_memory(bgr, format_, padding, rest=0)
    height, width = bgr.shape[:2]
    expected = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)[:height]
    found = brightness_of(buffer, layout)
    assert found.shape == (height, width)
    assert np.array_equal(found, expected)


def test_what_libcamera_calls_red_green_blue_lies_blue_first() -> None:
    buffer = np.array([255, 0, 0, 9, 9], np.uint8)  # one blue pixel, and padding
    assert bgr_of(buffer, Layout("RGB888", 1, 1, 5)).tolist() == [[[255, 0, 0]]]


# --- settings -----------------------------------------------------------------------------------


def test_a_fixed_focus_needs_its_distance() -> None:
    settings = load_driver("picamera2").Settings
    with pytest.raises(ValidationError, match="go together"):
        settings.model_validate({"focus": "fixed"})
    with pytest.raises(ValidationError, match="go together"):
        settings.model_validate({"lens_position_dpt": 0.0})


def test_without_picamera2_the_camera_says_what_to_install() -> None:
    driver = load_driver("picamera2")
    with pytest.raises(CameraError, match="apt install python3-picamera2"):
        driver.open_camera("north", driver.Settings())


# --- the real Picamera2 -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root() -> Path:
    return debian_root(RECIPE)


@pytest.fixture(scope="module")
def installed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kerbwatch's wheel, installed by the root's own Python."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    pip = ["/opt/environment/bin/pip", "install", "-q", "--no-deps", "--no-index"]
    install = [*pip, "--target", "/srv/installed", f"/srv/installed/{wheel.name}"]
    subprocess.run(inside(root, install, [(folder, "srv/installed")]), check=True)
    return folder


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Twelve seconds of the bundled street in which a bike stands on the pavement, as JPEGs."""
    frames = tmp_path / "frames"
    frames.mkdir()
    clip = cv2.VideoCapture(str(ROOT / "examples" / "street" / "clip.mp4"))
    for index in range(12):
        clip.set(cv2.CAP_PROP_POS_MSEC, 1000.0 * (44 + index))
        read, picture = clip.read()
        assert read
        cv2.imwrite(str(frames / f"{index:03d}.jpg"), picture)
    return frames


@pytest.fixture
def python(root: Path, installed: Path, street: Path, tmp_path: Path) -> list[str]:
    """The root's Python with the virtual camera; ``tmp_path`` is its ``/srv/site``."""
    binds = [(installed, "srv/installed"), (street, "srv/frames"), (tmp_path, "srv/site")]
    return inside(root, WITH_CAMERA, binds)


LOOK = """
import json, time
import numpy as np
from drivers.cameras import CameraError, load_driver

driver = load_driver("picamera2")
told = driver.Settings(camera="Street", frames_per_s=30, exposure_us=5000, white_balance="daylight")
camera = driver.open_camera("north", told)
frames = [camera.read() for _ in range(20)]
first = frames[0]
facts = {
    "found": [each.address for each in driver.list_cameras()],
    "size": camera.size_px,
    "bgr": first.bgr().shape,
    "luma": first.luma.shape,
    "same": first.bgr() is first.bgr(),
    "writeable": first.bgr().flags.writeable,
    "alike": float(np.abs(first.bgr().mean(2).mean() - first.luma.mean())),
    "different": len({frame.luma.tobytes() for frame in frames}),
    "sequences": [frame.sequence for frame in frames],
    "times": [frame.monotonic_s for frame in frames],
    "now": time.clock_gettime(time.CLOCK_BOOTTIME),
    "unsupported": camera.unsupported,
}
camera.adjust(driver.Settings(camera="Street", frames_per_s=30))
facts["supported"] = camera.unsupported
np.save("/srv/frames/first.npy", first.bgr())
for name, wanted in (("missing", {"camera": "nobody"}), ("size", {"camera": 0, "width": 640, "height": 480})):
    try:
        driver.open_camera("north", driver.Settings(**wanted)).close()
    except CameraError as error:
        facts["refused " + name] = error.reason
camera.close()
camera.close()
again = driver.open_camera("north", driver.Settings())
facts["again"] = again.read().sequence
again.close()
print(json.dumps(facts))
"""


@pytest.mark.booted
def test_the_real_library_gives_colour_and_brightness_of_the_street(
    python: list[str], street: Path
) -> None:
    done = subprocess.run(
        [*python, "-c", LOOK], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert facts["found"] == ["Street"]
    assert facts["size"] == [1280, 720]
    assert facts["bgr"] == [720, 1280, 3]
    assert facts["luma"] == [180, 320]
    assert facts["same"]
    assert not facts["writeable"]
    assert facts["alike"] < 8
    assert facts["different"] > 1
    assert facts["sequences"] == sorted(set(facts["sequences"]))
    assert facts["times"] == sorted(facts["times"])
    assert 0 <= facts["now"] - facts["times"][0] < 60
    assert facts["unsupported"] == ["AwbMode", "ExposureTime"]
    assert facts["supported"] == []
    assert "nobody" in facts["refused missing"]
    assert facts["again"] == 0
    played = [np.asarray(cv2.imread(str(path)), int) for path in sorted(street.glob("*.jpg"))]
    seen = np.load(street / "first.npy").astype(int)
    # The virtual camera fills the whole range of values, NV12 is taken to fill that of video: the
    # picture comes out with more contrast, but every pixel in its place.
    assert max(np.corrcoef(seen.ravel(), each.ravel())[0, 1] for each in played) > 0.99


PRETENDED = """
import json, time
from types import SimpleNamespace
from unittest.mock import create_autospec
import libcamera, picamera2
import numpy as np
from drivers.cameras import CameraError
from drivers.cameras import picamera2 as driver

sensor = create_autospec(picamera2.Picamera2)
sensor.global_camera_info.return_value = [{"Id": "/base/imx708@1a", "Model": "imx708"}]
camera = sensor.return_value
camera.create_video_configuration.side_effect = lambda **told: {
    "transform": libcamera.Transform(), **told
}
given = {
    "main": {"format": "RGB888", "size": (1280, 720), "stride": 3904},
    "lores": {"format": "YUV420", "size": (320, 180), "stride": 384},
}
camera.camera_configuration.side_effect = lambda: given
camera.camera_controls = {
    "AfMode": (0, 2, 0), "LensPosition": (0.0, 32.0, 1.0), "ExposureTime": (100, 66000, 20000),
    "AnalogueGain": (1.0, 16.0, 1.0), "FrameDurationLimits": (10000, 120000, 33333),
}
request = create_autospec(picamera2.request.CompletedRequest, instance=True)
request.get_metadata.return_value = {}
rows = np.full((720, 3904), 7, np.uint8)
rows[:, :3840] = np.tile(np.array([200, 100, 50], np.uint8), 1280)
planes = np.full(180 * 384 * 3 // 2, 33, np.uint8)
request.make_buffer.side_effect = {"main": rows.ravel(), "lores": planes}.__getitem__
camera.wait.return_value = request
library = SimpleNamespace(Picamera2=sensor)
driver._library = lambda: library
facts = {}
opened = driver.open_camera("north", driver.Settings(
    focus="fixed", lens_position_dpt=0.1, exposure_us=2000, hflip=True, frames_per_s=20))
facts["set"] = camera.set_controls.call_args.args[0]
facts["flipped"] = camera.configure.call_args.args[0]["transform"].hflip
frame = opened.read()
facts["pixel"] = frame.bgr()[719, 1279].tolist()
facts["luma"] = [frame.luma.shape, int(frame.luma.max())]
facts["released"] = request.release.call_count
opened.adjust(driver.Settings(frames_per_s=10))
facts["given back"] = camera.set_controls.call_args.args[0]

def refusal(what, work):
    try:
        work()
    except CameraError as error:
        facts[what] = error.reason

refusal("limits", lambda: opened.adjust(driver.Settings(exposure_us=90000)))
request.make_buffer.side_effect = {"main": rows.ravel()[:-1], "lores": planes}.__getitem__
refusal("short", opened.read)
camera.wait.side_effect = TimeoutError()
refusal("hangs", opened.read)
camera.close.side_effect = lambda: time.sleep(60)
driver.CLOSE_TIMEOUT_S = 0.2
opened.close()
given["main"]["size"] = (1536, 864)
refusal("size", lambda: driver.open_camera("north", driver.Settings()))
given["main"].update(size=(1280, 720), stride=0)
refusal("stride", lambda: driver.open_camera("north", driver.Settings()))
given["main"].update(stride=3904, format="SBGGR10_CSI2P")
refusal("format", lambda: driver.open_camera("north", driver.Settings()))
sensor.side_effect = RuntimeError("Failed to acquire camera: Device or resource busy")
refusal("busy", lambda: driver.open_camera("north", driver.Settings()))
sensor.global_camera_info.return_value = []
refusal("none", lambda: driver.open_camera("north", driver.Settings()))
print(json.dumps(facts), flush=True)
"""


@pytest.mark.booted
def test_what_the_virtual_camera_cannot_do_is_done_with_the_names_of_the_real_library(
    python: list[str],
) -> None:
    done = subprocess.run(
        [*python, "-c", PRETENDED], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert facts["set"] == {
        "FrameDurationLimits": [50000, 50000],
        "AfMode": 0,
        "LensPosition": 0.1,
        "ExposureTime": 2000,
    }
    assert facts["flipped"]
    assert facts["pixel"] == [200, 100, 50]
    assert facts["luma"] == [[180, 320], 33]
    assert facts["released"] == 1
    assert facts["given back"] == {"FrameDurationLimits": [100000, 100000], "ExposureTime": 0}
    assert facts["limits"] == "ExposureTime 90000 is outside what this camera takes: 100 to 66000"
    assert facts["hangs"] == "no picture for 5 s"
    assert "1536 × 864" in facts["size"]
    assert "a buffer of 2810879 bytes" in facts["short"]
    assert "cannot lie in 0 bytes" in facts["stride"]
    assert "SBGGR10_CSI2P" in facts["format"]
    assert "busy" in facts["busy"]
    assert "no camera" in facts["none"]


SITE = site_of(
    site={"tenant": "t", "device_id": "d"},
    cameras=[
        {
            "camera_id": "street",
            "driver": "picamera2",
            "settings": {"camera": "Street", "frames_per_s": 30},
        }
    ],
    scenarios={"misparked_bikes": {"allowed_s": 5}},
    storage={"state_dir": "state"},
)


@pytest.mark.booted
def test_the_agent_opens_a_case_from_the_pi_camera(python: list[str], tmp_path: Path) -> None:
    site = tmp_path
    write_site(site, SITE)
    zones = (ROOT / "examples" / "street" / "zones.json").read_text(encoding="utf-8")
    (site / "zones.json").write_text(zones, encoding="utf-8")
    command = [*python, "-m", "agent", "/srv/site"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as agent:
        opened = wait_for_case(site / "state" / "kerbwatch.sqlite3", agent, limit_s=90)
        agent.send_signal(signal.SIGTERM)
        _, log = agent.communicate(timeout=60)
    assert opened, log
    assert agent.returncode == 0, log
    assert {event["body"]["kind"] for event in opened} == {"misparked_bike"}
    [event] = opened
    for picture in event["body"]["pictures"]:
        taken = cv2.imread(str(site / "state" / "evidence" / picture["file"]))
        assert taken is not None
        assert taken.shape[:2] == (picture["height_px"], picture["width_px"])


def wait_for_case(
    database: Path, agent: subprocess.Popen[str], limit_s: float
) -> list[dict[str, Any]]:
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s and agent.poll() is None:
        found = [event for event in events_in(database) if event["type"] == "case.opened"]
        if found:
            return found
        time.sleep(0.5)
    return []
