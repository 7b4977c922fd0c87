"""``python -m tests.faults.page [RESULT.json …]``: bring docs/faults.md up to the suite.

The list of faults comes from the suite itself; the table of results from what ``--json`` wrote.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.suite import faults
from tests.faults.table import recovered
from tests.support.paths import DOCS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.suite import Fault

PAGE = DOCS / "faults.md"
_HEAD = "| fault | times | sent | lost | gaps | came twice | seconds to recover | |"


def listing() -> str:
    """Every fault, by group, as the page has it."""
    known = sorted(faults(), key=lambda each: each.group)
    parts = [_group(name, list(each)) for name, each in groupby(known, lambda each: each.group)]
    return "\n\n".join(parts)


def _group(name: str, members: Sequence[Fault]) -> str:
    modules = dict.fromkeys(sys.modules[each.strike.__module__] for each in members)
    about = " ".join((module.__doc__ or "").strip().partition("\n\n")[0] for module in modules)
    rows = [
        f"| `{each.name}` | {each.counts['short']} / {each.counts['reduced']} /"
        f" {each.counts['full']} | {each.promise} |"
        for each in members
    ]
    head = "| fault | times: short / reduced / full | what must hold |\n| --- | --- | --- |"
    return "\n".join([f"### {name}", "", about, "", head, *rows])


def results(documents: Sequence[dict[str, Any]]) -> str:
    """What each run has found, how often its faults struck, and on which machine."""
    parts = []
    for each in documents:
        head = f"{each['size'].capitalize()} counts; {each['machine']}:"
        parts.append("\n".join([head, "", _HEAD, "| --- " * 8 + "|", *map(_row, each["faults"])]))
    return "\n\n".join(parts)


def _row(line: dict[str, Any]) -> str:
    if "times" not in line:
        return f"| `{line['fault']}` | – | – | – | – | – | – | {line['result']}: {line['reason']} |"
    took = recovered(line["recover_s"])
    told = [line[name] for name in ("times", "sent", "lost", "unexplained_gaps")]
    cells = [f"`{line['fault']}`", *told, line["duplicates_absorbed"], took, line["notes"]]
    return f"| {' | '.join(map(str, cells))} |"


def between(text: str, name: str, new: str | None = None) -> str:
    """What stands between a page's two marks of a name, or the page with something else there."""
    begin, end = f"<!-- {name}: begin -->\n", f"\n<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    old, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no marks of {name!r} on lines of their own")
    return old if new is None else f"{before}{begin}{new}{end}{after}"


def main() -> None:
    text = between(PAGE.read_text(encoding="utf-8"), "faults", listing())
    if names := sys.argv[1:]:
        found = [json.loads(Path(name).read_text(encoding="utf-8")) for name in names]
        text = between(text, "results", results(found))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
