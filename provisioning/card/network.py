"""The profile by which NetworkManager joins a network (https://networkmanager.dev/docs/api/latest/nm-settings-keyfile.html)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from wording.messages import said

_NAMESPACE = uuid.UUID("2f6e3f0c-2f63-5a5e-8f0e-4d8f6f0c1a7b")
_PASSPHRASE = range(8, 64)
_MAX_SSID_BYTES = 32


@dataclass(frozen=True, slots=True)
class Wireless:
    """A wireless network that is joined with a password that everybody in it shares.

    Raises:
        ValueError: The standard allows no such name or password (IEEE 802.11: 1 to 32 bytes; WPA: 8 to
            63 printable characters).
    """

    name: str
    shared_secret: str
    country: str | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.name.encode()) <= _MAX_SSID_BYTES:
            raise ValueError(said("a network's name has 1 to {most} bytes", most=_MAX_SSID_BYTES))
        printable = self.shared_secret.isascii() and self.shared_secret.isprintable()
        if len(self.shared_secret) not in _PASSPHRASE or not printable:
            raise ValueError(said("a network's password has 8 to 63 printable ASCII characters"))

    def profile(self) -> str:
        """NetworkManager's file for it."""
        ssid = "".join(f"{byte};" for byte in self.name.encode())  # as bytes: nothing to escape
        secret = self.shared_secret.replace("\\", "\\\\")
        if secret.startswith(" "):
            secret = f"\\s{secret[1:]}"
        return (
            "# Written by kerbwatch card prepare. The password is a secret that all in this network share.\n"
            f"[connection]\nid=kerbwatch-wireless\nuuid={uuid.uuid5(_NAMESPACE, self.name)}\ntype=wifi\n"
            f"autoconnect=true\n\n[wifi]\nmode=infrastructure\nssid={ssid}\n\n"
            f"[wifi-security]\nkey-mgmt=wpa-psk\npsk={secret}\n\n"
            "[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
        )
