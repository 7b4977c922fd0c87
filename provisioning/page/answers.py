"""Answers of the page: JSON in the reader's language or in both, and errors with their words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from provisioning.wording import CHINESE, ENGLISH, in_words, read_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class PageError(Exception):
    """A request is refused; says with which words.

    Attributes:
        status: Of HTTP.
        code: One word, for the page's scripts.
        text: For people.
        faults: What is wrong where, for each fault its ``place`` and ``text``.
        more: What a script needs beside it.
    """

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        *,
        faults: Sequence[tuple[str, str]] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text
        self.faults, self.more = faults, dict(more or {})


def both(text: str) -> dict[str, str]:
    """A text in both languages."""
    with read_in(CHINESE):
        chinese = in_words(text)
    with read_in(ENGLISH):
        return {"zh": chinese, "en": in_words(text)}


def refusal(error: PageError) -> JSONResponse:
    """An error as the page's scripts take it."""
    told = {
        "code": error.code,
        "text": both(error.text),
        "faults": [{"place": place, "text": in_words(text)} for place, text in error.faults],
    }
    return JSONResponse({"error": told, **error.more}, error.status)
