"""The pictures of docs/drawing-zones.md: the page on a phone, in Chinese, with the drawn example street.

    python -m tests.support.zone_pictures

writes them. A real agent looks at the example's clip; nobody real is in it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import expect, sync_playwright

from tests.support.paths import DOCS, STREET
from tests.support.zone_drawing import Drawing
from tests.support.zone_unit import ZoneUnit

MAX_BYTES = 60_000
_QUALITIES = (80, 70, 60, 50, 40)


def below_head(drawing: Drawing) -> None:
    """Scroll to the tools."""
    drawing.page.evaluate("() => scrollTo(0, document.querySelector('header').offsetHeight)")


def edit(drawing: Drawing) -> None:
    """A zone that is selected, with its names."""
    drawing.choose("pavement")
    drawing.page.locator("[name='name-zh']").fill("面包店门前")
    drawing.fingers.tap((0.3274, 0.7442))
    drawing.draft()


def crossing(drawing: Drawing) -> None:
    """A corner that is dragged over its opposite edge, under the lens."""
    drawing.choose("bin-1")
    below_head(drawing)
    drawing.fingers.down((0.3565, 0.2394))
    drawing.fingers.move((0.62, 0.42))
    expect(drawing.page.locator(".wrong-edge").first).to_be_attached()


def trial(drawing: Drawing) -> None:
    """Zones on trial."""
    drawing.choose("bin-1")
    drawing.press("insert-corner")
    drawing.press("done")
    drawing.press("to-dry-run")
    drawing.press("to-apply")
    drawing.press("apply")
    expect(drawing.page.locator("#countdown")).to_be_visible()


PICTURES: dict[str, Callable[[Drawing], None]] = {
    "drawing-zones-edit.jpg": edit,
    "drawing-zones-crossing.jpg": crossing,
    "drawing-zones-trial.jpg": trial,
}


def taken(drawing: Drawing) -> bytes:
    """The page below its head as a JPEG, as small as it has to be."""
    below_head(drawing)
    shot = cv2.imdecode(np.frombuffer(drawing.page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert shot is not None, "the browser's own PNG"
    for quality in _QUALITIES:
        jpeg = cv2.imencode(".jpg", shot, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(jpeg) <= MAX_BYTES:
            return jpeg
    raise AssertionError(f"{len(jpeg)} bytes")


def main() -> int:
    """Write all of them."""
    clip = {"path": str(STREET / "clip.mp4"), "loop": True, "pace": "real_time", "frames_per_s": 2}
    camera = {"camera_id": "street", "driver": "video_file", "settings": clip}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        unit = ZoneUnit(Path(folder), shipped_models=True, cameras=[camera])
        try:
            for name, draw in PICTURES.items():
                unit.draw_anew()
                size = {"width": 390, "height": 720}
                told = {"language": "zh-CN", "viewport": size, "device_scale_factor": 1.25}
                with unit.phone(browser, **told) as drawing:
                    draw(drawing)
                    (DOCS / name).write_bytes(taken(drawing))
        finally:
            unit.end()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
