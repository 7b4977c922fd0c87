"""Finds the redacted copy of a case's picture, by its hash or its original's name; never by a path.

What comes from the network is only compared with what the case's manifests name, and a copy is only what they name: a
file that merely lies there under the name of one, such as an original that was moved about, does not leave.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from agent.protocol.signed import JwsError, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

REDACTED = ".redacted.jpg"
CONTEXT = ".context.json"
CONTEXT_MISSING, DAMAGED = "context_missing", "picture_damaged"
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
    evidence_dir: Path,
    case_id: str,
    manifests: Iterable[str] = (),
    *,
    sha256: str | None = None,
    file: str | None = None,
) -> RedactedCopy | NoCopy | None:
    """Find a redacted copy of a case that is known; None: there is no such picture.

    Args:
        evidence_dir: The folder of all pictures.
        case_id: An id of a case of this device.
        manifests: Those of the case that the database has, the newest first; others may lie beside the pictures.
        sha256: Of the copy; of an original it says why there is none.
        file: The original, as its event names it.

    Raises:
        OSError: The disk does not give it.
    """
    folder = evidence_dir / case_id
    names = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
    told = [*_pictures([*manifests, *_on_disk(folder, names)])]
    stem = None if file is None else file.removeprefix(f"{case_id}/").removesuffix(".jpg")
    damaged = False
    for name, named in ((each.name, each.copy) for each in told if each.copy is not None):
        if stem != name and named != sha256:
            continue
        copy = f"{name}{REDACTED}"
        content = (folder / copy).read_bytes() if copy in names else b""
        if hashlib.sha256(content).hexdigest() == named:
            return RedactedCopy(f"{case_id}/{copy}", named, len(content))
        damaged = True
    if damaged:
        return NoCopy(DAMAGED)
    return _why_not(folder, names, told, stem, sha256)


def _why_not(
    folder: Path, names: set[str], told: list[_Told], stem: str | None, sha256: str | None
) -> NoCopy | None:
    """Why an original has no copy; without a context it cannot be redacted at all."""
    for name in sorted(names):
        if not name.endswith(".jpg") or name.endswith(REDACTED):
            continue
        original = name.removesuffix(".jpg")
        if stem is None:
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sha256:
                continue
        elif stem != original:
            continue
        for each in told:
            if each.name == original:
                return None if each.because is None else NoCopy(each.because)
        return NoCopy(None if f"{original}{CONTEXT}" in names else CONTEXT_MISSING)
    return None


class _Told(NamedTuple):
    """What a manifest says of a picture: its name, and the SHA-256 of its copy, or why there is none."""

    name: str
    copy: str | None
    because: str | None


def _on_disk(folder: Path, names: set[str]) -> Iterator[str]:
    """The manifests beside the pictures, the newest first. Their signatures do not matter here."""
    numbered = [(int(found[1]), found[0]) for name in names if (found := _MANIFEST.fullmatch(name))]
    for _, name in sorted(numbered, reverse=True):
        yield (folder / name).read_text(encoding="ascii", errors="replace")


def _pictures(manifests: Iterable[str]) -> Iterator[_Told]:
    """What manifests say of each picture, in their order."""
    for jws in manifests:
        try:
            told = json.loads(parts_of(jws).payload)
        except (ValueError, JwsError):
            continue
        pictures = told.get("pictures") if isinstance(told, dict) else None
        for each in pictures or ():
            if isinstance(each, dict):
                name = str(each.get("file", "")).rpartition("/")[2].removesuffix(".jpg")
                copy, because = each.get("redacted"), each.get("not_redacted")
                yield _Told(
                    name,
                    str(copy.get("sha256")) if isinstance(copy, dict) else None,
                    because if isinstance(because, str) and _CODE.fullmatch(because) else None,
                )
