"""``python -m tests.platform.faults.page [RESULT.json …]``: bring docs/platform/faults.md up to the suite, in both languages.

The list of faults and of proofs comes from the suite itself; the table of results from what ``--json`` wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.page import between
from tests.faults.table import recovered
from tests.platform.faults.proofs import PROOFS
from tests.platform.faults.suite import faults
from tests.support.paths import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGES = {"en": DOCS / "platform" / "faults.md", "zh": DOCS / "platform" / "faults.zh-CN.md"}
CHINESE = Path(__file__).with_name("zh.json")
"""English → Chinese, of all that the page takes from the suite."""


def said(language: str) -> Callable[[str], str]:
    """A text of the suite in a page's language."""
    told: dict[str, str] = json.loads(CHINESE.read_text(encoding="utf-8"))
    return told.__getitem__ if language == "zh" else str


def listing(language: str) -> str:
    """Every fault, how often it strikes, and its promise."""
    say = said(language)
    head = "| fault | times: short / reduced / full | what must hold |"
    rows = [
        f"| `{each.name}` | {' / '.join(map(str, each.counts.values()))} | {say(each.promise)} |"
        for each in faults()
    ]
    return "\n".join([say(head), "| --- | --- | --- |", *rows])


def proofs(language: str) -> str:
    """Every promise that SQL proves after each fault."""
    say = said(language)
    return "\n".join(f"- {say(promise)}" for promise in PROOFS)


def results(documents: Sequence[dict[str, Any]], language: str) -> str:
    """What each run has found, and on which machine."""
    say = said(language)
    head = "| fault | times | events | numbers | named as lost | conflicts | receipts checked | seconds to recover | |"
    parts = []
    for each in documents:
        rows = [_row(line, say) for line in each["faults"]]
        above = f"{each['machine']}; {each['size']}:"
        parts.append("\n".join([above, "", say(head), "| --- " * 9 + "|", *rows]))
    run = {line["fault"] for each in documents for line in each["faults"]}
    if left := [f"`{each.name}`" for each in faults() if each.name not in run]:
        parts.append(f"{say('Without figures yet:')} {', '.join(left)}.")
    return "\n\n".join(parts)


def _row(line: dict[str, Any], say: Callable[[str], str]) -> str:
    if "times" not in line:
        return f"| `{line['fault']}` | – | – | – | – | – | – | – | {say(line['result'])} |"
    told = [line[name] for name in ("times", "events", "numbers", "named", "conflicts", "receipts")]
    cells = [f"`{line['fault']}`", *told, recovered(line["recover_s"]), say(line["result"])]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    for language, page in PAGES.items():
        text = between(page.read_text(encoding="utf-8"), "faults", listing(language))
        text = between(text, "proofs", proofs(language))
        if names := sys.argv[1:]:
            found = [json.loads(Path(name).read_text(encoding="utf-8")) for name in names]
            text = between(text, "results", results(found, language))
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
