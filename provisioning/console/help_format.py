"""Translates click's own texts, and wraps help by display width.

click takes its words from the process's gettext, whose catalogues must lie compiled on the disk,
and measures text in characters, of which a Chinese one is two columns wide. Who reads English gets
click as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click
from click import core, decorators, exceptions, formatting, parser, types

from provisioning.wording import ENGLISH, in_words, language, translations
from provisioning.wording.width import display_width, padded
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PARTS = (core, decorators, exceptions, formatting, parser, types)
"""The parts of click whose words our commands can show: none of ours asks questions."""
_PLACEHOLDERS = (
    ("[OPTIONS]", said("[OPTIONS]")),
    ("COMMAND [ARGS]...", said("COMMAND [ARGS]...")),
)
_TYPES: tuple[tuple[Any, Said], ...] = (
    (click.STRING, said("text")),
    (click.IntRange, said("whole number")),
    (click.INT, said("whole number")),
    (click.FloatRange, said("number")),
    (click.FLOAT, said("number")),
)
"""What click shows, in capitals, for a value of a type."""
_UNBREAKABLE = re.compile(
    r"\s+"  # where a line may end without a trace
    # a word of Latin letters or figures, or one wide character; with the punctuation behind it
    r"|(?:[^\s\u2e80-\uffff]+|[\u2e80-\uffff])[，。、；：？！）》」』”]*"
    r"|."
)
_TERM_COLUMNS_MAX = 30
_GAP_COLUMNS = 2


def speak_as_read() -> None:
    """Have click speak the reader's language; to be called before commands are declared.

    click has no setting for it: each of its modules calls gettext under the name ``_``, and that
    name is given another meaning here.
    """
    if language() == ENGLISH:
        return
    catalogue = translations(language())
    click.Context.formatter_class = WideFormatter
    for kind, words in _TYPES:
        kind.name = in_words(words)
    for part in PARTS:
        for name, look_up in (("_", catalogue.gettext), ("ngettext", catalogue.ngettext)):
            if hasattr(part, name):
                setattr(part, name, look_up)


def wrapped(text: str, columns: int) -> Iterator[str]:
    """Break a paragraph into lines of a maximum number of columns.

    A line may end at a space and beside a wide character, but no line begins with a comma or a
    full stop. A word that is wider than the line stays whole.
    """
    line = ""
    for piece in _UNBREAKABLE.findall(text):
        if line and not piece.isspace() and display_width(line + piece) > columns:
            yield line.rstrip()
            line = ""
        if line or not piece.isspace():
            line += piece
    if line.strip():
        yield line.rstrip()


class WideFormatter(click.HelpFormatter):
    """A help page as click makes it, with every width counted in columns of the terminal."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how a command is called, with its placeholders in the reader's language."""
        for placeholder, words in _PLACEHOLDERS:
            args = args.replace(placeholder, in_words(words))
        super().write_usage(prog, args, prefix)

    def write_text(self, text: str) -> None:
        """Write paragraphs at the current indent; one that begins with U+0008 keeps its lines."""
        indent = " " * self.current_indent
        pages = [self._lines(paragraph) for paragraph in re.split(r"\n\s*\n", text.strip("\n"))]
        shown = ["\n".join(indent + line if line else "" for line in page) for page in pages]
        self.write("\n\n".join(shown) + "\n")

    def _lines(self, paragraph: str) -> Iterable[str]:
        kept, _, rest = paragraph.partition("\n")
        if kept.strip() == "\b":
            return rest.splitlines()
        # Chinese lines join without a space between them.
        joined = re.sub(r"(?<=[\u2e80-\uffff])\s*\n\s*(?=[\u2e80-\uffff])", "", paragraph)
        return wrapped(" ".join(joined.split()), self.width - self.current_indent)

    def write_dl(
        self,
        rows: Iterable[tuple[str, str]],
        col_max: int = _TERM_COLUMNS_MAX,
        col_spacing: int = _GAP_COLUMNS,
    ) -> None:
        """Write terms with what they mean beside them."""
        rows = list(rows)
        widest = max((display_width(term) for term, _ in rows), default=0)
        first = min(widest, col_max) + col_spacing
        indent, behind = " " * self.current_indent, " " * (self.current_indent + first)
        for term, meaning in rows:
            lines = list(wrapped(" ".join(meaning.split()), max(self.width - len(behind), 10)))
            if display_width(term) > first - col_spacing:
                self.write(f"{indent}{term}\n")
            elif lines:
                self.write(f"{indent}{padded(term, first)}{lines.pop(0)}\n")
            else:
                self.write(f"{indent}{term}\n")
            self.write("".join(f"{behind}{line}\n" for line in lines))
