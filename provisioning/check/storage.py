"""Checks of the audit log and the memory card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.audit import AuditError, verify, verify_orders
from agent.storage.paths import AUDIT
from drivers.card import read_card
from provisioning.check.findings import Check, Device, Finding
from wording.known_errors import words_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator


def audit(device: Device) -> Iterator[Finding]:
    """Whether the audit log is as it was written."""
    assert device.configuration is not None
    folder = device.base / device.configuration.storage.state_dir / AUDIT
    try:
        verdict, ordered = verify(folder), verify_orders(folder)
    except AuditError as error:
        yield Finding(
            "audit",
            "warning",
            words_of(error),
            said("Changes to the device are not recorded."),
            said("Run the check as root; if the card is worn out, replace it."),
            code="audit_chain",
        )
        return
    breaks = (*verdict.breaks, *ordered.breaks)
    if not breaks:
        yield Finding(
            "audit",
            "ok",
            said("{count} record(s), the chain is intact", count=verdict.records),
            code="audit_chain",
        )
        return
    first = breaks[0]
    yield Finding(
        "audit",
        "warning",
        said(
            "the chain breaks in {file}, line {line}: {reason}",
            file=first.file,
            line=first.line,
            reason=first.reason,
        ),
        said("The log was changed after it was written."),
        said("Copy {folder} for the investigation; run `kerbwatch audit verify`.", folder=folder),
        code="audit_chain",
    )


def card(device: Device) -> Iterator[Finding]:
    """Whether the card or its file system says that it fails."""
    assert device.configuration is not None
    folder = device.base / device.configuration.storage.state_dir
    if not folder.exists():
        return
    found = read_card(folder)
    what = found.name or said("disk of unknown model")
    if found.file_system_errors:
        yield Finding(
            "card",
            "warning",
            said(
                "{card}: {count} error(s) in its file system",
                card=what,
                count=found.file_system_errors,
            ),
            said("Damage was found on it since the file system was last repaired."),
            said("Back up what is held, and replace the card."),
            code="card_file_system",
        )
    if found.read_only:
        yield Finding(
            "card",
            "fault",
            said("{card}: it cannot be written to", card=what),
            said("Nothing that is found is stored for good."),
            said("Restart once; if it stays so, the card is worn out: replace it."),
            code="card_read_only",
        )
    if found.end_of_life in {"warning", "urgent"}:
        yield Finding(
            "card",
            "warning",
            said("{card}: nearly all spare blocks are used up", card=what),
            said("It will soon no longer be writable."),
            said("Replace the card."),
            code="card_wear",
        )
    if not (found.read_only or found.file_system_errors) and found.end_of_life in {None, "normal"}:
        yield Finding("card", "ok", said("{card}: no fault found", card=what), code="card_wear")


CHECKS = (Check("audit", audit), Check("card", card))
