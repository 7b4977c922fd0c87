"""The unit's own access point, as a profile of NetworkManager's; checked as a file only: there was no radio to try.

Keys: ``nm-settings-keyfile(5)``. It does not route (``method=manual``, not ``shared``): a phone cannot use up the
unit's mobile data, nor reach the city's network through it.
"""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING

from drivers.disk import replace_file
from provisioning.page.code import ALPHABET
from provisioning.page.root_verbs import POINT
from provisioning.page.setup import POINT_ADDRESS

if TYPE_CHECKING:
    from pathlib import Path

PROFILE = f"etc/NetworkManager/system-connections/{POINT}.nmconnection"
PASSWORD_LENGTH = 12
"""60 bits: a WPA handshake can be tried offline."""


def new_password() -> str:
    """A password of this unit alone."""
    return "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_LENGTH))


def profile(name: str, password: str) -> str:
    """The profile's file.

    Args:
        name: The network's name, as phones show it.
        password: WPA2's, 8 to 63 characters.
    """
    return f"""\
[connection]
id={POINT}
uuid={uuid.uuid5(uuid.NAMESPACE_DNS, POINT)}
type=wifi
autoconnect=false

[wifi]
mode=ap
ssid={name}
band=bg

[wifi-security]
key-mgmt=wpa-psk
proto=rsn;
pairwise=ccmp;
group=ccmp;
psk={password}

[ipv4]
method=manual
address1={POINT_ADDRESS}/24
never-default=true

[ipv6]
method=disabled
"""


def write(root: Path, name: str, password: str) -> None:
    """Write the profile below a root, for root alone to read: NetworkManager takes no other.

    Raises:
        OSError: It could not be written.
    """
    replace_file(root / PROFILE, profile(name, password))
