"""Finds the redacted copy of a case's picture, by its hash or its original's name; never by a path.

What comes from the network is only compared with what lies in the case's folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.protocol.signed import JwsError, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REDACTED = ".redacted.jpg"
CONTEXT = ".context.json"
CONTEXT_MISSING = "context_missing"
_MANIFEST = re.compile(r"manifest-([0-9]{1,15})\.jws")
_CODE = re.compile(r"[a-z][a-z_]{0,63}")


@dataclass(frozen=True, slots=True)
class RedactedCopy:
    """A picture that may leave; ``file`` is from the folder of all pictures."""

    file: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NoCopy:
    """There is an original and no copy.

    Attributes:
        because: The code of why it could not be redacted; None: it has not been tried yet.
    """

    because: str | None


def copy_of(
    evidence_dir: Path, case_id: str, *, sha256: str | None = None, file: str | None = None
) -> RedactedCopy | NoCopy | None:
    """Find a redacted copy of a case that is known; None: there is no such picture.

    Args:
        evidence_dir: The folder of all pictures.
        case_id: An id of a case of this device.
        sha256: Of the copy; of an original it says why there is none.
        file: The original, as its event names it.

    Raises:
        OSError: The disk does not give it.
    """
    folder = evidence_dir / case_id
    names = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
    stem = None if file is None else file.removeprefix(f"{case_id}/").removesuffix(".jpg")
    for name in sorted(names):
        if name.endswith(REDACTED) and stem in {None, name.removesuffix(REDACTED)}:
            content = (folder / name).read_bytes()
            found = hashlib.sha256(content).hexdigest()
            if stem is not None or found == sha256:
                return RedactedCopy(f"{case_id}/{name}", found, len(content))
    for name in sorted(names):
        if not name.endswith(".jpg") or name.endswith(REDACTED):
            continue
        original = name.removesuffix(".jpg")
        if stem == original or (
            sha256 is not None
            and hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
        ):
            return NoCopy(_why_not(folder, names, original))
    return None


def _why_not(folder: Path, names: set[str], original: str) -> str | None:
    """The code that the newest manifest gives; without a context it cannot be redacted at all."""
    for picture in _pictures(folder, names):
        name = str(picture.get("file", "")).rpartition("/")[2].removesuffix(".jpg")
        because = picture.get("not_redacted")
        if name == original and isinstance(because, str) and _CODE.fullmatch(because):
            return because
    return None if f"{original}{CONTEXT}" in names else CONTEXT_MISSING


def _pictures(folder: Path, names: set[str]) -> Iterator[dict[str, Any]]:
    """What the manifests say of each picture, the newest first. Their signatures do not matter here."""
    numbered = [(int(found[1]), found[0]) for name in names if (found := _MANIFEST.fullmatch(name))]
    for _, name in sorted(numbered, reverse=True):
        try:
            told = json.loads(parts_of((folder / name).read_text(encoding="ascii")).payload)
        except (ValueError, JwsError):
            continue
        pictures = told.get("pictures") if isinstance(told, dict) else None
        yield from (each for each in pictures or () if isinstance(each, dict))
