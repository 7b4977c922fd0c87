"""Network cameras: RTSP, and MJPEG over HTTP, decoded by the FFmpeg inside OpenCV.

The runner reads without a pause, so that no buffer grows into a delay; frames that are not wanted
are decoded, because later ones build on them, but not converted. The camera is asked by hand first
(``_asking.py``): what it refuses, and why, is told apart, and an encrypted one shows who it is
before it is given a password. Nothing of its address but the host is ever shown: passwords stand in
paths and queries as well.
"""

from __future__ import annotations

import logging
import re
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit, urlunsplit

import cv2
import numpy as np
from pydantic import Field, field_validator, model_validator

from drivers.cameras import CameraError, CameraSettings, Frame, LoginRefusedError
from drivers.cameras._asking import ENCRYPTED, PORTS, Answer, HungUpError, Login, Question
from drivers.cameras._ffmpeg import announced_size_px, open_stream
from drivers.cameras._recorded import assert_shows_a_street, fitted, luma_of, shared
from drivers.cameras._tls import Trust, TrustError
from drivers.files.small_files import UnreadableError, content_of, text_in
from drivers.pacing import Thinning
from wording.known_errors import reason_of
from wording.messages import said, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.cameras import Picture

MAX_LOGIN_BYTES = {"rtsp": 127, "rtsps": 127, "http": 1023, "https": 1023}
"""So much of ``user:password`` FFmpeg takes out of an address; it cuts off the rest."""
_ALLOWED = {
    "rtsp": {
        "protocol_whitelist": "rtsp,rtp,udp,tcp,tls",
        "format_whitelist": "rtsp,sdp,rtp",
        "allowed_media_types": "video",
    },
    "http": {
        "protocol_whitelist": "http,https,tcp,tls",
        # No format that may hold a PNG: FFmpeg decodes one whole, of whatever size, to learn what it is.
        "format_whitelist": "mpjpeg,mjpeg,jpeg_pipe,mpegts,flv,h264,hevc",
        "codec_whitelist": "mjpeg,h264,hevc,mpeg4,mpeg2video,flv",
        "max_redirects": "0",
    },
}
_DECODED = frozenset(
    {"H264", "H265", "JPEG", "MP4V-ES", "MPV", "MP2T", "H261", "H263", "H263-1998", "H263-2000"}
) | {"VP8", "VP9", "AV1", "THEORA", "JPEG2000", "RAW"}
"""Codecs by their RTP names; of another one the name is told when it cannot be decoded."""
_TOO_MANY = frozenset({453, 486, 503})
_CERTAIN = frozenset({200, 401, 403, 404, 508}) | _TOO_MANY
"""Answers of these kinds say that FFmpeg would fare no better; 200, that there are no pictures."""

_log = logging.getLogger(__name__)


