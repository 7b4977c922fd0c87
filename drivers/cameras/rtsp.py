"""Network cameras: RTSP, and MJPEG over HTTP. Decoded by the FFmpeg inside OpenCV.

The runner reads without a pause, so that no buffer grows into a delay; frames that are not wanted
are decoded, because later ones build on them, but not converted. A name that is not found, a port
that is closed, a password that is wrong and a path that is missing are told apart.
"""

from __future__ import annotations

import logging
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit, urlunsplit

import cv2
import numpy as np
from pydantic import Field, field_validator, model_validator

from drivers.cameras import CameraError, CameraSettings, Frame
from drivers.cameras._ffmpeg import announced_size_px, open_stream
from drivers.cameras._recorded import assert_shows_a_street, fitted, luma_of, shared
from drivers.foreign import reason_of
from drivers.pacing import Thinning
from drivers.wording import said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.cameras import Picture

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

_log = logging.getLogger(__name__)


class Settings(CameraSettings):
    """What a network camera can be told.

    Attributes:
        url: ``rtsp://HOST[:PORT]/PATH`` (or rtsps, http, https), without user and password.
        user: Who the camera is asked as.
        password_file: A file whose first line is the password. It is read at each opening.
        transport: How RTSP's pictures travel; ``tcp`` loses none on a bad line.
        frames_per_s: At most so many frames a second are converted and handed on.
        open_timeout_s: The camera must give its first picture within this time.
        read_timeout_s: A camera that gives no picture for this long is lost.
        hardware_decoding: ``try`` goes on without it, and says so; ``require`` does not.
    """

    url: str
    user: str | None = None
    password_file: Path | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    frames_per_s: float = Field(default=10.0, gt=0, le=60)
    open_timeout_s: float = Field(default=10.0, ge=1, le=60)
    read_timeout_s: float = Field(default=5.0, ge=1, le=60)
    hardware_decoding: Literal["off", "try", "require"] = "off"

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname or parts.port == 0:
            raise ValueError(said("give {form}", form="rtsp://HOST[:PORT]/PATH, http://…"))
        if parts.username is not None or parts.password is not None:
            raise ValueError(said("user and password do not stand in the URL: use their own keys"))
        return url

    @model_validator(mode="after")
    def _user_and_password_together(self) -> Settings:
        if (self.user is None) != (self.password_file is None):
            raise ValueError(said("user and password_file go together: give both or neither"))
        return self


def open_camera(camera_id: str, settings: Settings) -> NetworkCamera:
    """Connect to a network camera and wait for its first picture.

    Raises:
        CameraError: It is not reached, refuses, or gives no picture in time.
    """
    return NetworkCamera(camera_id, settings)


