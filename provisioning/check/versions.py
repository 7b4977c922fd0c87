"""Check of the versions: which one runs, whether it has proved itself, and whether an update went back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.files import version_record as record
from provisioning.check.findings import Check, Device, Finding
from provisioning.versions.layout import Layout
from provisioning.wording.recovered import recovered
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYOUT = Layout()


def versions(_device: Device) -> Iterator[Finding]:
    """What became of the last update, where versions lie beside each other."""
    yield from of_layout(LAYOUT)


def of_layout(layout: Layout) -> Iterator[Finding]:
    """The same, of the versions below any root; nothing where there are none."""
    active = layout.active
    if active is None:
        return
    kept = record.read(layout.records)
    if kept.trial is not None and kept.trial.version == active:
        yield Finding(
            "versions",
            "note",
            said("version {version} is on trial", version=active),
            said(
                "Until it has proved itself, version {before} comes back by itself.",
                before=kept.trial.instead_of,
            ),
            said("Nothing; `sudo kerbwatch versions prove` lets it prove itself now."),
            code="version_proved",
        )
        return
    last = record.last_step(kept)
    if last is not None and last.what == "went_back" and last.version == active:
        yield Finding(
            "versions",
            "warning",
            said("version {left} was left: {why}", left=last.instead_of, why=recovered(last.why)),
            said("Version {version} runs again; the update is not in use.", version=active),
            said(
                "Correct what is named; then `sudo kerbwatch versions activate {left}`, or install a "
                "newer version.",
                left=last.instead_of,
            ),
            code="version_proved",
        )
        return
    before = layout.before
    yield Finding(
        "versions",
        "ok",
        said("version {version}; before it {before}", version=active, before=before)
        if before is not None
        else said("version {version}; none before it", version=active),
        code="version_proved",
    )


CHECKS = (Check("versions", versions, needs_configuration=False),)
