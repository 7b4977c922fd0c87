"""``python -P -m provisioning.versions``: for the package's scripts and the units, with the standard library alone.

``place FOLDER`` is for ``postinst``, ``remove`` for ``prerm remove``. ``purge`` takes state, evidence and keys
as well.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from provisioning.versions.layout import Layout, VersionError
from provisioning.versions.placing import place, purge, remove
from wording.known_errors import reason_of

FAULT, STORAGE = 1, 5
"""Exit codes, as those of the ``kerbwatch`` command."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments say; what happened is printed.

    Returns:
        The exit code.
    """
    asked = _parser().parse_args(arguments)
    layout = Layout(asked.root)
    os.umask(0o022)
    try:
        if asked.verb == "place":
            switched = place(asked.folder, layout, name=asked.name)
            print(f"version {layout.active}: {'active now' if switched else 'active as before'}")
        elif asked.verb == "remove":
            remove(layout)
        else:
            for path in purge(layout):
                print(f"removed: {path}")
    except VersionError as error:
        print(f"kerbwatch: {error}", file=sys.stderr)
        return FAULT
    except OSError as error:
        print(f"kerbwatch: {error.filename or layout.home}: {reason_of(error)}", file=sys.stderr)
        return STORAGE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -P -m provisioning.versions")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where / is (default: /)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    placing = verbs.add_parser("place", help="place an environment beside the others, and start it")
    placing.add_argument("folder", type=Path, help="the environment, as unpacked")
    placing.add_argument("--name", default="", help="the version (default: the folder's name)")
    verbs.add_parser("remove", help="remove all versions; state, evidence and keys stay")
    verbs.add_parser("purge", help="remove all versions, state, evidence and keys")
    return parser


if __name__ == "__main__":
    sys.exit(main())
