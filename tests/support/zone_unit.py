"""A unit whose zones are drawn: a real agent at a pretended corner, and the page beside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.support.page_process import PageProcess, run_page
from tests.support.paths import ROOT, STREET
from tests.support.phone import phone_of
from tests.support.running_agent import WatchedCorner
from tests.support.sites import drawn_camera, red_thing
from tests.support.zone_drawing import Drawing

SIZE = {"width": 320, "height": 180, "seconds": 100_000, "frames_per_s": 2}


def street_zones() -> list[dict[str, Any]]:
    """The zones of the example street: two pieces of pavement, a bay, a bin."""
    zones: list[dict[str, Any]] = json.loads((STREET / "zones.json").read_text("utf-8"))["zones"]
    return zones


class ZoneUnit:
    """An agent with two cameras and the zones of the example street, and the page.

    Args:
        folder: Where both keep everything.
        shipped_models: The agent has these, and not the one of the tests, to which everything red is a bike.
        tables: Of the site, where it is another one.
    """

    def __init__(self, folder: Path, *, shipped_models: bool = False, **tables: Any) -> None:
        bike = red_thing(left=0.6, top=0.45, from_s=2)
        told: dict[str, Any] = {
            "cameras": [
                drawn_camera("street", **SIZE, things=[bike]),
                drawn_camera("lane", **SIZE, things=[]),
            ],
            "zones": street_zones(),
            "site": {"responsible_unit": "镜湖区城管执法局", "road_class": "严管街"},
        }
        self.corner = WatchedCorner(folder, **told | tables)
        if shipped_models:
            shutil.rmtree(folder / "models")
            (folder / "models").symlink_to(ROOT / "models")
        self.corner.start()
        self.page: PageProcess = run_page(folder)

    @contextmanager
    def phone(self, browser: Browser, **told: Any) -> Iterator[Drawing]:
        """A phone on the zones' page; all of them are one phone, for who signs in signs the one before out."""
        if not self.page.cookies:
            self.page.sign_in()
        with phone_of(browser, **told) as page:
            self.open_on(page)
            yield Drawing(page)

    def open_on(self, page: Page) -> None:
        """Open the zones' page on a phone, with the session of who has signed in last."""
        page.context.add_cookies(
            [
                {"name": name, "value": value, "url": self.page.url, "secure": True}
                for name, value in self.page.cookies.items()
            ]
        )
        page.goto(f"{self.page.url}/steps/zones")

    def draw_anew(self) -> None:
        """Forget the draft."""
        (self.page.folder / "page" / "draft.json").unlink(missing_ok=True)

    def zones(self) -> list[dict[str, Any]]:
        """The zones that the agent goes by."""
        told: list[dict[str, Any]] = self.page.ask("/api/configuration").json()["zones"]
        return told

    def end(self) -> None:
        self.page.end()
        self.corner.stop()
