"""An emulated Raspberry Pi: Debian for its processor, and what is compared of a replay on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.debian_roots import Recipe, debian_root

EMULATOR = Recipe(
    name="qemu",
    suite="trixie",  # that of bookworm (7.2) crashes while onnxruntime is imported
    packages=("qemu-user",),
    variant="extract",
)
PYTHONS = {"3.11": "bookworm", "3.13": "trixie"}


def arm64_root(python: str) -> Path:
    return debian_root(
        Recipe(
            name=f"arm64-{python}",
            suite=PYTHONS[python],
            packages=("base-files", "python3", "libstdc++6", "libgomp1"),
            variant="extract",
            architecture="arm64",
        )
    )


def judgement(results: Path) -> list[dict[str, Any]]:
    """The events without what hangs on the bytes of a JPEG, which two processors encode apart."""
    events = [json.loads(line) for line in (results / "events.jsonl").read_text().splitlines()]
    for event in events:
        for picture in event["body"]["pictures"]:
            del picture["sha256"], picture["size_bytes"]
    return events
