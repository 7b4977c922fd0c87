"""Check of the first boot: whether the device was set up by its card, by whom, and what failed then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from provisioning.card.contents import stamp_of
from provisioning.check.findings import Check, Device, Finding
from provisioning.console.local_time import local
from provisioning.wording.recovered import recovered
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator


def seeding(device: Device) -> Iterator[Finding]:
    """What the card's stamp says; a device that was set up by hand has none."""
    yield from of_root(Path("/"), device.timezone)


def of_root(root: Path, timezone: str | None) -> Iterator[Finding]:
    """The same below any root.

    Args:
        root: Of the device.
        timezone: In which times are told; None: the system's.
    """
    stamp = stamp_of(root)
    if stamp is None:
        yield Finding("seeding", "ok", said("seeded: no"), code="seeded")
        return
    yield Finding(
        "seeding",
        "ok",
        said(
            "seeded: yes, by {by}, at {at} ({how})",
            by=stamp.by,
            at=local(stamp.at, timezone),
            how=stamp.how,
        ),
        code="seeded",
    )
    for fault in stamp.faults:
        yield Finding(
            "seeding",
            "warning",
            recovered(fault),
            said("At the first boot this could not be set up from the card."),
            said("Set it up by hand, or prepare a card anew; docs/card.md says what it carries."),
            code="seeded",
        )


CHECKS = (Check("seeding", seeding, needs_configuration=False),)
"""Whether the card set the device up."""
