"""What the audit log keeps of a camera's address and user: the host, and that there is one.

Passwords stand in paths and queries of addresses, too. That one has changed is seen by the checksum
of the whole configuration, which every start records.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ADDRESS = re.compile(r'^"(\w+://)(?:[^/@"]*@)?([^/?#"]*).*$', re.DOTALL)


def without_secrets(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as an older agent kept them, by their places, as :meth:`Configuration.shown` has them."""
    return {at: _hidden(at, text) for at, text in settings.items()}


def _hidden(at: str, text: str) -> str:
    if not at.startswith("cameras."):
        return text
    if at.endswith(".settings.url"):
        return _ADDRESS.sub(r'"\1\2/…"', text)
    return '"…"' if at.endswith(".settings.user") else text
