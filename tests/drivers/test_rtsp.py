"""Network cameras, against a real RTSP server and against ones that misbehave."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import pytest
from pydantic import ValidationError

from agent.capture import camera_reader
from agent.capture.camera_reader import CameraReader
from agent.capture.mailbox import Mailbox
from agent.telemetry.status_file import FILE, CameraStatus, Status
from drivers.cameras import CameraError, load_driver
from drivers.cameras.rtsp import NetworkCamera, Settings, open_camera
from tests.support.outboxes import events_in
from tests.support.paths import ROOT, SUPPORT
from tests.support.ports import free_port
from tests.support.sites import site_of, write_site
from tests.support.waiting import wait_until

CLIP = ROOT / "examples" / "street" / "clip.mp4"
SYSTEM_PYTHON = "/usr/bin/python3"


def can_serve() -> bool:
    probe = "import gi; gi.require_version('GstRtspServer', '1.0')"
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Twelve seconds of the bundled street from a time on, as JPEGs."""

    def cut(begin_s: int) -> Path:
        folder = tmp_path_factory.mktemp(f"from-{begin_s}")
        clip = cv2.VideoCapture(str(CLIP))
        for index in range(12):
            clip.set(cv2.CAP_PROP_POS_MSEC, 1000.0 * (begin_s + index))
            read, picture = clip.read()
            assert read
            cv2.imwrite(str(folder / f"{index:03d}.jpg"), picture)
        return folder

    return cut


