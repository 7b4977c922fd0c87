"""Pages to print and to sign, as PDF: headings, paragraphs, tables and pictures, laid out by reportlab.

Every text goes through the font's own check (:mod:`provisioning.rendering.pdf_font`).
"""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING

from provisioning.rendering.pdf_font import chinese_font
from provisioning.wording import in_words
from wording.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reportlab.platypus import Flowable

MARGIN_MM, GAP_MM = 16, 2
_FRAME_PT = 12
"""What reportlab's frames keep free of themselves, on both sides together."""
_LONGEST = 1000
"""Characters of one text."""


class Paper:
    """One page, A4, from the top down; what is too long for it is made smaller.

    Args:
        title: Of the document, at its top and in its properties.

    Raises:
        NoFontError: There is no font with Chinese on this machine.
        MissingGlyphError: The font lacks a character; also of what is added later.
    """

    def __init__(self, title: str) -> None:
        from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415 - only for paper

        self._font = chinese_font()
        self._title = _plain(title)
        # CJK: lines break between any two Chinese characters, which need no space to.
        self._style = ParagraphStyle(
            "text", fontName=self._font.name, fontSize=8, leading=11, wordWrap="CJK"
        )
        self._parts: list[Flowable] = []
        self._line(title, 16, 6)

    def heading(self, text: str) -> None:
        """Begin a part of the page."""
        self._line(text, 10.5, 2)

    def paragraph(self, text: str, size: float = 8) -> None:
        """Add a paragraph, of a size in points."""
        self._line(text, size, 6)

    def table(
        self,
        rows: Iterable[Sequence[str]],
        widths_mm: Sequence[float],
        *,
        written_out: bool = False,
    ) -> None:
        """Add a table with lines around its cells.

        Args:
            rows: Cells from left to right.
            widths_mm: Of the columns.
            written_out: A character that the font lacks is printed by its number, not refused: where nobody who
                wants the paper can write it otherwise.
        """
        from reportlab.lib import colors  # noqa: PLC0415 - only for paper
        from reportlab.lib.units import mm  # noqa: PLC0415
        from reportlab.platypus import Spacer, Table, TableStyle  # noqa: PLC0415

        shown = self._font.written_out if written_out else str
        cells = [[self._text(shown(in_words(each)), 8) for each in row] for row in rows]
        if not cells:
            return
        style = TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("TOPPADDING", (0, 0), (-1, -1), 1.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ]
        )
        self._parts += [
            Table(cells, colWidths=[each * mm for each in widths_mm], style=style),
            Spacer(1, GAP_MM * mm),
        ]

    def picture(self, jpeg: bytes, width_mm: float) -> None:
        """Add a picture of a width; its height follows."""
        from reportlab.lib.units import mm  # noqa: PLC0415 - only for paper
        from reportlab.lib.utils import ImageReader  # noqa: PLC0415
        from reportlab.platypus import Image, Spacer  # noqa: PLC0415

        width, height = ImageReader(io.BytesIO(jpeg)).getSize()
        shown = (width_mm * mm, width_mm * mm * height / width)
        self._parts += [
            Image(io.BytesIO(jpeg), *shown, hAlign="LEFT"),
            Spacer(1, 2 * GAP_MM * mm),
        ]

    def content(self) -> bytes:
        """The document; the same bytes for the same content."""
        from reportlab.lib.pagesizes import A4  # noqa: PLC0415 - only for paper
        from reportlab.lib.units import mm  # noqa: PLC0415
        from reportlab.platypus import KeepInFrame, SimpleDocTemplate  # noqa: PLC0415

        into = io.BytesIO()
        margin = MARGIN_MM * mm
        document = SimpleDocTemplate(
            into,
            pagesize=A4,
            title=self._title,
            author="Kerbwatch",
            invariant=1,
            leftMargin=margin,
            rightMargin=margin,
            topMargin=margin,
            bottomMargin=margin,
        )
        width, height = (size - 2 * margin - _FRAME_PT for size in A4)
        document.build([KeepInFrame(width, height, list(self._parts), mode="shrink")])
        return into.getvalue()

    def _line(self, text: str, size: float, after: float) -> None:
        from reportlab.platypus import Spacer  # noqa: PLC0415 - only for paper

        self._parts += [self._text(text, size), Spacer(1, after)]

    def _text(self, text: str, size: float) -> Flowable:
        from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415 - only for paper
        from reportlab.platypus import Paragraph  # noqa: PLC0415

        plain = self._font.checked(_plain(text))
        style = ParagraphStyle(
            f"text {size}", parent=self._style, fontSize=size, leading=size * 1.35
        )
        return Paragraph(escape(plain).replace("\n", "<br/>"), style)


def _plain(text: str) -> str:
    """A text in the reader's language, each line of it made harmless."""
    return "\n".join(harmless(each, _LONGEST) for each in in_words(text).split("\n"))
