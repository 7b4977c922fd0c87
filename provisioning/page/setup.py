"""Where the page keeps what, and by which addresses it is reached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

POINT_ADDRESS = "10.73.84.1"
"""Of the unit on its own access point."""
CABLE_ADDRESS = "10.73.85.1"
"""Of the unit at the end of a technician's cable."""
ADDRESSES = (POINT_ADDRESS, CABLE_ADDRESS)


@dataclass(frozen=True, slots=True)
class Setup:
    """One unit's page.

    Attributes:
        state_dir: What outlives a reboot: the code's hash, failures, the visit, the draft, the certificate.
        run_dir: What does not: the session, requests to root (``admin/``).
        agent_run_dir: The agent's ``storage.run_dir``: it is met beside it.
        root_dir: What root tells the page: presses of the button, how long the page stays on.
        seeded: The stamp that a prepared card leaves; where there is none, it was not prepared.
        hosts: What may stand in ``Host``: the page's own addresses, with a port where it is not 443.
    """

    state_dir: Path
    run_dir: Path
    agent_run_dir: Path
    root_dir: Path
    seeded: Path = Path("/var/lib/kerbwatch-firstboot/seeded.json")
    hosts: tuple[str, ...] = ADDRESSES

    @property
    def origins(self) -> tuple[str, ...]:
        """What may stand in ``Origin``."""
        return tuple(f"https://{host}" for host in self.hosts)
