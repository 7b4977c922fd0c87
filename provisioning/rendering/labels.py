"""Labels for units, as PDF: who it is, the QR code that opens its page, and the fingerprint to compare.

24 on a sheet of A4, each 70 × 37 mm, as every stationer has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from provisioning.rendering.pdf_font import MissingGlyphError, PdfFont
from provisioning.wording import say
from wording.messages import Said, itemised, said, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reportlab.pdfgen.canvas import Canvas

POINTS_PER_MM = 72 / 25.4
PAGE_MM = (210.0, 297.0)
COLUMNS, ROWS = 3, 8
LABEL_MM = (70.0, 37.0)
PER_PAGE = COLUMNS * ROWS
_MARGIN_MM, _QR_MM, _QUIET = 3.0, 26.0, 4
"""A QR code wants four empty modules around it (ISO/IEC 18004)."""
_TOP_MM = (PAGE_MM[1] - ROWS * LABEL_MM[1]) / 2
_GROUPS_A_LINE = 4


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on one label.

    Attributes:
        name: ``tenant/device_id``; the serial number of a unit in stock.
        site: Where it hangs; empty if that is not known yet.
        address: What the QR code opens.
        fingerprint: SHA-256 of the page's certificate, 64 hexadecimal digits.
        access_point: The name of the unit's own network; empty: it has none.
    """

    serial: str
    name: str
    site: str
    address: str
    fingerprint: str
    access_point: str


class LabelError(ValueError):
    """Labels cannot be printed; with every fault."""


def as_pdf(labels: Sequence[Label], font: PdfFont, skip: int = 0) -> bytes:
    """A document with labels, in their order.

    Args:
        labels: At least one.
        font: What they are printed with.
        skip: How many places of the first sheet are used already.

    Raises:
        LabelError: Something does not fit, or the font cannot print it; with every such thing.
    """
    texts: list[list[_Line]] = []
    faults: list[Said] = []
    for each in labels:
        try:
            texts.append(_lines(each, font))
        except (LabelError, MissingGlyphError) as error:
            faults.append(said("{name}: {fault}", name=each.name, fault=text_of(error)))
    if faults:
        raise LabelError(itemised(faults))
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415 - slow, and of an extra

    made = BytesIO()
    canvas = Canvas(made, pagesize=tuple(side * POINTS_PER_MM for side in PAGE_MM), invariant=True)
    canvas.setTitle("Kerbwatch")
    for number, (each, lines) in enumerate(zip(labels, texts, strict=True), skip):
        if number % PER_PAGE == 0 and number > skip:
            canvas.showPage()
        _draw(canvas, number % PER_PAGE, each, lines, font)
    canvas.save()
    return made.getvalue()


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size_pt: float


def grouped(fingerprint: str) -> list[str]:
    """A fingerprint as it is compared: capital letters in groups of four, four groups a line."""
    capitals = fingerprint.upper()
    groups = [capitals[at : at + 4] for at in range(0, len(capitals), 4)]
    return [
        " ".join(groups[at : at + _GROUPS_A_LINE]) for at in range(0, len(groups), _GROUPS_A_LINE)
    ]


def _lines(label: Label, font: PdfFont) -> list[_Line]:
    """What stands beside the QR code, line by line.

    Raises:
        LabelError: It does not fit.
        MissingGlyphError: The font lacks a character.
    """
    room_pt = (LABEL_MM[0] - 3 * _MARGIN_MM - _QR_MM) * POINTS_PER_MM
    found = _wrapped(label.name, 8, 2, room_pt, font)
    if label.site:
        found += _wrapped(label.site, 6.5, 2, room_pt, font)
    found += _wrapped(say("No. {serial}", serial=label.serial), 6, 2, room_pt, font)
    if label.access_point:
        found += _wrapped(say("network {name}", name=label.access_point), 6, 2, room_pt, font)
    found += _wrapped(say("Fingerprint, to compare:"), 5, 1, room_pt, font)
    found += [_Line(font.checked(each), 5.5) for each in grouped(label.fingerprint)]
    high_pt = sum(each.size_pt * 1.18 for each in found)
    if high_pt > (LABEL_MM[1] - 2 * _MARGIN_MM) * POINTS_PER_MM:
        raise LabelError(said("its texts are too long for a label: shorten site or names"))
    font.checked(label.address)
    return found


def _wrapped(text: str, size_pt: float, most: int, room_pt: float, font: PdfFont) -> list[_Line]:
    """A text in as many lines as it needs, at most so many; Chinese may be broken anywhere."""
    lines, line = [], ""
    for character in font.checked(text):
        if line and font.width(line + character, size_pt) > room_pt:
            at = line.rfind("/") + 1 or len(line)  # tenant/, then the device
            lines.append(_Line(line[:at], size_pt))
            line = line[at:]
        line += character
    lines.append(_Line(line, size_pt))
    if len(lines) > most:
        raise LabelError(said("{text} is too long for a label: shorten it", text=text))
    return lines


def _draw(canvas: Canvas, place: int, label: Label, lines: list[_Line], font: PdfFont) -> None:
    left_mm = (place % COLUMNS) * LABEL_MM[0] + _MARGIN_MM
    top_mm = PAGE_MM[1] - _TOP_MM - (place // COLUMNS) * LABEL_MM[1] - _MARGIN_MM
    _draw_qr(canvas, label.address, left_mm, top_mm - _QR_MM)
    canvas.setFont(font.name, 5.5)
    canvas.drawString(
        left_mm * POINTS_PER_MM, (top_mm - _QR_MM - 2.5) * POINTS_PER_MM, label.address
    )
    x_pt, y_pt = (left_mm + _QR_MM + _MARGIN_MM) * POINTS_PER_MM, top_mm * POINTS_PER_MM
    for each in lines:
        y_pt -= each.size_pt * 1.18
        canvas.setFont(font.name, each.size_pt)
        canvas.drawString(x_pt, y_pt, each.text)


def _draw_qr(canvas: Canvas, content: str, left_mm: float, bottom_mm: float) -> None:
    import segno  # noqa: PLC0415 - of an extra

    rows = list(segno.make_qr(content, error="m").matrix)
    module_mm = _QR_MM / (len(rows) + 2 * _QUIET)
    size_pt = module_mm * POINTS_PER_MM
    for down, row in enumerate(rows):
        y_pt = (bottom_mm + _QR_MM - (_QUIET + down + 1) * module_mm) * POINTS_PER_MM
        for across, dark in enumerate(row):
            if dark:
                x_pt = (left_mm + (_QUIET + across) * module_mm) * POINTS_PER_MM
                # A hair wider than a module: no viewer shows seams between them.
                canvas.rect(x_pt, y_pt, size_pt * 1.02, size_pt * 1.02, stroke=0, fill=1)
