"""The frames of the local channel: four bytes of length (big endian), a JSON head, then bytes as the head says."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

MOST_ASKED_BYTES = 9_000_000
"""The head of a request: a site's two files, of at most four megabytes each, and what is around them."""
MOST_ANSWERED_BYTES = 16_000_000
MOST_PAYLOAD_BYTES = 16_000_000
_SLICE_S = 0.5
_CHUNK_BYTES = 65_536
_LENGTH = struct.Struct(">I")


class FrameError(Exception):
    """What came is no frame, or came too slowly."""


class HungUpError(FrameError):
    """The other one hung up between two frames."""


def send(to: socket.socket, head: bytes, payload: bytes, within_s: float) -> None:
    """Send one frame.

    Raises:
        OSError: It could not be sent, or not in time.
    """
    to.settimeout(within_s)
    to.sendall(_LENGTH.pack(len(head)) + head)
    if payload:
        to.sendall(payload)


def receive_head(
    where: socket.socket,
    most_bytes: int,
    *,
    begins_within_s: float,
    within_s: float,
    given_up: Callable[[], bool] = lambda: False,
) -> bytes:
    """Receive the head of one frame.

    Args:
        where: The connection.
        most_bytes: No longer one is taken.
        begins_within_s: So long for the first byte.
        within_s: So long for the rest.
        given_up: Asked every half second while nothing comes.

    Raises:
        HungUpError: Nothing came, and nothing more will.
        FrameError: It is no frame, or too slow.
        OSError: The connection is broken.
    """
    first = _some(where, 1, time.monotonic() + begins_within_s, given_up)
    if not first:
        raise HungUpError("hung up")
    until_s = time.monotonic() + within_s
    (length,) = _LENGTH.unpack(first + _exactly(where, _LENGTH.size - 1, until_s, given_up))
    if not 0 < length <= most_bytes:
        raise FrameError(f"a head of {length} bytes")
    return _exactly(where, length, until_s, given_up)


def receive_payload(where: socket.socket, length: int, within_s: float) -> bytes:
    """Receive what follows a head.

    Raises:
        FrameError: It is too long or too slow.
        OSError: The connection is broken.
    """
    if length > MOST_PAYLOAD_BYTES:
        raise FrameError(f"a payload of {length} bytes")
    return _exactly(where, length, time.monotonic() + within_s, lambda: False)


def _exactly(
    where: socket.socket, length: int, until_s: float, given_up: Callable[[], bool]
) -> bytes:
    received = bytearray()
    while len(received) < length:
        some = _some(where, min(_CHUNK_BYTES, length - len(received)), until_s, given_up)
        if not some:
            raise FrameError("hung up in the middle")
        received += some
    return bytes(received)


def _some(where: socket.socket, most: int, until_s: float, given_up: Callable[[], bool]) -> bytes:
    while (left_s := until_s - time.monotonic()) > 0 and not given_up():
        where.settimeout(min(_SLICE_S, left_s))
        try:
            return where.recv(most)
        except TimeoutError:
            continue
    raise FrameError("nothing came in time")
