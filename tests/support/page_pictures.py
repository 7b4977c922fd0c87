"""The pictures of the documents: the drawn example street, with what the agent sees on it.

    python -m tests.support.page_pictures

writes ``docs/street.jpg`` (the moment at which the vending case opens, as
``kerbwatch replay examples/street --show DIR --until 40`` draws it) and ``docs/zones.jpg`` (the site's
zones on the first frame). Nobody real is in them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
from click.testing import CliRunner

from agent.config.loading import load
from provisioning.cli import main
from provisioning.rendering import drawing
from tests.support.paths import DOCS, STREET

STREET_PICTURE, ZONES_PICTURE = DOCS / "street.jpg", DOCS / "zones.jpg"
MAX_BYTES = 200_000
_QUALITY = 78
_COLOURS = {
    "no_parking": drawing.YELLOW,
    "no_vending": drawing.RED,
    "bay": drawing.GREEN,
    "bin": drawing.CYAN,
}
"""Zones overlap on the example street; one colour for all would hide which edge is whose."""


def street() -> Any:
    """What a replay draws when the stall has stood for too long: uint8 (720, 1280, 3)."""
    with tempfile.TemporaryDirectory() as folder:
        ran = CliRunner().invoke(main, ["replay", str(STREET), "--show", folder, "--until", "40"])
        assert ran.exit_code == 0, ran.output
        [drawn] = Path(folder).glob("*-opened-street_vending.jpg")
        picture = cv2.imread(str(drawn))
    assert picture is not None
    return picture


def zones() -> Any:
    """The example's zones on the first frame of its clip, vertex by vertex: uint8 (720, 1280, 3)."""
    film = cv2.VideoCapture(str(STREET / "clip.mp4"))
    there, picture = film.read()
    film.release()
    assert there
    height, width = picture.shape[:2]
    for zone in load(STREET).zones:
        colour = _COLOURS[zone.kind]
        drawing.outline(picture, zone.polygon, colour)
        for x, y in zone.polygon:
            cv2.circle(picture, (round(x * width), round(y * height)), 6, colour, -1)
    for zone in load(STREET).zones:
        xs, ys = zip(*zone.polygon, strict=True)
        inside = (int(min(xs) * width) + 12, int(max(ys) * height) - 12)
        drawing.write(picture, zone.kind, inside, _COLOURS[zone.kind])
    return picture


def save(path: Path, picture: Any) -> None:
    """Write a JPEG small enough for a page."""
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done
    assert encoded.nbytes <= MAX_BYTES, f"{path.name}: {encoded.nbytes} bytes"
    path.write_bytes(encoded.tobytes())


def rewrite() -> int:
    """Draw both again."""
    save(STREET_PICTURE, street())
    save(ZONES_PICTURE, zones())
    return 0


if __name__ == "__main__":
    sys.exit(rewrite())
