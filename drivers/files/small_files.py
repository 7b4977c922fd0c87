"""Reads small files written by people, and explains why one cannot be read.

The caller names the file: the texts here say what is wrong with it and what to do.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from typing import TYPE_CHECKING

from wording.known_errors import reason_of
from wording.messages import Said, said

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 4_000_000
"""No configuration, certificate, key or password is larger."""
SAVED_AS_UTF_16 = said("it is saved as UTF-16: save it as UTF-8")
_UTF_16 = re.compile(rb"\xff\xfe|\xfe\xff|(?:[\t-~]\0){2}|(?:\0[\t-~]){2}")


class UnreadableError(ValueError):
    """A file cannot be used; the text says why and what to do, without its name.

    Attributes:
        absent: There is none.
    """

    def __init__(self, text: Said, *, absent: bool = False) -> None:
        super().__init__(text)
        self.absent = absent


def content_of(path: Path, most_bytes: int = MAX_BYTES) -> bytes:
    """All of a file. What is no ordinary file is not even opened: a pipe would block.

    Args:
        path: The file.
        most_bytes: What is larger is refused.

    Raises:
        UnreadableError: There is none, it may not be read, or it is no ordinary file of such a size.
    """
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise UnreadableError(said("it is a folder: name the file in it"))
        if not stat.S_ISREG(kind):
            raise UnreadableError(said("it is no ordinary file, but a pipe or a device"))
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError as error:
        raise UnreadableError(_absent(path), absent=True) from error
    except PermissionError as error:
        raise UnreadableError(
            said(
                "the user {user} may not read it: give the file to this user, or let the user's group"
                " read it (chown, chmod), and let the user into the folders above",
                user=user_name(os.geteuid()),
            )
        ) from error
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(
            said("it cannot be read: {reason}", reason=reason_of(error))
        ) from error
    if len(content) > most_bytes:
        raise UnreadableError(
            said("it is larger than {most} MB: it is another file", most=most_bytes // 1_000_000)
        )
    return content


def text_in(content: bytes) -> str:
    """A file's content as text in UTF-8; a mark at its beginning (BOM) is left out.

    Raises:
        UnreadableError: It is in another encoding.
    """
    if is_utf_16(content):
        raise UnreadableError(SAVED_AS_UTF_16)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if _is_gbk(content):
            told = said(
                "line {line} is not UTF-8, but probably GBK: save the file as UTF-8", line=line
            )
        else:
            told = said("line {line} is not UTF-8: save the file as UTF-8", line=line)
        raise UnreadableError(told) from error


def is_utf_16(content: bytes) -> bool:
    """Whether it is text as some editors save it: two bytes a character."""
    return _UTF_16.match(content) is not None


def _is_gbk(content: bytes) -> bool:
    try:
        content.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True


def _absent(path: Path) -> Said:
    if any(part.startswith(("~", "$", "%")) for part in path.parts):
        return said(
            "there is no such file; ~ and variables are not expanded here: write the whole path"
        )
    return said("there is no such file: put it there, or correct the path")


def user_name(number: int) -> str:
    """A user's name; the number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
