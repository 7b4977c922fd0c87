"""What ``kerbwatch check --json`` found, as the acceptance takes it: rows of the contract, and their words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agent.control.messages.service import CheckRow

if TYPE_CHECKING:
    from agent.control.messages.service import State

STATES: dict[str, State] = {
    "ok": "passed",
    "note": "passed",
    "warning": "remark",
    "fault": "failed",
}
_SUBJECT = re.compile("[A-Za-z0-9_-]{1,64}")


def rows_of(findings: list[dict[str, Any]]) -> tuple[CheckRow, ...]:
    """Findings as the contract has them. The acceptance itself is no check of the acceptance."""
    return tuple(
        CheckRow(code=each["code"], state=STATES[each["severity"]], subject=_subject(each))
        for each in findings
        if each["code"] != "acceptance"
    )


def words_of_findings(
    findings: list[dict[str, Any]], language: str
) -> dict[tuple[str, str | None], str]:
    """What was found, by code and subject: of several the worst."""
    found: dict[tuple[str, str | None], str] = {}
    for each in sorted(findings, key=lambda row: -list(STATES).index(row["severity"])):
        found.setdefault((each["code"], _subject(each)), each["words"][language]["what"])
    return found


def _subject(finding: dict[str, Any]) -> str | None:
    subject = finding["subject"]
    return subject if subject and _SUBJECT.fullmatch(subject) else None
