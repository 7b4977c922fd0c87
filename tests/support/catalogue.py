"""The Chinese catalogue and the code: which texts are said, and which are translated.

    python -m tests.support.catalogue

brings ``provisioning/wording/zh_CN.po`` up to what the code says: new texts come in without a
translation, texts that nobody says any more go. Translations that stand stay as they are.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from babel.messages.catalog import Message

PATH = ROOT / "provisioning" / "wording" / "zh_CN.po"
_HOUSES = ("provisioning", "agent", "drivers", "wording")
_KEYWORDS = {"say": None, "said": None, "say_many": (1, 2), "said_many": (1, 2)}
_CLICK = Path(click.__file__).parent
_CLICK_PARTS = ("core", "decorators", "exceptions", "formatting", "parser", "types")
"""The parts of click whose words our commands can show: none of ours asks questions."""
_CLICK_KEYWORDS = {"_": None, "ngettext": (1, 2)}


def said_in_code() -> Catalog:
    """Every text of our own code and of the parts of click that speak to our users."""
    found = Catalog()
    for house in _HOUSES:
        texts = extract_from_dir(str(ROOT / house), keywords=_KEYWORDS)
        for path, _line, text, _comments, _context in texts:
            found.add(text, locations=[(f"{house}/{path}", 0)])
    for path, _line, text, _comments, _context in extract_from_dir(
        str(_CLICK), keywords=_CLICK_KEYWORDS
    ):
        if Path(path).stem in _CLICK_PARTS:
            found.add(text, locations=[(f"click/{path}", 0)])
    return found


def translated() -> Catalog:
    """The catalogue as it stands in the tree."""
    with PATH.open("rb") as file:
        return read_po(file, locale="zh_CN", abort_invalid=True)


def brought_up(catalogue: Catalog) -> bytes:
    """A catalogue brought up to the code, as it is written to the file."""
    catalogue.update(said_in_code(), no_fuzzy_matching=True)
    written = io.BytesIO()
    write_po(
        written,
        catalogue,
        width=0,
        omit_header=True,
        # Sorted by text and without places: what stays the same never makes a difference.
        sort_output=True,
        no_location=True,
        ignore_obsolete=True,
    )
    return _HEADER + written.getvalue()


_HEADER = b"""\
# What Kerbwatch says, in simplified Chinese. Brought up to the code by: python -m tests.support.catalogue
msgid ""
msgstr ""
"Language: zh_CN\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""


def untranslated(catalogue: Catalog) -> Iterator[Message]:
    """The texts of a catalogue that have no Chinese."""
    for message in catalogue:
        texts = message.string if isinstance(message.string, tuple | list) else [message.string]
        if message.id and not all(texts):
            yield message


def main() -> int:
    """Write the catalogue anew and name the texts that wait for a translation."""
    PATH.write_bytes(brought_up(translated()))
    waiting, code = list(untranslated(translated())), said_in_code()
    for message in waiting:
        print(repr(message.id), *{path for path, _ in code[message.id].locations})
    print(f"{len(waiting)} texts wait for a translation", file=sys.stderr)
    return 1 if waiting else 0


if __name__ == "__main__":
    sys.exit(main())
