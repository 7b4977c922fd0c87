"""``python -P -m provisioning.versions``: for the package's scripts and the units, with the standard library alone.

``place FOLDER`` is for ``postinst``, ``remove`` for ``prerm remove``. ``purge`` takes state, evidence and keys
as well. ``prove`` is ``kerbwatch-prove.service``; ``back`` is what follows if that fails itself, and runs from the
version before.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from provisioning.versions.layout import Layout, VersionError
from provisioning.versions.machine import Systemd
from provisioning.versions.placing import place, purge, remove
from provisioning.versions.trial import WITHIN_S, Outcome, go_back, open_trial, prove
from wording.known_errors import reason_of
from wording.messages import said

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
        _do(asked, layout)
    except VersionError as error:
        print(f"kerbwatch: {error}", file=sys.stderr)
        return FAULT
    except OSError as error:
        print(f"kerbwatch: {error.filename or layout.home}: {reason_of(error)}", file=sys.stderr)
        return STORAGE
    return 0


def _do(asked: argparse.Namespace, layout: Layout) -> None:
    if asked.verb == "place":
        switched = place(asked.folder, layout, name=asked.name)
        print(f"version {layout.active}: {'active now' if switched else 'active as before'}")
    elif asked.verb == "remove":
        remove(layout)
    elif asked.verb == "purge":
        for path in purge(layout):
            print(f"removed: {path}")
    elif asked.verb == "prove":
        _tell(prove(layout, Systemd(), within_s=asked.within_s))
    elif open_trial(layout) is not None:
        _tell(go_back(layout, Systemd(), said("the proof itself failed")))


def _tell(outcome: Outcome) -> None:
    for point in outcome.points:
        print(f"{point.name}: {point.state}{f' ({point.why})' if point.why else ''}")
    if outcome.proved:
        print(f"version {outcome.version} has proved itself")
    elif outcome.proved is None and outcome.why:
        print(f"version {outcome.version} stays on trial: {outcome.why}")
    elif outcome.proved is None:
        print(f"version {outcome.version}: nothing to prove")
    else:
        print(f"gone back to version {outcome.version}: {outcome.why}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -P -m provisioning.versions")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where / is (default: /)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    placing = verbs.add_parser("place", help="place an environment beside the others, and start it")
    placing.add_argument("folder", type=Path, help="the environment, as unpacked")
    placing.add_argument("--name", default="", help="the version (default: the folder's name)")
    verbs.add_parser("remove", help="remove all versions; state, evidence and keys stay")
    verbs.add_parser("purge", help="remove all versions, state, evidence and keys")
    proving = verbs.add_parser("prove", help="let the version on trial prove itself, else go back")
    proving.add_argument("--within", type=float, default=WITHIN_S, dest="within_s", help="seconds")
    verbs.add_parser("back", help="go back from the version on trial")
    return parser


if __name__ == "__main__":
    sys.exit(main())