class Settings(CameraSettings):
    """Settings of a network camera.

    Attributes:
        url: ``rtsp://HOST[:PORT]/PATH`` (or rtsps, http, https), without user and password.
        user: Who the camera is asked as.
        password_file: A file whose first line is the password. It is read at each opening.
        ca_file: With rtsps and https: certificates of authorities that vouch for the camera; or
            its own, if it made that itself. Left out: the system's authorities.
        transport: How RTSP's pictures travel; ``tcp`` loses none on a bad line.
        frames_per_s: Maximum rate of frames converted and handed on.
        open_timeout_s: The camera must give its first picture within this time.
        read_timeout_s: A camera that gives no picture for this long is lost.
        hardware_decoding: ``try`` goes on without it, and says so; ``require`` does not.
    """

    url: str = Field(repr=False)
    user: str | None = Field(default=None, repr=False)
    password_file: Path | None = None
    ca_file: Path | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    frames_per_s: float = Field(default=10.0, gt=0, le=60)
    open_timeout_s: float = Field(default=10.0, ge=1, le=60)
    read_timeout_s: float = Field(default=5.0, ge=1, le=60)
    hardware_decoding: Literal["off", "try", "require"] = "off"

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        form = said("give {form}", form="rtsp://HOST[:PORT]/PATH, http://…")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(form) from error
        if parts.scheme not in PORTS or not parts.hostname or port == 0:
            raise ValueError(form)
        if re.search(r"[\x00-\x20\x7f]", url):
            raise ValueError(said("an address has no blanks: write %20"))
        if parts.username is not None or parts.password is not None:
            raise ValueError(said("the URL must not contain user and password: use their own keys"))
        return url

    @field_validator("user")
    @classmethod
    def _plain_user(cls, user: str | None) -> str | None:
        if user is not None and re.search(r"[:\x00-\x1f\x7f]", user):
            raise ValueError(said("a user's name has no colon and no control characters"))
        return user

    @classmethod
    def shown(cls, told: Mapping[str, Any]) -> dict[str, Any]:
        """Only scheme and host of the address, as paths and queries may contain passwords."""
        hidden: dict[str, Any] = dict(told)
        if "url" in hidden:
            parts = urlsplit(str(hidden["url"]))
            hidden["url"] = f"{parts.scheme}://{parts.netloc}/…"
        if hidden.get("user") is not None:
            hidden["user"] = "…"
        return hidden

    @model_validator(mode="after")
    def _user_and_password_together(self) -> Settings:
        if (self.user is None) != (self.password_file is None):
            raise ValueError(said("user and password_file go together: give both or neither"))
        if self.ca_file is not None and urlsplit(self.url).scheme not in ENCRYPTED:
            raise ValueError(
                said("ca_file is only used with an address that begins with rtsps or https")
            )
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
        parts = urlsplit(settings.url)
        self.source = f"{parts.scheme} {parts.hostname}"
        trust = Trust(settings.ca_file)
        question = Question(settings.url, self._login(), trust, settings.open_timeout_s)
        with ExitStack() as held:
            answer = self._asked(question, held)
            self._stream = self._opened(question, answer)
        if not self._stream.isOpened():
            self._stream.release()
            raise CameraError(camera_id, self._why_not(question))
        self.decodes_in_hardware = self._hardware()
        self.size_px = self._size()

    def _login(self) -> Login | None:
        path, user = self._settings.password_file, self._settings.user
        if path is None or user is None:
            return None
        try:
            text = text_in(content_of(path))
        except UnreadableError as error:
            text = said("password file {file}: {reason}", file=path.name, reason=text_of(error))
            raise CameraError(self._camera_id, text) from error
        login = Login(user, text.split("\n", 1)[0].removesuffix("\r"))
        most = MAX_LOGIN_BYTES[urlsplit(self._settings.url).scheme]
        if len(_in_address(login).encode()) > most:
            text = said("user and password are too long: {most} bytes are handed on", most=most)
            raise CameraError(self._camera_id, text)
        return login

    def _asked(self, question: Question, held: ExitStack) -> Answer | None:
        """What the camera answers; None if it gives no answer that can be understood.

        Args:
            question: Asks it.
            held: Gives up the line to it at the end.

        Raises:
            CameraError: It is not reached, is not the one that is meant, or refuses.
        """
        try:
            answer = held.enter_context(question.asking())
        except HungUpError:
            return None  # FFmpeg may know how to ask it
        except OSError as error:
            raise CameraError(self._camera_id, self._unreachable(error)) from error
        if answer.status in {401, 403} and answer.with_login:
            raise LoginRefusedError(self._camera_id, _refused_login(answer.status))
        if answer.status == 401 and question.login is not None:
            text = said("the camera wants another kind of login: set it to Digest (MD5) or Basic")
            raise CameraError(self._camera_id, text)
        reason = _refusal(answer)
        if reason is not None and (answer.elsewhere or answer.status in _CERTAIN):
            raise CameraError(self._camera_id, reason)
        return answer  # what else it dislikes may be how it was asked

    def _unreachable(self, error: OSError) -> str:
        if isinstance(error, TrustError):
            return text_of(error)
        if isinstance(error, socket.gaierror):
            host = urlsplit(self._settings.url).hostname
            return said(
                "the name {host} is not found: {reason}", host=host, reason=reason_of(error)
            )
        if isinstance(error, TimeoutError):
            return said("no answer within {seconds:g} s", seconds=self._settings.open_timeout_s)
        return reason_of(error)

    def _why_not(self, question: Question) -> str:
        """Why FFmpeg found no stream: the camera is asked once more, this time for its pictures."""
        try:
            with question.asking(set_up=True) as asked:
                answer = asked
        except HungUpError as error:
            return text_of(error)
        except OSError as error:
            return self._unreachable(error)
        if reason := _refusal(answer):
            return reason
        if answer.codec is not None and answer.codec.upper() not in _DECODED:
            return said(
                "the camera sends {codec}, which cannot be decoded: set it to H.264, H.265 or JPEG",
                codec=_plain_name(answer.codec),
            )
        return said("the camera answers, but sends no stream that can be decoded")

    def _opened(self, question: Question, answer: Answer | None) -> cv2.VideoCapture:
        settings = self._settings
        hardware = settings.hardware_decoding != "off"
        wanted = {
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: round(1000 * settings.open_timeout_s),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC: round(1000 * settings.read_timeout_s),
            cv2.CAP_PROP_HW_ACCELERATION: (
                cv2.VIDEO_ACCELERATION_ANY if hardware else cv2.VIDEO_ACCELERATION_NONE
            ),
        }
        url = settings.url if answer is None else answer.url
        scheme = urlsplit(url).scheme
        options = {"fflags": "nobuffer", **_ALLOWED[scheme.removesuffix("s")]}
        if scheme.startswith("rtsp"):
            options["rtsp_transport"] = settings.transport
        if scheme in ENCRYPTED:
            name = None if answer is None else answer.certificate_name
            try:
                options |= question.trust.options(name)
            except TrustError as error:
                raise CameraError(self._camera_id, text_of(error)) from error
        return open_stream(_with_user(url, question.login), options, wanted)

    def _size(self) -> tuple[int, int]:
        """What the stream announces, if frames of that size are judged."""
        size_px = announced_size_px(self._stream)
        if size_px is None:
            self.close()
            text = said("no picture for {seconds:g} s", seconds=self._settings.open_timeout_s)
            raise CameraError(self._camera_id, text)
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
        """Close the connection."""
        self._stream.release()