@pytest.fixture
def serve() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts an RTSP server on a port with a source, perhaps with user and password."""
    if not can_serve():
        pytest.skip("needs GStreamer's RTSP server for the system's Python (see ./check)")
    with ExitStack() as stack:

        def start(port: int, source: Path, *who: str) -> subprocess.Popen[str]:
            command = [SYSTEM_PYTHON, str(SUPPORT / "rtsp_server.py")]
            process = stack.enter_context(
                subprocess.Popen(
                    [*command, str(port), str(source), *who], stdout=subprocess.PIPE, text=True
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline().strip() == str(port)
            return process

        yield start


def url(port: int, path: str = "street", scheme: str = "rtsp") -> str:
    return f"{scheme}://127.0.0.1:{port}/{path}"


def opened(port: int, **told: Any) -> NetworkCamera:
    return open_camera("gate", Settings(url=url(port), **told))


def refusal(**told: Any) -> str:
    with pytest.raises(CameraError) as refused:
        open_camera("gate", Settings(**told)).close()
    return refused.value.reason


# --- what it can be told -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"url": "rtsp://user:secret@10.0.0.9/live"}, "the URL must not contain"),
        ({"url": "file:///etc/passwd"}, "give rtsp://"),
        ({"url": "rtsp:///live"}, "give rtsp://"),
        ({"url": "rtsp://10.0.0.9/live", "user": "u"}, "go together"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(told: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Settings.model_validate(told)


def test_a_password_is_in_no_text_that_leaves_the_driver(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n", encoding="utf-8")
    told = {"url": url(free_port()), "user": "u", "password_file": tmp_path / "password"}
    settings = Settings.model_validate(told)
    assert "hunter2" not in repr(settings) + settings.model_dump_json() + refusal(**told)


def test_a_missing_password_file_is_named() -> None:
    reason = refusal(url=url(free_port()), user="u", password_file=Path("/nowhere/secret"))
    assert "password file secret: " in reason


def test_a_pipe_in_the_place_of_a_password_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reason = refusal(url=url(free_port()), user="u", password_file=tmp_path / "pipe")
    assert "password file pipe: it is no ordinary file" in reason


# --- servers that misbehave -----------------------------------------------------------------------


def test_nobody_there_and_a_name_that_is_unknown_are_told_apart() -> None:
    assert "refused" in refusal(url=url(free_port()))
    assert "nohost.invalid is not found" in refusal(url="rtsp://nohost.invalid/street")


@pytest.mark.slow
def test_a_server_that_accepts_and_stays_silent_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        port = black_hole.getsockname()[1]
        assert "no answer within 1 s" in refusal(url=url(port), open_timeout_s=1)


class _Mjpeg(BaseHTTPRequestHandler):
    """Sends JPEGs as a browser would show them, then nothing more, with the line held open."""

    frames: tuple[bytes, ...] = ()
    hold = threading.Event()

    def do_GET(self) -> None:
        if self.path != "/video":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for frame in self.frames:
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(frame)}\r\n\r\n"
            self.wfile.write(head.encode() + frame + b"\r\n")
            time.sleep(0.02)
        self.hold.wait(30)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        pass


@pytest.fixture
def web_camera(pictures: Callable[[int], Path]) -> Iterator[int]:
    jpegs = tuple(path.read_bytes() for path in sorted(pictures(44).glob("*.jpg")))
    _Mjpeg.frames, _Mjpeg.hold = 6 * jpegs, threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Mjpeg)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    _Mjpeg.hold.set()
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_pictures_over_http_are_read_and_their_end_is_a_loss_in_bounded_time(
    web_camera: int,
) -> None:
    told = Settings(url=url(web_camera, "video", "http"), frames_per_s=60, read_timeout_s=3)
    camera = open_camera("gate", told)
    frame = camera.read()
    assert frame is not None
    assert frame.bgr().shape == (720, 1280, 3)
    assert frame.luma.shape == (180, 320)
    with pytest.raises(CameraError, match="no picture for 3 s"):
        list(iter(camera.read, None))
    camera.close()
    camera.close()
    assert "no stream at the path" in refusal(url=url(web_camera, "other", "http"))


# --- a real RTSP server ---------------------------------------------------------------------------


@pytest.mark.slow
def test_frames_come_with_their_times_and_no_more_than_wanted(
    serve: Callable[..., subprocess.Popen[str]],
) -> None:
    port = free_port()
    serve(port, CLIP)
    camera = opened(port, frames_per_s=4)
    frames = [camera.read() for _ in range(6)]
    camera.close()
    found = [frame for frame in frames if frame is not None]
    assert len(found) == 6
    assert {frame.bgr().shape for frame in found} == {(720, 1280, 3)}
    times = [frame.monotonic_s for frame in found]
    assert times == sorted(times)
    assert times[-1] - times[0] >= 1.0
    sequences = [frame.sequence for frame in found]
    assert sequences == sorted(set(sequences))
    assert sequences[-1] > 5  # those left out are counted


@pytest.mark.slow
def test_who_does_not_know_the_password_is_told_so(
    serve: Callable[..., subprocess.Popen[str]], pictures: Callable[[int], Path], tmp_path: Path
) -> None:
    port = free_port()
    serve(port, pictures(44), "operator", "p@ss:w/rd")
    assert "asks for a user" in refusal(url=url(port))
    file = tmp_path / "password"
    file.write_text("wrong\n", encoding="utf-8")
    told = {"url": url(port), "user": "operator", "password_file": file}
    assert "refuses the user or the password" in refusal(**told)
    file.write_text("p@ss:w/rd\n", encoding="utf-8")
    camera = open_camera("gate", Settings.model_validate(told))
    assert camera.read() is not None
    camera.close()
    assert "p@ss" not in camera.source
    assert "no stream at the path" in refusal(url=url(port, "other"))


@pytest.mark.slow
def test_without_a_hardware_decoder_it_is_refused_or_done_without(
    serve: Callable[..., subprocess.Popen[str]], pictures: Callable[[int], Path]
) -> None:
    port = free_port()
    serve(port, pictures(44))
    tried = opened(port, hardware_decoding="try")
    if tried.decodes_in_hardware:
        pytest.skip("this machine decodes H.264 in hardware")
    tried.close()
    told = {"url": url(port), "hardware_decoding": "require"}
    # This server needs a moment to take its stream down before it serves another.
    wait_until(lambda: "no hardware decoder" in refusal(**told))


@pytest.mark.slow
def test_a_camera_that_dies_is_a_loss_and_one_that_comes_back_goes_on(
    serve: Callable[..., subprocess.Popen[str]],
    pictures: Callable[[int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(camera_reader, "REOPEN_FIRST_S", 0.2)
    port, folder = free_port(), pictures(44)
    server = serve(port, folder)
    mailbox, stop = Mailbox(["gate"]), threading.Event()
    reader = CameraReader(
        "gate", lambda: opened(port, read_timeout_s=1), mailbox, lambda: 10, lambda: None
    )
    thread = threading.Thread(target=reader.run, args=(stop,))
    thread.start()
    assert mailbox.take(120) is not None
    server.send_signal(signal.SIGKILL)
    server.wait()
    wait_until(lambda: reader.state not in {"running", "opening"})
    while mailbox.take(0.2) is not None:
        pass
    serve(port, folder)
    assert mailbox.take(120) is not None
    stop.set()
    thread.join(60)
    assert reader.activity.reopened >= 1


def site_at(url: str) -> dict[str, Any]:
    settings = {"url": url, "read_timeout_s": 1}
    return site_of(
        site={"tenant": "t", "device_id": "d"},
        cameras=[{"camera_id": "street", "driver": "rtsp", "settings": settings}],
        scenarios={"misparked_bikes": {"allowed_s": 5, "clear_after_s": 2}},
    )


STANDS_FOR = 20
"""Frames analysed, five a second at most: the footage of twice ``clear_after_s``."""


@pytest.mark.slow
def test_a_case_goes_on_when_its_camera_dies_and_comes_back(
    serve: Callable[..., subprocess.Popen[str]], pictures: Callable[[int], Path], tmp_path: Path
) -> None:
    """A bike stands; the camera dies and is back; the bike stands still; the bike has gone."""
    port, with_bike, without = free_port(), pictures(44), pictures(0)
    write_site(tmp_path, site_at(url(port)))
    zones = (ROOT / "examples" / "street" / "zones.json").read_text(encoding="utf-8")
    (tmp_path / "zones.json").write_text(zones, encoding="utf-8")

    def seen(kind: str) -> list[dict[str, Any]]:
        return [
            event
            for event in events_in(tmp_path / "state" / "kerbwatch.sqlite3")
            if event["type"] == kind
        ]

    def street() -> CameraStatus | None:
        path = tmp_path / "run" / FILE
        return (
            Status.model_validate_json(path.read_text()).cameras["street"]
            if path.exists()
            else None
        )

    def runs() -> bool:
        camera = street()
        return camera is not None and camera.state == "running"

    def analysed() -> int:
        camera = street()
        return 0 if camera is None else camera.analysed

    server = serve(port, with_bike)
    command = [sys.executable, "-m", "agent", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as agent:
        try:
            wait_until(lambda: len(seen("case.opened")) == 1)
            for source in (with_bike, without):
                server.kill()
                server.wait()
                wait_until(lambda: not runs())
                before = analysed()
                server = serve(port, source)
                wait_until(runs)
                if source is with_bike:  # seen for longer than it would take to clear it
                    wait_until(lambda: analysed() >= before + STANDS_FOR)  # noqa: B023
                    assert seen("case.cleared") == []
            wait_until(lambda: len(seen("case.cleared")) == 1)
        finally:
            agent.send_signal(signal.SIGTERM)
            _, log = agent.communicate(timeout=60)
    assert agent.returncode == 0, log
    [begun], [ended] = seen("case.opened"), seen("case.cleared")
    assert begun["body"]["case_id"] == ended["body"]["case_id"]
    assert begun["body"]["kind"] == "misparked_bike"
    assert "opening it again" in log


def test_the_driver_is_found_by_its_name() -> None:
    assert load_driver("rtsp").Settings is Settings
