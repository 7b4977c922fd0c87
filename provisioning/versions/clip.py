"""``python -P -m provisioning.versions.clip FOLDER``: one case of the stored clip, with this version's models.

Run by ``kerbwatch-clip.service`` as the agent's user: what decodes films and runs networks is never root.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from agent import inference
from agent.config.faults import ConfigError
from agent.config.loading import load
from agent.inference.manifest import MANIFEST
from agent.runtime.replay import replay
from agent.storage.errors import StorageError
from drivers.cameras import CameraError
from drivers.disk import replace_file
from wording.messages import said

if TYPE_CHECKING:
    from agent.config.schema import Configuration

_TREE = Path(__file__).parents[2]
_SHARED = Path(sysconfig.get_path("data")) / "share/kerbwatch"
_OWN = _TREE if (_TREE / "examples/street").is_dir() else _SHARED
"""A source tree, or what this version installed."""
STREET, MODELS = _OWN / "examples/street", _OWN / "models"
"""The rendered street, and this version's own models: a site may have others under the same names."""
FROM_S, UNTIL_S = 15.0, 31.0
EXPECTED = {"misparked_bike": 1}
"""A bike stands on the pavement from 16.6 s on, and becomes a case within this part of the clip."""


def fault(models: Path = MODELS) -> str | None:
    """What keeps this version from judging the clip; None: its models are whole, and the case opens.

    Args:
        models: The folder of its models.
    """
    os.environ["KERBWATCH_MODELS"] = str(models)  # before those that the site has
    try:
        for manifest in sorted(models.glob(f"*/{MANIFEST}")):
            inference.read_model(manifest.parent)
        report = replay(_with_one_thread(load(STREET)), base=STREET, from_s=FROM_S, until_s=UNTIL_S)
    except (inference.ModelError, ConfigError, CameraError, StorageError, OSError) as error:
        return str(error)
    if report.opened_by_kind != EXPECTED:
        return said(
            "the stored clip gives {found}, and not {expected}",
            found=_cases(report.opened_by_kind),
            expected=_cases(EXPECTED),
        )
    return None


def _with_one_thread(configuration: Configuration) -> Configuration:
    """The agent runs meanwhile: two threads that wait for each other would spin, and gain nothing."""
    models = configuration.models.model_copy(update={"threads": 1})
    return configuration.model_copy(update={"models": models})


def main(folder: str) -> int:
    """Judge the clip and write what is wrong, if anything is, into ``result.json`` of a folder."""
    os.umask(0o077)
    found = fault()
    replace_file(Path(folder) / "result.json", json.dumps({"fault": found}), durable=False)
    if found is not None:
        print(found, file=sys.stderr)
    return 0 if found is None else 1


def _cases(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(found.items())) or said("no case")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python -m provisioning.versions.clip FOLDER", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
