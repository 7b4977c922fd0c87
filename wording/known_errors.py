"""Known messages of the system and libraries, so that they can be translated.

Python's parsers, SQLite and the operating system give an error as an English sentence. Those that
a technician is likely to meet are listed here; one that is not is shown as it came.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from wording.messages import Said, said, text_of

NO_INODES = said("no inodes are left: there are too many files on this disk, though it has room")

_AT_LINE = re.compile(r"(?P<what>.+) \(at line (?P<line>\d+), column (?P<column>\d+)\)")
_AT_END = re.compile(r"(?P<what>.+) \(at end of document\)")
_JSON = re.compile(r"(?P<what>.+): line (?P<line>\d+) column (?P<column>\d+) \(char \d+\)")

_GIVEN_TWICE = re.compile(
    r"Cannot declare (?P<names>.+) twice|Duplicate inline table key (?P<name>.+)"
    r"|Cannot (?:redefine|mutate immutable) namespace (?P<space>.+)"
)
_CHARACTER = re.compile(r"(?:Illegal|Found invalid) character (?P<character>.+)")
_MANY_DIGITS = re.compile(
    r"Exceeds the limit \((?P<most>\d+) digits\) for integer string conversion.*"
)
_OTHER_NAME = re.compile(
    r"(?:Hostname|IP address) mismatch, certificate is not valid for '(?P<host>.+)'\."
)

_KNOWN: dict[str, Said] = {
    str(each): each
    for each in (
        # the operating system
        said("No such file or directory"),
        said("Permission denied"),
        said("Operation not permitted"),
        said("Is a directory"),
        said("Not a directory"),
        said("File exists"),
        said("Read-only file system"),
        said("No space left on device"),
        said("Disk quota exceeded"),
        said("Input/output error"),
        said("Too many open files"),
        said("Device or resource busy"),
        said("Too many levels of symbolic links"),
        said("No such device"),
        said("Connection refused"),
        said("Connection reset by peer"),
        said("Connection timed out"),
        said("timed out"),
        said("Broken pipe"),
        said("No route to host"),
        said("Network is unreachable"),
        said("Name or service not known"),
        said("Temporary failure in name resolution"),
        said("No address associated with hostname"),
        said("Port out of range 0-65535"),
        # SQLite
        said("unable to open database file"),
        said("database disk image is malformed"),
        said("disk I/O error"),
        said("attempt to write a readonly database"),
        said("database or disk is full"),
        said("file is not a database"),
        said("database is locked"),
        # reasons of an MQTT broker, as paho-mqtt names them
        said("Not authorized"),
        said("Bad user name or password"),
        said("Banned"),
        said("Client identifier not valid"),
        said("Server unavailable"),
        said("Server busy"),
        said("Unsupported protocol version"),
        # why a certificate is not trusted, as OpenSSL says it
        said("self-signed certificate"),
        said("self-signed certificate in certificate chain"),
        said("unable to get local issuer certificate"),
        said("unable to get issuer certificate"),
        said("unable to verify the first certificate"),
        said("certificate signature failure"),
        said("certificate is not yet valid"),
        said("certificate has expired"),
        said("invalid CA certificate"),
        said("unsuitable certificate purpose"),
        said("EE certificate key too weak"),
        said("CA certificate key too weak"),
        said("CA signature digest algorithm too weak"),
        # what only a strict reader refuses, as OpenSSL says it
        said("CA cert does not include key usage extension"),
        said("Basic Constraints of CA cert not marked critical"),
        said("Missing Authority Key Identifier"),
        said("Missing Subject Key Identifier"),
        said("Path length given without key usage keyCertSign"),
        said("Issuer name empty"),
        said("Subject name empty"),
        said("Using cert extension requires at least X509v3"),
        # a broker's alerts about a client's certificate, as OpenSSL names them
        said("bad certificate"),
        said("unsupported certificate"),
        said("certificate revoked"),
        said("certificate expired"),
        said("certificate unknown"),
        said("unknown ca"),
        said("certificate required"),
        # tomllib
        said("Invalid value"),
        said("Invalid statement"),
        said("Expected '=' after a key in a key/value pair"),
        said("Expected newline or end of document after a statement"),
        said("Cannot overwrite a value"),
        said("Unclosed array"),
        said("Unclosed inline table"),
        said("Unterminated string"),
        said("Invalid initial character for a key part"),
        said("Expected ']' at the end of a table declaration"),
        said("Expected ']]' at the end of an array declaration"),
        said("Invalid date or datetime"),
        said("Unescaped '\\' in a string"),
        said("Invalid hex value"),
        # json
        said("Expecting value"),
        said("Expecting ',' delimiter"),
        said("Expecting ':' delimiter"),
        said("Expecting property name enclosed in double quotes"),
        said("Unterminated string starting at"),
        said("Illegal trailing comma before end of array"),
        said("Illegal trailing comma before end of object"),
        said("Invalid control character at"),
        said("Invalid \\escape"),
        said("Extra data"),
    )
}


def recognised(text: str) -> str:
    """Give a foreign text as one that can be translated, if it is known; else as it is."""
    if place := _AT_LINE.fullmatch(text) or _JSON.fullmatch(text):
        return said(
            "line {line}, column {column}: {what}",
            line=place["line"],
            column=place["column"],
            what=_by_itself(place["what"]),
        )
    if place := _AT_END.fullmatch(text):
        return said("{what} (at the end of the file)", what=_by_itself(place["what"]))
    return _by_itself(text)


def _by_itself(text: str) -> str:
    """The same, of a text without a place."""
    if found := _GIVEN_TWICE.fullmatch(text):
        quoted = re.findall(r"'([^']*)'", text)
        return said("{name!r} is given twice", name=".".join(quoted) or found[0])
    if found := _CHARACTER.fullmatch(text):
        return said("{character} may not stand here", character=found["character"])
    if found := _MANY_DIGITS.fullmatch(text):
        return said("a number has more than {most} digits", most=found["most"])
    if found := _OTHER_NAME.fullmatch(text):
        return said("it is not valid for {host}", host=found["host"])
    known: str | None = _KNOWN.get(text) or _KNOWN.get(text.rstrip(": "))
    return known or text


def words_of(error: BaseException) -> str:
    """All of an error's text: as it was said, or else what the system or Python means by it."""
    text = text_of(error)
    if isinstance(text, Said):
        return text
    if isinstance(error, ImportError) and error.name:
        return said("the package {name} is missing: install it", name=error.name)
    if isinstance(error, OSError) and error.strerror and error.filename:
        return said("{file}: {reason}", file=error.filename, reason=reason_of(error))
    return reason_of(error)


def reason_of(error: BaseException) -> str:
    """What went wrong, without the place: of a system's error what it says, else all it says.

    Of a disk that has room and no inodes the system says that there is no space: then that is told.
    """
    if isinstance(error, OSError) and error.strerror:
        named = isinstance(error.filename, str | os.PathLike)
        if error.errno == errno.ENOSPC and named and has_no_inodes(Path(error.filename)):
            return NO_INODES
        return recognised(error.strerror)
    text = text_of(error)
    return text if isinstance(text, Said) else recognised(text)


def has_no_inodes(path: Path) -> bool:
    """Whether the file system that holds ``path``, or would, can take no further file."""
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        status = os.statvfs(path)
    except OSError:
        return False
    return status.f_files > 0 and status.f_favail == 0
