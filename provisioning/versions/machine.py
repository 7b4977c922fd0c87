"""systemd, as a trial asks it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from drivers.files.privileges import read_file
from drivers.programs import system
from provisioning.versions.proof import Unit
from wording.harmless import harmless
from wording.messages import said

AGENT, CLIP, PROVE = "kerbwatch.service", "kerbwatch-clip.service", "kerbwatch-prove.service"
BESIDE = ("kerbwatch-page.service",)
"""Other units that run on and on: they go on with the version that the link leads to."""
RESULT = Path("/run/kerbwatch-clip/result.json")
_QUICK_S, _CLIP_S = 60.0, 900.0


class Systemd:
    """The systemd of this machine; where none runs, nothing is started and nothing known."""

    def agent(self) -> Unit:
        """Whether the agent is meant to run, and how often it had to be started again."""
        told = self._asked("show", "--property", "ActiveState,NRestarts", AGENT) or ""
        found = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        restarts = found.get("NRestarts", "")
        return Unit(
            meant=found.get("ActiveState", "inactive") not in {"inactive", "deactivating"},
            restarts=int(restarts) if restarts.isdigit() else 0,
        )

    def restart_agent(self) -> None:
        """Read the units again, and start again what is meant to run."""
        self._asked("daemon-reload")
        self._asked("reset-failed", AGENT)  # its count of restarts is of the version that was left
        if self.agent().meant:
            self._asked("restart", AGENT)
        for unit in BESIDE:
            self._asked("try-restart", unit)

    def clip(self) -> str | None:
        """Run the clip in its own unit, as the agent's user."""
        if self._asked("start", CLIP, limit_s=_CLIP_S) is not None:
            return None
        return _told() or said("the stored clip was not judged to its end")

    def start_proof(self) -> None:
        """Let the unit of the proof begin (again); it is not waited for."""
        self._asked("restart", "--no-block", PROVE)

    def _asked(self, *arguments: str, limit_s: float = _QUICK_S) -> str | None:
        """What systemctl says; None: it failed, or there is none."""
        try:
            done = subprocess.run(
                [system("systemctl"), *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=limit_s,
                env={"LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None


def _told() -> str:
    """What the clip's run said is wrong; it is another user's word."""
    try:
        return harmless(str(json.loads(read_file(RESULT))["fault"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ""
