"""What the page asks of the running agent; each answer as plain values for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provisioning.page.answers import PageError
from wording.messages import said

if TYPE_CHECKING:
    from pathlib import Path


class Agent:
    """The agent of this unit.

    Args:
        run_dir: Its ``storage.run_dir``.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir

    def cameras(self) -> list[dict[str, Any]]:
        """The cameras."""
        raise _silent()

    def configuration(self) -> dict[str, Any]:
        """What is in force."""
        raise _silent()


def _silent() -> PageError:
    return PageError(
        503,
        "agent_silent",
        said("The agent does not answer. It is starting, or has ended: wait a moment."),
    )
