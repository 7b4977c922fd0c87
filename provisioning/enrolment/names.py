"""Names of devices and servers, as they stand in certificates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from wording.harmless import harmless
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wording.messages import Said

LONGEST_CN = 64
"""ub-common-name of RFC 5280, appendix A."""
_LEVEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_LONGEST_HOST = 253


class BadNameError(ValueError):
    """Something cannot stand in a certificate as a name."""


@dataclass(frozen=True, slots=True)
class DeviceName:
    """Who a device is: ``tenant/device_id``, as in its topics."""

    tenant: str
    device_id: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.device_id}"

    @property
    def file_stem(self) -> str:
        """For names of files: it has no ``/``."""
        return f"{self.tenant}.{self.device_id}"

    @property
    def uri(self) -> str:
        """For ``subjectAltName``: verifiers of today want one, and no DNS name has a ``/``."""
        return f"kerbwatch://{self.tenant}/{self.device_id}"

    def subject(self) -> x509.Name:
        """The subject of its requests and certificates."""
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(self))])


def device_name(text: str) -> DeviceName:
    """Read ``tenant/device_id``.

    Raises:
        BadNameError: It is none, or too long for a certificate.
    """
    tenant, slash, device_id = text.partition("/")
    if not (slash and _LEVEL.fullmatch(tenant) and _LEVEL.fullmatch(device_id)):
        raise BadNameError(
            said(
                "{name} is not TENANT/DEVICE (letters, digits, - and _)", name=harmless(text) or "-"
            )
        )
    if len(text) > LONGEST_CN:
        raise BadNameError(
            said(
                "{name} has {count} characters, and a certificate's name (CN) has {most} at most:"
                " shorten tenant or device_id",
                name=text,
                count=len(text),
                most=LONGEST_CN,
            )
        )
    return DeviceName(tenant, device_id)


def common_name(subject: x509.Name) -> str:
    """The CN of a subject; empty if it has none or several."""
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


def hosts(names: Iterable[str]) -> list[x509.GeneralName]:
    """The names and addresses of a server, as they stand in ``subjectAltName``.

    Raises:
        BadNameError: Some are neither; it names each.
    """
    found: list[x509.GeneralName] = []
    faults: list[Said] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            if is_host(name):
                found.append(x509.DNSName(name.lower()))
            else:
                faults.append(
                    said(
                        "{name} is neither a host name (in ASCII) nor an address",
                        name=harmless(name) or "-",
                    )
                )
    if faults:
        raise BadNameError(said("{faults}", faults=faults))
    return found


def is_host(name: str) -> bool:
    """Whether it is a host name by RFC 1123, whose last part is no number."""
    labels = name.split(".")
    return (
        len(name) <= _LONGEST_HOST
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )
