"""What ``kerbwatch check`` finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from provisioning.cli import main


def findings(site: Path, environment: dict[str, str], *options: str) -> tuple[int, Any]:
    done = CliRunner(env=environment).invoke(main, ["check", str(site), "--json", *options])
    document = json.loads(done.output)
    assert set(document) == {"passed", "findings"}
    return done.exit_code, document["findings"]


def of(found: list[dict[str, str]], check: str, severity: str) -> str:
    """What one check said at one severity, in one text."""
    chosen = [row for row in found if row["check"] == check and row["severity"] == severity]
    return "\n".join(row["what"] for row in chosen)
