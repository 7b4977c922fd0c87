"""Type for PDFs: one font with Chinese, found on this machine, that refuses what it cannot print.

reportlab draws an empty box, or nothing, for a character that a font lacks, and says so to nobody. A name or an
address that lost a character on a form is a wrong form. So every text goes through :meth:`PdfFont.checked`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import category, name

from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Mapping

FONTS = (
    Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"),
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
    Path("/usr/share/fonts/truetype/arphic/uming.ttc"),
    Path("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"),
)
"""Where Debian's packages fonts-wqy-microhei, fonts-wqy-zenhei, fonts-arphic-uming and fonts-droid-fallback put
theirs. All have TrueType outlines; reportlab reads no others."""
_NO_GLYPH_NEEDED = frozenset({"\n"})
_MAX_TOLD = 10


class NoFontError(RuntimeError):
    """There is no font with Chinese on this machine."""


class MissingGlyphError(ValueError):
    """The font cannot print some characters.

    Attributes:
        characters: Those that it lacks, each once, in their order.
    """

    def __init__(self, font: str, characters: tuple[str, ...]) -> None:
        super().__init__(
            said(
                "the font {font} cannot print: {characters}. Write it otherwise, or install a font"
                " that has it.",
                font=font,
                characters=[_in_words(each) for each in characters[:_MAX_TOLD]],
            )
        )
        self.characters = characters


@dataclass(frozen=True, slots=True)
class PdfFont:
    """A font as reportlab knows it.

    Attributes:
        name: What to give to reportlab (``setFont``, ``fontName``).
        glyphs: The number of the glyph for each character that it has.
    """

    name: str
    glyphs: Mapping[int, int]

    def checked(self, text: str) -> str:
        """Give the text back, if every character of it can be printed; line ends need no glyph.

        Raises:
            MissingGlyphError: The font lacks some.
        """
        lacking = dict.fromkeys(
            each for each in text if each not in _NO_GLYPH_NEEDED and not self.glyphs.get(ord(each))
        )
        if lacking:
            raise MissingGlyphError(self.name, tuple(lacking))
        return text

    def written_out(self, text: str) -> str:
        """The same with each character that the font lacks by its number (``U+1F6B2``): nothing of it is lost."""
        return "".join(
            each if each in _NO_GLYPH_NEEDED or self.glyphs.get(ord(each)) else f"U+{ord(each):04X}"
            for each in text
        )

    def width(self, text: str, size_pt: float) -> float:
        """How wide a text is, in points.

        Raises:
            MissingGlyphError: The font lacks some of it.
        """
        from reportlab.pdfbase.pdfmetrics import stringWidth  # noqa: PLC0415 - see chinese_font

        return float(stringWidth(self.checked(text), self.name, size_pt))


def chinese_font(path: Path | None = None) -> PdfFont:
    """The font for everything that is printed here: Chinese and Latin of one make.

    Args:
        path: A TrueType file or collection; None: the first of :data:`FONTS` that is there.

    Raises:
        NoFontError: There is none, or it cannot be read.
    """
    found = path or next((each for each in FONTS if each.is_file()), None)
    if found is None:
        raise NoFontError(
            said(
                "There is no font with Chinese on this machine. Install one: `sudo apt install"
                " fonts-wqy-microhei`."
            )
        )
    return _registered(found)


@cache
def _registered(path: Path) -> PdfFont:
    # It is slow to import, and a part of an extra: who prints nothing does without.
    from reportlab.pdfbase.pdfmetrics import registerFont  # noqa: PLC0415
    from reportlab.pdfbase.ttfonts import TTFError, TTFont  # noqa: PLC0415

    try:
        font = TTFont(path.stem, str(path), subfontIndex=0)
    except (TTFError, OSError) as error:
        raise NoFontError(
            said("The font {file} cannot be used: {reason}", file=path, reason=str(error))
        ) from error
    registerFont(font)
    return PdfFont(path.stem, font.face.charToGlyph)


def _in_words(character: str) -> str:
    known = name(character, "")
    shown = character if category(character)[0] not in {"C", "Z"} else ""
    return f"{shown} U+{ord(character):04X} {known}".strip()
