"""Why there is no connection to the broker, in words: its refusals, failed handshakes, and what paho complains of."""

from __future__ import annotations

import logging
import socket
import ssl
from typing import TYPE_CHECKING

from drivers.network import is_loopback
from wording.harmless import harmless
from wording.known_errors import reason_of, recognised
from wording.messages import said

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

_NO_TLS = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_EOF_WHILE_READING"}
_OLD_TLS = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"}
"""Reasons of OpenSSL why a handshake fails."""
_QOS_NOT_SUPPORTED, _RETAIN_NOT_SUPPORTED = 0x9B, 0x9A

NO_QOS = said(
    "the broker acknowledges no messages (its Maximum QoS is 0); choose one that takes QoS 1"
)


class LinkError(ConnectionError):
    """There is no connection, or it was lost.

    Attributes:
        reason: In words, escaped; holds no secret.
        unexplained: It was open, and ended without a reason from the broker.
    """

    def __init__(self, reason: str, *, unexplained: bool = False) -> None:
        self.reason, self.unexplained = harmless(reason), unexplained
        super().__init__(self.reason)


class NoRetainError(LinkError):
    """The broker does not support retained messages, and refuses a will that asks for one."""


class NoHandshakeError(ConnectionError):
    """The other side did not answer with TLS."""


class Secured(ssl.SSLSocket):
    """A TLS socket that is closed when the handshake fails; paho would leave it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError as error:
            self.close()
            if isinstance(error, ConnectionError) or getattr(error, "reason", None) in _NO_TLS:
                raise NoHandshakeError(*error.args) from error
            raise


class Complaints(logging.Handler):
    """Keeps paho's last log message: paho logs why a socket failed, but tells its caller only that it did."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        # In no tree of loggers: it lives as long as its connection.
        self.logger = logging.Logger("paho", logging.WARNING)  # noqa: LOG001
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def stays_here(address: str) -> None:
    """Refuse to send a password unencrypted to another host, whatever the broker's name resolves to.

    Raises:
        LinkError: It would be sent. Nothing has been sent yet: paho writes only in ``turn``.
    """
    if not is_loopback(address):
        text = said("the password would be sent to {host} unencrypted; use mqtts://", host=address)
        raise LinkError(text)


def told_to_go(code: ReasonCode) -> LinkError:
    """The error for the reason of the broker's DISCONNECT."""
    kind = NoRetainError if code.value == _RETAIN_NOT_SUPPORTED else LinkError
    return kind(said("the broker ended the connection: {reason}", reason=recognised(str(code))))


def refused(code: ReasonCode) -> LinkError:
    """The error for the reason of the broker's CONNACK."""
    if code.value == _QOS_NOT_SUPPORTED:
        return LinkError(NO_QOS)
    reason = recognised(str(code))
    if code.value == _RETAIN_NOT_SUPPORTED:
        return NoRetainError(said("the broker refuses the connection: {reason}", reason=reason))
    return LinkError(said("the broker refuses the connection: {reason}", reason=reason))


def in_words(error: Exception) -> str:
    """Why connecting failed: what the socket or TLS reported."""
    reason = reason_of(error)
    if isinstance(error, NoHandshakeError):
        return said(
            "the broker ended the connection before TLS began ({reason}): TLS may not be enabled "
            "at this port; correct it in broker (usually 8883 for mqtts://, 1883 for mqtt://)",
            reason=reason,
        )
    if isinstance(error, ssl.SSLError) and error.reason in _OLD_TLS:
        return said(
            "the broker does not support TLS 1.2 or newer: update its software or its settings"
        )
    if isinstance(error, socket.gaierror):
        return said("the broker's name cannot be resolved: {reason}", reason=reason)
    return said("the broker cannot be reached: {reason}", reason=reason)
