"""A phone in Chromium: fingers that touch, hold, drag and pinch a picture, at places given as shares of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

Place = tuple[float, float]
SIZE = {"width": 390, "height": 844}
expect.set_options(timeout=30_000)  # a busy machine is slow, not wrong


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of one process; each test has a context of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextmanager
def phone_of(browser: Browser, *, language: str = "en", **told: Any) -> Iterator[Page]:
    """A page of a phone of its own: with touch, small, and without a certificate that anybody vouches for."""
    settings: dict[str, Any] = {"viewport": SIZE, "has_touch": True, "is_mobile": True}
    context = browser.new_context(
        **settings | {"locale": language, "ignore_https_errors": True} | told
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert not broken, broken


class Fingers:
    """Touches a picture by the browser's own events (Input.dispatchTouchEvent).

    Args:
        page: The phone.
        picture: The picture's selector; places are shares of its box.
    """

    def __init__(self, page: Page, picture: str) -> None:
        self._page, self._picture = page, page.locator(picture)
        self._line: CDPSession = page.context.new_cdp_session(page)

    def at(self, place: Place) -> dict[str, float]:
        """Where a place of the picture is on the screen, in pixels."""
        box = self._picture.bounding_box()
        assert box is not None
        return {"x": box["x"] + place[0] * box["width"], "y": box["y"] + place[1] * box["height"]}

    def _send(self, kind: str, points: Sequence[dict[str, float]]) -> None:
        numbered = [{**point, "id": number} for number, point in enumerate(points)]
        self._line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": numbered})

    def down(self, *places: Place) -> None:
        """Put fingers down, the first one first."""
        points = [self.at(place) for place in places]
        for count in range(1, len(points) + 1):
            self._send("touchStart", points[:count])

    def move(self, *places: Place) -> None:
        """Move the fingers that are down."""
        self._send("touchMove", [self.at(place) for place in places])

    def move_by(self, place: Place, dx: float, dy: float) -> None:
        """Move one finger to so many pixels beside a place."""
        point = self.at(place)
        self._send("touchMove", [{"x": point["x"] + dx, "y": point["y"] + dy}])

    def up(self) -> None:
        """Take all fingers away."""
        self._send("touchEnd", [])

    def tap(self, place: Place) -> None:
        """Touch and let go."""
        self.down(place)
        self.up()

    def drag(self, begin: Place, end: Place) -> None:
        """Drag with one finger, in steps."""
        self.down(begin)
        for step in range(1, 6):
            share = step / 5
            self.move(
                (begin[0] + share * (end[0] - begin[0]), begin[1] + share * (end[1] - begin[1]))
            )
        self.up()

    def spread(self, place: Place, *, begin_px: float = 40, end_px: float = 160) -> None:
        """Pinch two fingers apart around a place (or together)."""
        point = self.at(place)

        def pair(far: float) -> list[dict[str, float]]:
            return [{"x": point["x"] + sign * far / 2, "y": point["y"]} for sign in (-1, 1)]

        self._send("touchStart", pair(begin_px)[:1])
        self._send("touchStart", pair(begin_px))
        for step in range(1, 6):
            self._send("touchMove", pair(begin_px + step / 5 * (end_px - begin_px)))
        self._send("touchEnd", pair(end_px)[:1])
        self._send("touchEnd", [])
