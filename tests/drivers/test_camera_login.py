"""Promises about network cameras behind a login or TLS: who is asked, how often, and what is told."""

from __future__ import annotations

import re
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from agent.capture import camera_reader
from agent.capture.camera_reader import CameraReader
from agent.capture.mailbox import Mailbox
from drivers.cameras import Camera, CameraError, LoginRefusedError
from drivers.cameras.rtsp import Settings, open_camera
from tests.support.certificates import Authority
from tests.support.network_camera import SDP, SOUND, VIDEO, Manner, NetworkCamera
from tests.support.waiting import wait_until

USER, PASSWORD = "kerb", "hunter2"


def jpeg() -> bytes:
    _, encoded = cv2.imencode(".jpg", np.full((240, 320, 3), 90, np.uint8))
    return encoded.tobytes()


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n", encoding="utf-8")
    return path


def settings(camera: NetworkCamera, scheme: str, **told: Any) -> Settings:
    host = told.pop("host", "127.0.0.1")
    path = told.pop("path", "street")
    return Settings(
        url=f"{scheme}://{host}:{camera.port}/{path}",
        **{"open_timeout_s": 2, "read_timeout_s": 2, **told},
    )


def opened(camera: NetworkCamera, scheme: str, **told: Any) -> Camera:
    """A camera that shows its pictures, however long it takes."""
    patient = {"open_timeout_s": 60, "read_timeout_s": 60}
    return open_camera("gate", settings(camera, scheme, **patient, **told))


def refusal(camera: NetworkCamera, scheme: str, **told: Any) -> CameraError:
    with pytest.raises(CameraError) as refused:
        open_camera("gate", settings(camera, scheme, **told)).close()
    return refused.value


# --- what is behind the login ------------------------------------------------------------------------

BEHIND = {
    "404": ({"describe": 404}, "no stream at the path"),
    "453": ({"describe": 453}, "too many viewers"),
    "503": ({"describe": 503}, "too many viewers"),
    "too many at SETUP": ({"setup": 453}, "too many viewers"),
    "500": ({"describe": 500}, "refuses, with status 500"),
    "sound": ({"sdp": SDP + SOUND}, "only sound"),
    "codec": ({"sdp": SDP + VIDEO.format(codec="X-OWN\x1b[2J")}, "sends X-OWN??2J, which cannot"),
    "silent": ({}, "no picture for 2 s"),
}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
@pytest.mark.parametrize("case", BEHIND)
def test_what_a_camera_refuses_behind_its_login_is_told_apart_from_a_wrong_password(
    password_file: Path, scheme: Any, case: str
) -> None:
    manner, words = BEHIND[case]
    told = Manner(user=USER, password=PASSWORD, scheme=scheme, **manner)  # type: ignore[arg-type]
    with NetworkCamera(told) as camera:
        error = refusal(camera, "rtsp", user=USER, password_file=password_file)
        assert words in error.reason
        assert not isinstance(error, LoginRefusedError)


@pytest.mark.parametrize("protocol", ["rtsp", "http"])
@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_a_wrong_password_is_offered_once_and_told_as_that(
    password_file: Path, protocol: str, scheme: Any
) -> None:
    with NetworkCamera(Manner(user=USER, password="other", scheme=scheme)) as camera:
        error = refusal(camera, protocol, user=USER, password_file=password_file)
        assert isinstance(error, LoginRefusedError)
        assert "refuses the user or the password" in error.reason
        assert len(camera.logins) == 1
        assert "asks for a user and a password" in refusal(camera, protocol).reason


def test_a_user_who_is_locked_out_is_told_so_and_waits_as_one_with_a_wrong_password(
    password_file: Path,
) -> None:
    with NetworkCamera(Manner(user=USER, password=PASSWORD, describe=403)) as camera:
        error = refusal(camera, "rtsp", user=USER, password_file=password_file)
        assert isinstance(error, LoginRefusedError)
        assert "locked the user out" in error.reason


def test_a_login_of_a_kind_that_ffmpeg_does_not_know_is_told_so(password_file: Path) -> None:
    with NetworkCamera(Manner(user=USER, password=PASSWORD, scheme="SHA-256")) as camera:
        error = refusal(camera, "rtsp", user=USER, password_file=password_file)
        assert "set it to Digest (MD5) or Basic" in error.reason
        assert camera.logins == []


