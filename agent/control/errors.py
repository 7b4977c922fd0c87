"""What can go wrong between a caller and the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ControlError(Exception):
    """The agent could not be asked."""


class AgentSilentError(ControlError):
    """No agent came to the meeting place, or it hung up."""

    @classmethod
    def nobody_came(cls, folder: Path, waited_s: float) -> AgentSilentError:
        """No agent looked into the folder within so many seconds."""
        return cls(
            said(
                "no running agent answered in {folder} in {waited_s:.0f} s: see `systemctl status kerbwatch`, "
                "or start it (`systemctl start kerbwatch`)",
                folder=folder,
                waited_s=waited_s,
            )
        )


class RefusedError(ControlError):
    """The agent refused, for a reason that people can read.

    Attributes:
        code: One word, for programs.
        reason: For people.
        faults: What is wrong, one by one, where it is what was proposed.
    """

    def __init__(self, code: str, reason: str, faults: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.code, self.reason, self.faults = code, reason, tuple(faults)
