"""Checks file permissions as another user: started by ``rights.py``, imports nothing of ours.

Its standard input is JSON: whom to become (``user``, ``group``, ``groups``; null: nobody else), which files to
``read`` and ``run``, which trees to ``write``. It prints, as JSON, what cannot be done: place and reason.
"""

from __future__ import annotations

import json
import os
import sys

MAX_TOLD = 5
MAX_LOOKED_AT = 20_000
"""A state folder may hold a hundred thousand pictures; they are all made by the same hand."""


def unreadable(path: str) -> str | None:
    """Why a file cannot be read; None if it can."""
    try:
        with open(path, "rb") as opened:  # noqa: PTH123 - no more than the standard library's least
            opened.read(1)
    except OSError as error:
        return error.strerror or str(error)
    return None


def unwritable(folder: str) -> tuple[list[str], int]:
    """Files and folders below a folder that cannot be changed: some of them, and how many."""
    bad: list[str] = []
    count = looked_at = 0
    pending = [folder]
    while pending and looked_at < MAX_LOOKED_AT:
        path = pending.pop()
        looked_at += 1
        is_folder = os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114
        rights = os.R_OK | os.W_OK | (os.X_OK if is_folder else 0)
        if not os.path.islink(path) and not os.access(path, rights):  # noqa: PTH114
            count += 1
            bad += [path] if len(bad) < MAX_TOLD else []
        elif is_folder:
            pending += [entry.path for entry in os.scandir(path)]
    return bad, count


def main() -> None:
    """Answer what was asked."""
    asked = json.load(sys.stdin)
    if asked["user"] is not None:  # for good, before anything is looked at
        os.setgroups(asked["groups"])
        os.setgid(asked["group"])
        os.setuid(asked["user"])
    reasons = {path: unreadable(path) for path in asked["read"]}
    json.dump(
        {
            "read": {path: reason for path, reason in reasons.items() if reason},
            "run": [path for path in asked["run"] if not os.access(path, os.X_OK)],
            "write": {folder: unwritable(folder) for folder in asked["write"]},
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