PASSWORDS = [
    " blanks at both ends ",
    "p@ss:w/rd%#?[]&=+",
    "p%40ss",
    "密码是一串很长的中文字密码是一串很长的中文字",
    "x" * 100,
    '"quoted\\"',
    "semi;colon|pipe",
    "",
]


@pytest.mark.slow
@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_long_and_odd_passwords_are_handed_on_as_they_are(
    tmp_path: Path, password: str, scheme: Any
) -> None:
    """To a camera that sends pictures over HTTP, and to one that asks again at every RTSP step."""
    file = tmp_path / "password"
    file.write_text(f"{password}\r\na second line\n", encoding="utf-8", newline="")
    user = "kerb/用户@%"
    told = Manner(user=user, password=password, scheme=scheme, jpeg=jpeg())
    with NetworkCamera(told) as camera:
        shown = opened(camera, "http", user=user, password_file=file, path="video?a=b")
        frame = shown.read()
        shown.close()
        assert frame is not None
        assert frame.bgr().shape == (240, 320, 3)
        assert "no picture" in refusal(camera, "rtsp", user=user, password_file=file).reason
        assert ("PLAY", "") not in camera.asked
        assert any(method == "PLAY" for method, _ in camera.asked)


@pytest.mark.parametrize("user", ["kerb:x", "kerb\r\nX: y"])
def test_a_user_whom_no_login_can_carry_is_no_setting(user: str) -> None:
    with pytest.raises(ValidationError, match="no colon"):
        Settings(url="rtsp://10.0.0.9/live", user=user, password_file=Path("p"))


def test_a_password_that_ffmpeg_would_cut_off_is_told_before_anybody_is_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "password").write_text("码" * 45, encoding="utf-8")
    with NetworkCamera(Manner(user=USER, password="码" * 45)) as camera:
        error = refusal(camera, "rtsp", user=USER, password_file=tmp_path / "password")
        assert "too long: 127 bytes" in error.reason
        assert camera.asked == []


@pytest.mark.slow
def test_after_refused_logins_the_waits_grow_and_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert (camera_reader.LOGIN_FIRST_S, camera_reader.LOGIN_MAX_S) == (60, 3600)
    monkeypatch.setattr(camera_reader, "LOGIN_FIRST_S", 0.5)
    monkeypatch.setattr(camera_reader, "REOPEN_FIRST_S", 30.0)  # not these
    offered: list[float] = []

    def refuse() -> Camera:
        offered.append(time.monotonic())
        raise LoginRefusedError("gate", "the camera refuses the user or the password")

    mailbox, stop = Mailbox(["gate"]), threading.Event()
    reader = CameraReader("gate", refuse, mailbox, lambda: 5, lambda: None)
    thread = threading.Thread(target=reader.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: len(offered) >= 3)
        assert "the next try is in 1 min" in reader.state
    finally:
        stop.set()
        thread.join(60)
    told = [float(found) for found in re.findall(r"opening it again in ([\d.]+) s", caplog.text)]
    for number, wait_s in enumerate(told[:2]):
        assert 0.4 * 2**number - 0.1 <= wait_s <= 0.5 * 2**number + 0.1
        assert offered[number + 1] - offered[number] >= 0.4 * 2**number


# --- redirects -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["rtsp", "http"])
def test_a_redirect_to_another_host_is_refused_and_nobody_there_is_asked(
    password_file: Path, protocol: str
) -> None:
    with NetworkCamera(Manner(jpeg=jpeg())) as other:
        location = f"{protocol}://localhost:{other.port}/street?token=abc"
        manner = Manner(user=USER, password=PASSWORD, describe=302, location=location)
        with NetworkCamera(manner) as camera:
            error = refusal(camera, protocol, user=USER, password_file=password_file)
        assert "another host, localhost" in error.reason
        assert "abc" not in error.reason
        assert other.asked == []


def test_what_redirects_for_ever_within_itself_is_given_up(password_file: Path) -> None:
    manner = Manner(user=USER, password=PASSWORD, describe=302, location="/again")
    with NetworkCamera(manner) as camera:
        error = refusal(camera, "http", user=USER, password_file=password_file)
        assert "status 508" in error.reason


