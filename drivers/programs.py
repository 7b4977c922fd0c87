"""Starts other programs safely: neither the current folder nor PATH chooses what runs.

Commands of the technician run as root in whatever folder he stands in: neither that folder nor the search
path of whoever called may say which program or which module that is.
"""

from __future__ import annotations

import shutil
import sys

FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the system's own programs lie."""


def python(*arguments: str) -> list[str]:
    """The command line of another Python like this one, which imports nothing from the current folder."""
    return [sys.executable, "-P", *arguments]


def system(name: str) -> str:
    """Where a program of the system lies; where it would, if it is not there: starting it says so."""
    return shutil.which(name, path=FOLDERS) or f"{FOLDERS.partition(':')[0]}/{name}"
