"""The page's scripts and styles: files of the package, read once, none by a path that a phone made up."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from provisioning.page.answers import PageError
from provisioning.page.page_words import NOT_FOUND

if TYPE_CHECKING:
    from provisioning.page.page import Call, Page

BEFORE_SIGN_IN = frozenset({"page.css", "page.js", "sign_in.js", "icon.svg"})
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def before_sign_in(page: Page, call: Call) -> Response:
    """What the sign-in itself is made of; the rest for who is signed in."""
    if call.path["name"] not in BEFORE_SIGN_IN and call.session is None:
        raise PageError(404, "not_found", NOT_FOUND)
    return static_file(page, call)


def static_file(page: Page, call: Call) -> Response:  # noqa: ARG001 - as every endpoint
    """One file."""
    path = "/".join(call.path[part] for part in ("folder", "name") if part in call.path)
    there = _names()
    if path not in there:
        raise PageError(404, "not_found", NOT_FOUND)
    kind = _TYPES[path.rpartition(".")[2]]
    return Response(
        there[path].read_bytes(), media_type=kind, headers={"cache-control": "no-cache"}
    )


@cache
def _names() -> dict[str, Path]:
    root = Path(__file__).with_name("static")
    found: dict[str, Path] = {}
    for each in root.iterdir():
        if each.is_dir():
            found |= {f"{each.name}/{inner.name}": inner for inner in each.iterdir()}
        else:
            found[each.name] = each
    return {name: each for name, each in found.items() if name.rpartition(".")[2] in _TYPES}
