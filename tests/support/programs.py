"""Programs of this machine that tests start."""

from __future__ import annotations

import shutil


class MissingError(Exception):
    """This machine lacks what the fault needs: it is skipped, with the reason."""


def program(name: str) -> str:
    """Where a command is; system ones are not on everybody's path.

    Raises:
        MissingError: It is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise MissingError(f"no {name} here")
    return found
