"""Reads a model's class names, from a text file or from the ONNX file's metadata."""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import TYPE_CHECKING

from agent.inference.manifest import ModelError
from drivers.files.documents import unseen
from drivers.files.small_files import UnreadableError, content_of, text_in
from wording.messages import Said, said, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBERED = re.compile(r"(\d{1,9})(?:\s*[:.)\]]\s*|\s+)(\S.*)")
_LISTED = re.compile(r"-\s+(\S.*)")
_QUOTED = re.compile(r"(?P<quote>[\"'])(?P<name>.*)(?P=quote),?")


def of_file(path: Path, model: str) -> list[str]:
    """Read a file with one class name a line; numbers, dashes and quotes that all lines have are no part of it.

    Args:
        path: The file: UTF-8, with or without a byte order mark, with any ends of lines.
        model: What errors call the model.

    Raises:
        ModelError: It cannot be read, or gives a name twice.
    """
    try:
        text = text_in(content_of(path))
    except UnreadableError as error:
        fault = said("{file}: {reason}", file=path.name, reason=text_of(error))
        raise ModelError(model, [fault]) from error
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    names = _bare([line.strip() for line in lines if line.strip()])
    if faults := list(_faults(names)):
        raise ModelError(
            model, [said("{file}: {reason}", file=path.name, reason=each) for each in faults]
        )
    return names


def of_metadata(told: str) -> list[str] | None:
    """The names as Ultralytics' exports carry them, a dictionary by number or a list; None: none."""
    try:
        names = ast.literal_eval(told)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or set(names) != set(range(len(names))):
        return None
    found = [names[index] for index in range(len(names))]
    return found if all(isinstance(each, str) for each in found) else None


def _bare(lines: list[str]) -> list[str]:
    """Take off what all lines have and no name begins with: a number in order, a dash, quotes."""
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if lines and all(numbered):
        numbers = [int(each[1]) for each in numbered if each]
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[0] in (0, 1):
            lines = [each[2] for each in numbered if each]
    for pattern, group in ((_LISTED, 1), (_QUOTED, "name")):
        found = [pattern.fullmatch(line) for line in lines]
        if all(found):
            lines = [str(each[group]).strip() for each in found if each]
    return lines


def _faults(names: list[str]) -> Iterator[Said]:
    if not names:
        yield said("it is empty; one class name a line is expected")
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        yield said("given twice: {names}", names=twice[:10])
    for number, name in enumerate(names, 1):
        if code := unseen(name):
            yield said(
                "name {number} holds {code}, which cannot be shown", number=number, code=code
            )
            return
