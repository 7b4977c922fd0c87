"""Somebody who draws zones on the page, by finger or by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.support.phone import Fingers

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.support.phone import Place


class Drawing:
    """The zones' page on a phone.

    Args:
        page: The phone, on the page.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.fingers = Fingers(page, "#stage img.picture")
        self.ready()

    def ready(self) -> None:
        """Wait until the page has the unit's zones and its draft."""
        expect(self.page.locator("#zones-page[data-ready]")).to_be_attached()
        expect(self.page.locator("#stage img.picture[src]")).to_be_visible()

    def load_again(self) -> None:
        """As after a call that came in between."""
        self.page.reload()
        self.ready()

    def draft(self) -> list[dict[str, Any]]:
        """What the unit keeps of it, once it does."""
        expect(self.page.locator("#draft-state")).to_have_attribute("data-state", "saved")
        zones: list[dict[str, Any]] = self.page.evaluate(
            "async () => (await (await fetch('/api/draft')).json()).zones"
        )
        return zones

    def zone(self, zone_id: str) -> dict[str, Any]:
        """One zone of the draft."""
        [found] = [zone for zone in self.draft() if zone["zone_id"] == zone_id]
        return found

    def press(self, action: str) -> None:
        """Press the button of that name."""
        self.page.locator(f"[data-action='{action}']").click()

    def choose(self, zone_id: str) -> None:
        """Choose a zone from the list."""
        self.page.locator(f".zone-row[data-zone='{zone_id}']").click()

    def begin(self, kind: str, shape: str) -> None:
        """Begin a zone of a kind."""
        self.press("add-zone")
        self.page.locator(f"[data-kind='{kind}']").click()
        self.page.locator(f"[data-shape='{shape}']").click()

    def outline(self, kind: str, corners: list[Place]) -> None:
        """Draw a zone corner by corner and close it by its first one."""
        self.begin(kind, "free")
        for corner in corners:
            self.fingers.tap(corner)
        self.fingers.tap(corners[0])
        expect(self.handle(0)).to_be_visible()

    def handle(self, corner: int) -> Locator:
        """The handle of a corner of the selected zone."""
        return self.page.locator(f".handle[data-corner='{corner}']")

    @property
    def corners(self) -> Locator:
        """The handles of all of its corners."""
        return self.page.locator(".handle[data-corner]")

    @property
    def says(self) -> Locator:
        """What the page says of what was just done, or of what is wrong."""
        return self.page.locator("#says")
