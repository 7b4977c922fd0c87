"""The files by which device and broker know each other: read anew for each connection, faults all at once."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from agent.config.broker_address import host_and_port
from agent.identity import client_certificate, pem, server_trust
from agent.identity.pem import CertificateError
from drivers.files.small_files import UnreadableError, text_in
from drivers.network import is_loopback
from wording.messages import itemised, said, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.config.schema import UplinkSection

_Read = TypeVar("_Read")
LONGEST_PASSWORD_BYTES = 65_535
"""MQTT 5, section 3.1.3.6: it stands behind two bytes of length."""


class CredentialsError(ValueError):
    """Files cannot be used.

    Attributes:
        faults: Of each file which it is, why, and what to do.
        absent: Those among them that are not there at all.
    """

    def __init__(self, errors: Sequence[CertificateError]) -> None:
        self.faults = tuple(text_of(each) for each in errors)
        self.absent = tuple(text_of(each) for each in errors if each.absent)
        super().__init__(self.faults[0] if len(errors) == 1 else itemised(self.faults))


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection is made with.

    Attributes:
        context: For TLS; None where the address is ``mqtt://``.
        password: None where there is none.
    """

    context: ssl.SSLContext | None
    password: str | None


def read(settings: UplinkSection) -> Credentials:
    """Read all of them.

    Raises:
        CredentialsError: With every fault.
    """
    errors: list[CertificateError] = []

    def tried(work: Callable[[], _Read]) -> _Read | None:
        try:
            return work()
        except CertificateError as error:
            errors.append(error)
            return None

    context = None
    if (settings.broker or "").startswith("mqtts://"):
        context = tried(lambda: server_trust.context_for(settings))
        shown_in = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tried(lambda: client_certificate.show(shown_in, settings))
    password = tried(lambda: password_of(settings))
    tried(lambda: _refuse_in_clear(settings))
    if errors:
        raise CredentialsError(errors)
    return Credentials(context, password)


def _refuse_in_clear(settings: UplinkSection) -> None:
    """Let no password travel in clear. It costs the uplink, and never the seeing.

    Raises:
        CertificateError: It would.
    """
    host, _ = host_and_port(settings.broker or "")
    clear = (settings.broker or "").startswith("mqtt://") and not is_loopback(host)
    if settings.password_file is not None and clear:
        fault = said(
            "the password would be sent to {host} unencrypted; use mqtts://, or leave out "
            "password_file",
            host=host,
        )
        raise pem.named("password_file", settings.password_file, fault)


def password_of(settings: UplinkSection) -> str | None:
    """What stands in ``password_file``: one line, and nothing of it is taken off.

    Raises:
        CertificateError: The file cannot be read, or holds no password.
    """
    path = settings.password_file
    if path is None:
        return None
    try:
        password = text_in(pem.read("password_file", path)).rstrip("\r\n")
    except UnreadableError as error:
        raise pem.named("password_file", path, error) from error
    if not password:
        raise pem.named("password_file", path, said("it is empty: write the password into it"))
    if len(password.encode()) > LONGEST_PASSWORD_BYTES:
        raise pem.named(
            "password_file", path, said("it is too long for a password: it is another file")
        )
    if "\0" in password:
        fault = said(
            "it contains zero bytes: it was damaged by a power cut; write the password again"
        )
        raise pem.named("password_file", path, fault)
    if re.search(r"[\r\n]", password):
        fault = said("it has more than one line: it must contain nothing but the password")
        raise pem.named("password_file", path, fault)
    return password
