"""The page's HTML: Jinja templates, each text by its name and in the reader's language."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from provisioning.page.page_words import PAGE_WORDS
from provisioning.wording import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from provisioning.page.page import Call

_HTML_LANGUAGES = {"zh_CN": "zh-CN", "en": "en"}


def render(
    template: str, call: Call, words: Mapping[str, str] | None = None, **facts: Any
) -> HTMLResponse:
    """Fill in a template.

    Args:
        template: Its file in ``templates/``.
        call: Who reads it.
        words: Texts of this view alone, by their names; they stand in ``words`` and, for scripts, in ``words_json``.
        facts: What else it shows.
    """
    texts = {name: in_words(text) for name, text in (PAGE_WORDS | dict(words or {})).items()}
    html = (
        _environment()
        .get_template(template)
        .render(
            w=texts,
            words=texts,
            words_json=_as_json(texts),
            lang=_HTML_LANGUAGES[call.language],
            csrf=call.session.csrf if call.session else "",
            signed_in=call.session is not None,
            **facts,
        )
    )
    return HTMLResponse(html)


def _as_json(texts: Mapping[str, str]) -> str:
    """JSON that no HTML reader takes for the end of its script."""
    told = json.dumps(dict(texts), ensure_ascii=False)
    return told.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        auto_reload=False,
        cache_size=20,
        trim_blocks=True,
        lstrip_blocks=True,
    )
