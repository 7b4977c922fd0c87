"""Parses ``site.toml`` and ``zones.json``, and explains why one cannot be read.

Duplicate keys are found here as well: Python's JSON parser keeps the last and drops the others.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from drivers.files.documents import parsed_json, parsed_toml
from drivers.files.small_files import UnreadableError, content_of, text_in
from wording.known_errors import reason_of
from wording.lookalikes import lookalikes
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SITE, ZONES = "site.toml", "zones.json"
MAX_LOOKALIKES = 10
"""Maximum number reported for one file."""
Place = tuple[int | str, ...]


class FileError(ValueError):
    """A file cannot be used.

    Attributes:
        faults: All faults, with the file.
        content: What was read in spite of them, so that its faults are reported as well.
    """

    def __init__(self, faults: Sequence[str], content: dict[str, Any] | None = None) -> None:
        super().__init__("\n".join(faults))
        self.faults, self.content = tuple(faults), content or {}


def site_file(site: Path) -> Path:
    """The file of a site that is named by its folder or by its file."""
    return site / SITE if site.is_dir() else site


def site_folder(site: Path) -> Path:
    """The folder of a site that is named by its folder or by its file: relative paths begin there."""
    return site if site.is_dir() else site.parent


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        FileError: It cannot be read.
    """
    text = _text_of(path)
    try:
        return parsed_toml(text)
    except ValueError as error:
        raise FileError(
            _told(path, "TOML", error, _why_no_toml(error, text)) + _lookalikes(path, text)
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of one object.

    Raises:
        FileError: It cannot be read, or has duplicate keys.
    """
    text = _text_of(path)
    try:
        parsed = parsed_json(text, _Table)
        doubled = [_doubled(path, place, key) for place, key in _given_twice(parsed)]
    except json.JSONDecodeError as error:
        raise FileError(
            _told(path, "JSON", error, _why_no_json(error)) + _lookalikes(path, text)
        ) from error
    except ValueError as error:
        raise FileError(_told(path, "JSON", error)) from error
    if not isinstance(parsed, dict):
        raise FileError([said("{file}: must be a table of sections", file=path.name)])
    if doubled:
        raise FileError(doubled, parsed)
    return parsed


class _Table(dict[str, Any]):
    """A JSON object, with its duplicate keys."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(key for key, _ in pairs)
        self.doubled = [key for key, count in times.items() if count > 1]


def _given_twice(document: Any) -> Iterator[tuple[Place, str]]:
    """All duplicate keys with their places; zones are named."""
    waiting: list[tuple[Place, Any]] = [((), document)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, _Table):
            yield from ((place, key) for key in value.doubled)
            waiting += (((*place, key), part) for key, part in value.items())
        elif isinstance(value, list):
            waiting += (((*place, _name_of(part, index)), part) for index, part in enumerate(value))


def _name_of(part: Any, index: int) -> int | str:
    name = part.get("zone_id") if isinstance(part, dict) else None
    return name if isinstance(name, str) else index


def _doubled(path: Path, place: Place, key: str) -> Said:
    where = ".".join(map(str, (*place, key)))
    return said("{file}: {where}: given twice; keep one", file=path.name, where=where)


def _text_of(path: Path) -> str:
    try:
        return text_in(content_of(path))
    except UnreadableError as error:
        if error.absent:
            told = said(
                "{file}: there is no such file in {folder}", file=path.name, folder=path.parent
            )
        else:
            told = said("{file}: {reason}", file=path.name, reason=error)
        raise FileError([told]) from error


def _told(path: Path, language: str, error: Exception, hint: Said | None = None) -> list[str]:
    if hint is None:
        told = said(
            "{file}: not readable as {language}: {reason}",
            file=path.name,
            language=language,
            reason=reason_of(error),
        )
    else:
        told = said(
            "{file}: not readable as {language}: {reason}; {hint}",
            file=path.name,
            language=language,
            reason=reason_of(error),
            hint=hint,
        )
    return [told]


def _lookalikes(path: Path, text: str) -> list[str]:
    return [
        said(
            "{file}: line {line}, column {column}: {remedy}",
            file=path.name,
            line=each.line,
            column=each.column,
            remedy=each.remedy,
        )
        for each, _ in zip(lookalikes(text), range(MAX_LOOKALIKES), strict=False)
    ]


def _why_no_toml(error: Exception, text: str) -> Said | None:
    """Explain common mistakes in TOML."""
    place = re.search(
        r"^(?P<what>.+) \(at line (?P<line>\d+), column (?P<column>\d+)\)$", str(error)
    )
    if place is None:
        return None
    # As the parser counts: it takes CR LF for one end of line.
    line = text.replace("\r\n", "\n").split("\n")[int(place["line"]) - 1]
    there = line[int(place["column"]) - 1 :]
    if place["what"].startswith(("Unescaped", "Invalid hex")):
        return said("in \"…\" a backslash is written twice; in '…' it stands for itself")
    if place["what"] != "Invalid value":
        return None
    if re.match(r"(?i:true|false)\b", there):
        return said("true and false must be in lower case")
    if re.match(r"[A-Za-z_~/.$]", there):
        return said('texts must be in double quotation marks: "…"')
    return None


def _why_no_json(error: json.JSONDecodeError) -> Said | None:
    """Explain common mistakes in JSON."""
    if not error.doc.strip():
        return said('the file is empty; where no zone is drawn yet, write {{"zones": []}}')
    ahead, behind = error.doc[error.pos :].lstrip(), error.doc[: error.pos].rstrip()
    if ahead.startswith(("//", "/*", "#")):
        return said("JSON has no comments: delete what begins with // or #")
    if re.match(r",?\s*[}\]]", ahead) and (behind.endswith(",") or ahead.startswith(",")):
        return said("a comma stands before a closing bracket: delete it")
    if ahead.startswith("'"):
        return said('texts must be in double quotation marks: "…"')
    return None
