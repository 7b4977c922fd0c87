"""What comes from outside is shown as what it is, and takes no more room than it may."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wording.harmless import MAX_CHARACTERS, harmless, harmless_json
from wording.messages import Said, itemised, said

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("占道经营 12 m²", "占道经营 12 m²"),
        ("a\nWARNING forged", "a\\nWARNING forged"),
        ("\x1b[2J\x9b31m", "\\x1b[2J\\x9b31m"),
        ("abc\u202edcba\u2066x", "abc\\u202edcba\\u2066x"),
        ("a\u2028b\u0085c\rd\x00", "a\\u2028b\\x85c\\rd\\x00"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\ud800", "\\ud800"),
        ("filled\u3164\ufe0f\U000e0100", "filled\\u3164\\ufe0f\\U000e0100"),
    ],
)
def test_what_is_not_simply_seen_is_written_out(foreign: str, shown: str) -> None:
    assert harmless(foreign) == shown


@given(st.text(st.characters(), max_size=400), st.integers(50, 300))
def test_any_text_becomes_one_short_line_and_then_stays_as_it_is(text: str, most: int) -> None:
    made = harmless(text, most)
    assert len(made) <= most
    assert not {unicodedata.category(character) for character in made} & _UNSEEN
    assert len(made.splitlines()) <= 1
    assert harmless(made, most) == made


def test_a_long_text_says_how_long_it_was() -> None:
    made = harmless("x" * 1_000_000)
    assert len(made) <= MAX_CHARACTERS
    assert made.endswith("x… (1000000 characters)")


def test_a_text_that_can_be_translated_still_can_and_its_facts_are_harmless() -> None:
    inner = said("not {word}", word="a\x1bb")
    made = harmless(said("line {line}: {what}", line=3, what=inner))
    assert isinstance(made, Said)
    assert made == "line 3: not a\\x1bb"
    assert made.template == "line {line}: {what}"
    assert isinstance(made.facts["what"], Said)


def test_lines_of_our_own_stay_lines_and_foreign_ones_do_not() -> None:
    assert harmless(itemised(["a\nb", "c"])) == "  - a\\nb\n  - c"


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters()) | st.integers()))
def test_json_means_the_same_and_is_harmless(value: dict[str, object]) -> None:
    made = harmless_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(made) == value
    assert not [each for each in made if each != "\n" and not each.isprintable()]


def test_what_is_no_text_is_left_alone() -> None:
    assert harmless(said("{seconds:g} s of {names}", seconds=2.5, names=["a", "b\r"])) == (
        "2.5 s of a, b\\r"
    )
