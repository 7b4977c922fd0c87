"""Code and access point of a prepared card: made in the office, taken over by the device at its first boot.

    python -P -m provisioning.page.from_card FILE

Its own process does it, in a unit of its own: the first boot may act for no other user, and the code's hash is
the page's. The code itself never leaves the office.
"""

from __future__ import annotations

import sys
from pathlib import Path

from drivers.disk import replace_file
from drivers.files.privileges import acting_for
from provisioning.card.contents import CodeHash, PageSecrets
from provisioning.page import access_point, code
from provisioning.page.certificate import make
from provisioning.page.on_device import STATE, point_name
from provisioning.page.setup import POINT_ADDRESS
from wording.known_errors import reason_of
from wording.messages import said


def made() -> tuple[PageSecrets, dict[str, str]]:
    """Make a code and a password: what the card carries, and what is told once.

    Neither fingerprint nor name of the access point is there yet: the device makes its certificate itself.
    """
    new, password = code.new_code(), access_point.new_password()
    kept = CodeHash.model_validate_json(code.hashed(new))
    told = {
        "what": "page.identity",
        "page_address": f"https://{POINT_ADDRESS}/",
        "code": new,
        "access_point_password": password,
    }
    return PageSecrets(code=kept, access_point_password=password), told


def take(root: Path, file: Path) -> str:
    """Keep what a card carried, and make the certificate; a code that is there is kept.

    Args:
        root: Of the device.
        file: The card's.

    Returns:
        Why not; empty: it is done. Done again, it is the same.
    """
    state = root / STATE
    try:
        secrets = PageSecrets.model_validate_json(file.read_bytes())
        kept = secrets.code.model_dump_json()
        with acting_for(state):
            there = state / "code.json"
            if there.exists() and there.read_text("ascii") != kept:
                return said("{path} is there already and was kept", path=there)
            make(state / "tls")
        access_point.write(root, point_name(state), secrets.access_point_password)
        with acting_for(state):
            replace_file(there, kept)
    except (OSError, ValueError) as error:
        return reason_of(error)
    return ""


if __name__ == "__main__":
    fault = take(Path("/"), Path(sys.argv[1]))
    print(fault)
    sys.exit(bool(fault))
