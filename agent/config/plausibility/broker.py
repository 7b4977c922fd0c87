"""Settings of the broker connection that have no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config.plausibility.remark import Remark
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration


def remarks(configuration: Configuration) -> Iterator[Remark]:
    """Remarks on unused settings of ``[uplink]``."""
    uplink = configuration.uplink
    if uplink.password_file is not None and uplink.username is None:
        yield Remark(
            said(
                "{where}: {message}",
                where="uplink.password_file",
                message=said("without username it is not used"),
            ),
            said("The device connects without user and password."),
            said("Give username as well, or leave password_file out."),
        )
