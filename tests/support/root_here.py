"""What root does for the page, where no systemd runs: takes the page's requests, and answers them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drivers.disk import replace_file
from drivers.files.requests import take
from provisioning.page import acceptance_form
from tests.support.paths import ROOT


class RootHere:
    """A thread that does what ``kerbwatch-admin.service`` has systemd do; for a ``with`` block.

    Check and acceptance form are the real ones. Of the rest it is kept that it was asked for.

    Args:
        folder: The page's.
        prints: Whether a form can be made.
    """

    def __init__(self, folder: Path, *, prints: bool = True) -> None:
        self._folder, self._prints = folder, prints
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _serve(self) -> None:
        request = self._folder / "page-run" / "admin" / "request.json"
        while not self._stop.wait(0.05):
            if request.exists():
                self._answer(take(request, 65_536))

    def _answer(self, told: dict[str, Any]) -> None:
        self.asked.append(told["verb"])
        if told["verb"] == "check":
            self._check()
        fault = ""
        if told["verb"] == "acceptance_form" and not self._prints:
            fault = "kerbwatch: Nothing was printed."
        elif told["verb"] == "acceptance_form":
            root = self._folder / "root"
            replace_file(root / "acceptance.json", json.dumps(told))
            acceptance_form.write(self._folder, root)
        done = {"id": told["id"], "verb": told["verb"], "fault": fault}
        replace_file(self._folder / "root" / "page-run" / "done.json", json.dumps(done))

    def _check(self) -> None:
        checked = subprocess.run(
            [sys.executable, "-P", "-m", "provisioning.cli", "check", "--json", str(self._folder)],
            capture_output=True,
            check=False,
            cwd=ROOT,
        )
        replace_file(self._folder / "root" / "check.json", checked.stdout)