class NetworkCamera:
    """A stream that is being received. See :class:`drivers.cameras.Camera`.

    Attributes:
        decodes_in_hardware: Whether FFmpeg found a decoder in hardware and uses it.
    """

    live = True

    def __init__(self, camera_id: str, settings: Settings) -> None:
        self._camera_id, self._settings = camera_id, settings
        self._sequence = -1
        self._thinning = Thinning(settings.frames_per_s)
        self.source = settings.url
        password = self._password()
        self._stream = self._opened(password)
        if not self._stream.isOpened():
            self._stream.release()
            raise CameraError(camera_id, self._refusal(password))
        self.decodes_in_hardware = self._hardware()
        self.size_px = self._size()

    def _password(self) -> str | None:
        path = self._settings.password_file
        if path is None:
            return None
        try:
            return path.read_text(encoding="utf-8").split("\n", 1)[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            text = said("password file {file}: {reason}", file=path.name, reason=reason_of(error))
            raise CameraError(self._camera_id, text) from error

    def _refusal(self, password: str | None) -> str:
        """Why there is no stream. FFmpeg does not say; so the camera is asked once by hand."""
        parts = urlsplit(self._settings.url)
        try:
            status = _status(self._settings)
        except socket.gaierror as error:
            reason = reason_of(error)
            return said(
                "the name {host} is not found: {reason}", host=parts.hostname, reason=reason
            )
        except TimeoutError:
            return said("no answer within {seconds:g} s", seconds=self._settings.open_timeout_s)
        except OSError as error:
            return reason_of(error)
        if status == 404:
            return said("the camera has no stream at {path}", path=parts.path)
        if status == 401 and password is None:
            return said("the camera asks for a user and a password")
        if status == 401:
            return said("the camera refuses the user or the password")
        return said("the camera answers, but sends no stream that can be decoded")

    def _opened(self, password: str | None) -> cv2.VideoCapture:
        settings = self._settings
        hardware = settings.hardware_decoding != "off"
        wanted = {
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: round(1000 * settings.open_timeout_s),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC: round(1000 * settings.read_timeout_s),
            cv2.CAP_PROP_HW_ACCELERATION: (
                cv2.VIDEO_ACCELERATION_ANY if hardware else cv2.VIDEO_ACCELERATION_NONE
            ),
        }
        options = {"rtsp_transport": settings.transport, "fflags": "nobuffer"}
        return open_stream(_with_user(settings, password), options, wanted)

    def _size(self) -> tuple[int, int]:
        """What the stream announces, if frames of that size are judged."""
        size_px = announced_size_px(self._stream)
        if size_px is None:
            self.close()
            raise CameraError(self._camera_id, said("the stream does not say how large it is"))
        try:
            assert_shows_a_street(self._camera_id, *size_px)
        except CameraError:
            self.close()
            raise
        return size_px

    def _hardware(self) -> bool:
        found = self._stream.get(cv2.CAP_PROP_HW_ACCELERATION) > cv2.VIDEO_ACCELERATION_NONE
        wanted = self._settings.hardware_decoding
        if found or wanted == "off":
            return found
        text = said("there is no hardware decoder here for this stream")
        if wanted == "require":
            self.close()
            raise CameraError(self._camera_id, text)
        _log.warning("camera %s: %s; decoding on the processor", self._camera_id, text)
        return False

    def read(self) -> Frame | None:
        """Wait for the next picture that is wanted, at most ``read_timeout_s`` for each."""
        while True:
            began_s = time.monotonic()
            if not self._stream.grab():
                raise CameraError(self._camera_id, self._loss(time.monotonic() - began_s))
            monotonic_s = time.clock_gettime(time.CLOCK_BOOTTIME)
            self._sequence += 1
            if not self._thinning.keeps(monotonic_s):
                continue
            read, picture = self._stream.retrieve()
            if read and picture is not None:  # else it is damaged; the next whole one heals it
                fit = fitted(np.asarray(picture, np.uint8), self.size_px)
                return self._frame(shared(fit), monotonic_s)

    def _frame(self, bgr: Picture, monotonic_s: float) -> Frame:
        return Frame(
            camera_id=self._camera_id,
            sequence=self._sequence,
            luma=luma_of(bgr),
            bgr=lambda: bgr,
            monotonic_s=monotonic_s,
            captured_at=datetime.now(UTC),
        )

    def _loss(self, waited_s: float) -> str:
        if waited_s >= 0.9 * self._settings.read_timeout_s:
            return said("no picture for {seconds:g} s", seconds=self._settings.read_timeout_s)
        return said("the camera ended the stream")

    def close(self) -> None:
        """Hang up."""
        self._stream.release()


def _with_user(settings: Settings, password: str | None) -> str:
    """The URL for FFmpeg alone; it is shown nowhere."""
    if password is None or settings.user is None:
        return settings.url
    parts = urlsplit(settings.url)
    who = f"{quote(settings.user, safe='')}:{quote(password, safe='')}@"
    return urlunsplit(parts._replace(netloc=who + parts.netloc))


def _status(settings: Settings) -> int | None:
    """The camera's answer to one request, by number; None where the line is encrypted.

    RFC 2326 (RTSP) and RFC 9110 (HTTP) share the form of their status line.
    """
    parts = urlsplit(settings.url)
    address = (parts.hostname or "", parts.port or PORTS[parts.scheme])
    with socket.create_connection(address, settings.open_timeout_s) as line:
        if parts.scheme in {"rtsps", "https"}:
            return None
        line.sendall("\r\n".join(_request(settings.url)).encode())
        answer = b""
        while b"\n" not in answer and len(answer) < 1024:
            received = line.recv(256)
            if not received:
                raise ConnectionResetError(said("the camera hangs up"))
            answer += received
    words = answer.split(None, 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


def _request(url: str) -> Sequence[str]:
    parts = urlsplit(url)
    if parts.scheme == "rtsp":
        return [f"DESCRIBE {url} RTSP/1.0", "CSeq: 1", "Accept: application/sdp", "", ""]
    target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    return [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", "", ""]