def _refusal(answer: Answer) -> str | None:
    """Why an answer promises no pictures; None if it may. A refused login is told elsewhere."""
    if answer.elsewhere is not None:
        return said(
            "the camera redirects to another host, {host}: give its own address",
            host=answer.elsewhere,
        )
    if answer.status == 404:
        return said("the camera has no stream at the path in its url")
    if answer.status == 401 and not answer.with_login:
        return said("the camera asks for a user and a password")
    if answer.status in _TOO_MANY:
        return said("the camera already has too many viewers")
    if answer.status == 461:
        return said("the camera does not support this transport: set transport to the other one")
    if answer.status >= 300 and answer.status not in {401, 403}:
        return said("the camera refuses, with status {status}", status=answer.status)
    if answer.status == 403:
        return said("the camera forbids its stream")
    if answer.has_video is False:
        return said("the camera sends no pictures at this address, only sound or nothing")
    return None


def _refused_login(status: int) -> str:
    if status == 403:
        return said("the camera forbids this user its stream, or has locked the user out")
    return said("the camera refuses the user or the password")


def _plain_name(codec: str) -> str:
    """The name of a codec as a camera gave it, of letters that can do no harm."""
    return re.sub(r"[^A-Za-z0-9._-]", "?", codec)[:32]


def _in_address(login: Login) -> str:
    """``user:password`` as FFmpeg reads it out of an address, with as little escaped as it needs."""
    password = re.sub(r"[%/?#\s\x00-\x1f\x7f]", _percent, login.password)
    return re.sub(r"[%/?#\s]", _percent, login.user) + ":" + password


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _with_user(url: str, login: Login | None) -> str:
    """The URL for FFmpeg alone; it is shown nowhere."""
    if login is None:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{_in_address(login)}@{parts.netloc}"))
