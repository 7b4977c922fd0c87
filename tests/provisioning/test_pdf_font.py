"""What is printed has every character of its text, or is not printed."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from provisioning.rendering import pdf_font
from provisioning.rendering.pdf_font import MissingGlyphError, NoFontError, chinese_font


def test_chinese_and_latin_of_a_form_are_printed_with_their_own_glyphs() -> None:
    font = chinese_font()
    text = "装机验收单 Kerbwatch №7 – 48.5 cm² ✓\n第二行"
    assert font.checked(text) == text
    assert font.width("验收", 10) == pytest.approx(20, abs=0.5)
    page = BytesIO()
    canvas = Canvas(page, invariant=1)
    canvas.setFont(font.name, 10)
    canvas.drawString(50, 50, font.checked("装机验收单"))
    canvas.save()
    assert b"/FontFile2" in page.getvalue(), "the glyphs travel with the file"


@pytest.mark.parametrize("character", ["𠮷", "\U0001f600", "\x07", "\u202e", "\ufffe"])
def test_a_character_that_the_font_lacks_is_refused_and_named(character: str) -> None:
    with pytest.raises(MissingGlyphError) as refused:
        chinese_font().checked(f"李{character}号{character}")
    assert refused.value.characters == (character,)
    assert f"U+{ord(character):04X}" in str(refused.value)


def test_a_file_that_is_no_font_and_a_machine_without_one_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = tmp_path / "torn.ttc"
    torn.write_bytes(b"ttcf" + bytes(40))
    with pytest.raises(NoFontError, match=r"torn\.ttc"):
        chinese_font(torn)
    monkeypatch.setattr(pdf_font, "FONTS", (tmp_path / "absent.ttc",))
    with pytest.raises(NoFontError, match="fonts-wqy-microhei"):
        chinese_font()
