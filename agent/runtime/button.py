"""What a short press of the button inside asks of root: the page at the pole, for a time.

Root's part is ``kerbwatch-admin.service``: it notes the press, which signing in wants to see, and starts the page.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from drivers.disk import replace_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = "admin"
"""The folder of such requests in ``storage.run_dir``."""

_log = logging.getLogger(__name__)


def ask_for_page(run_dir: Path) -> None:
    """Leave the request; a disk that does not take it keeps nobody from pressing again."""
    folder = run_dir / REQUESTS
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        asked = {"version": 1, "verb": "page_on"}
        replace_file(folder / "request.json", json.dumps(asked), durable=False)
    except OSError as error:
        _log.warning("the page was not asked for: %s", words_of(error))