def test_a_playlist_of_other_addresses_is_no_camera() -> None:
    with NetworkCamera(Manner()) as other:
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{other.port}/x.ts\n".encode()
        with NetworkCamera(Manner(page=playlist)) as camera:
            assert "no stream that can be decoded" in refusal(camera, "http", path="x.m3u8").reason
        assert other.asked == []


# --- TLS ------------------------------------------------------------------------------------------------


def context(authority: Authority, name: str, **told: Any) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*authority.issue(name, server=True, **told))
    return made


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"days": -1}, "has expired"),
    "not yet": ({"days": 9, "in_days": 5}, "not valid yet"),
    "name": ({"host": "elsewhere.example"}, "for another name than"),
    "authority": ({}, "was not issued by a trusted authority"),
}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("protocol", ["rtsps", "https"])
@pytest.mark.parametrize("case", WRONG)
def test_a_camera_that_cannot_show_who_it_is_gets_no_password(
    tmp_path: Path, password_file: Path, protocol: str, case: str, host: str
) -> None:
    told, words = WRONG[case]
    authority = Authority(tmp_path / "ours", "ours")
    trusted = Authority(tmp_path / "other", "other") if case == "authority" else authority
    with NetworkCamera(Manner(user=USER, tls=context(authority, "camera", **told))) as camera:
        error = refusal(
            camera,
            protocol,
            host=host,
            ca_file=trusted.certificate_file,
            user=USER,
            password_file=password_file,
        )
        assert words in error.reason
        assert camera.asked == []


def test_without_a_ca_file_the_systems_authorities_decide(
    tmp_path: Path, password_file: Path
) -> None:
    authority = Authority(tmp_path / "ours", "ours")
    with NetworkCamera(Manner(user=USER, tls=context(authority, "camera"))) as camera:
        error = refusal(camera, "https", user=USER, password_file=password_file)
        assert "was not issued by a trusted authority" in error.reason
        assert camera.asked == []


@pytest.mark.slow
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_camera_that_its_authority_vouches_for_is_asked_and_shows_its_pictures(
    tmp_path: Path, password_file: Path, host: str
) -> None:
    authority = Authority(tmp_path / "ours", "ours")
    tls = context(authority, "camera")
    told: dict[str, Any] = {"user": USER, "password_file": password_file, "host": host}
    told["ca_file"] = authority.certificate_file
    with NetworkCamera(Manner(user=USER, password=PASSWORD, tls=tls, jpeg=jpeg())) as camera:
        shown = opened(camera, "https", **told)
        frame = shown.read()
        shown.close()
        assert frame is not None
        assert "no picture" in refusal(camera, "rtsps", **told).reason
        assert any(method == "PLAY" for method, _ in camera.asked)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_cameras_own_certificate_is_enough_whatever_name_it_is_for(
    tmp_path: Path, host: str
) -> None:
    authority = Authority(tmp_path / "ours", "ours")
    certificate, key = authority.issue("camera", server=True, host="IPC-123456")
    both = tmp_path / "camera-and-authority.pem"
    both.write_bytes(certificate.read_bytes() + authority.certificate_file.read_bytes())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with NetworkCamera(Manner(tls=tls, jpeg=jpeg())) as camera:
        shown = opened(camera, "https", host=host, ca_file=both)
        assert shown.read() is not None
        shown.close()
    other = context(authority, "another", host="IPC-654321")
    with NetworkCamera(Manner(tls=other, jpeg=jpeg())) as camera:
        assert "another name" in refusal(camera, "https", host=host, ca_file=both).reason


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_file_that_holds_no_certificate_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "camera-ca.pem"
    if content is not None:
        file.write_text(content, encoding="ascii")
    with NetworkCamera(Manner()) as camera:
        assert "ca_file camera-ca.pem: " in refusal(camera, "https", ca_file=file).reason


def test_a_ca_file_without_encryption_is_no_setting() -> None:
    with pytest.raises(ValidationError, match="begins with rtsps or https"):
        Settings(url="rtsp://10.0.0.9/live", ca_file=Path("ca.pem"))
