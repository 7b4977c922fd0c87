"""What the page asks of root: leaves a request, and waits for what came of it."""

from __future__ import annotations

import json
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from drivers.disk import replace_file
from provisioning.page.answers import PageError
from wording.messages import said

if TYPE_CHECKING:
    from pathlib import Path

    from provisioning.page.setup import Setup

LOOK_EVERY_S = 0.2


class Root:
    """Root's helper, ``kerbwatch-admin.service``; one request at a time.

    Args:
        setup: Where requests are left, and answers found.
        stopping: Set when the page ends: nothing is waited for any more.
    """

    def __init__(self, setup: Setup, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._folder = setup.run_dir / "admin"
        self._root_dir = setup.root_dir
        self._alone = threading.Lock()

    def ask(self, verb: str, within_s: float = 30.0, **content: str) -> None:
        """Ask for something of the list, and wait until it is done.

        Args:
            verb: Of :data:`provisioning.page.root_verbs.PAGE`.
            within_s: How long to wait.
            content: What the verb takes.

        Raises:
            PageError: Another request is under way, nobody answers, or it failed.
        """
        if not self._alone.acquire(timeout=1.0):
            raise PageError(409, "busy", said("Something else is being done. Wait a moment."))
        try:
            fault = self._wait(self._left(verb, content), within_s)
        finally:
            self._alone.release()
        if fault is None:
            raise PageError(
                503,
                "root_silent",
                said("Nobody carries this out: kerbwatch-admin.path does not run. Report it."),
            )
        if fault:
            raise PageError(502, "root_failed", said("It failed: {reason}", reason=fault))

    def leave(self, verb: str) -> None:
        """Ask for something without waiting for it.

        Raises:
            OSError: The request could not be left.
        """
        self._left(verb, {})

    def told(self, name: str, within_s: float | None = None) -> Any:
        """A JSON file that root has left for the page; None: there is none, or none of these last seconds."""
        path = self._root_dir / name
        try:
            # A clock that was set meanwhile makes it seem old, or of the future: it is asked for again.
            if within_s is not None and not 0 <= time.time() - path.stat().st_mtime <= within_s:
                return None
            return json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None

    def path(self, name: str) -> Path:
        """Where root leaves something for the page."""
        return self._root_dir / name

    def _left(self, verb: str, content: dict[str, str]) -> str:
        request_id = secrets.token_hex(8)
        asked = {"version": 1, "id": request_id, "verb": verb, **content}
        replace_file(self._folder / "request.json", json.dumps(asked), durable=False)
        return request_id

    def _wait(self, request_id: str, within_s: float) -> str | None:
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s and not self._stopping.is_set():
            done = self.told(f"{self._folder.parent.name}/done.json")
            if isinstance(done, dict) and done.get("id") == request_id:
                return str(done.get("fault", ""))
            self._stopping.wait(LOOK_EVERY_S)
        (self._folder / "request.json").unlink(missing_ok=True)
        return None
