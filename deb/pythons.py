"""The Python of a release, on the machine that builds: what is compiled for a release is compiled by it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from deb.targets import ROOT
from drivers.programs import FOLDERS

if TYPE_CHECKING:
    from deb.targets import Release

_KEPT = ROOT / ".cache" / "deb"


def python_of(release: Release) -> list[str]:
    """The command line of a release's Python: this one, one that is installed, or Debian's, unpacked.

    Raises:
        subprocess.CalledProcessError: Debian's cannot be had.
    """
    if sys.version_info[:2] == tuple(map(int, release.python.split("."))):
        return [sys.executable, "-I"]
    found = shutil.which(f"python{release.python}", path=FOLDERS)
    if found:
        return [found, "-I"]
    root = _KEPT / f"python{release.python}"
    if not root.is_dir():
        building = root.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        building.parent.mkdir(parents=True, exist_ok=True)
        unpack = ["mmdebstrap", "--quiet", "--variant=extract", "--include=python3"]
        subprocess.run([*unpack, release.suite, str(building)], check=True)
        building.rename(root)
    # Its own C library beside it: this machine's may be older.
    [loader] = root.glob("usr/lib*/ld-linux-x86-64.so.2")
    libraries = f"{root}/usr/lib/x86_64-linux-gnu"
    python = [str(loader), "--library-path", libraries, f"{root}/usr/bin/python{release.python}"]
    return ["env", f"PYTHONHOME={root}/usr", *python, "-s", "-P"]
