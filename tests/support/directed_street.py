"""A street that a test directs: its thing comes and goes when the test says so, never by the time.

To the agent it is a network camera over HTTP. What stands there is red, which the model of ``red_bike_model`` calls
a bicycle.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drivers.cameras.synthetic import Settings, open_camera
from tests.support.network_camera import Manner, NetworkCamera

if TYPE_CHECKING:
    from collections.abc import Iterator

THING: dict[str, Any] = {
    "colour": "#dc1414",
    "left": 0.45,
    "top": 0.4,
    "width": 0.15,
    "height": 0.27,
}


class DirectedStreet:
    """What a camera shows, and how it stands in ``site.toml``."""

    def __init__(self, camera: NetworkCamera, pictures: dict[bool, bytes]) -> None:
        self._camera, self._pictures = camera, pictures
        self.shows_thing(there=False)

    @property
    def section(self) -> str:
        """The camera ``street``. Each picture is the same to the last bit, which is no fault here."""
        return f"""
[[cameras]]
camera_id = "street"
driver = "rtsp"
settings = {{ url = "http://127.0.0.1:{self._camera.port}/video" }}

[view_guard]
off = ["frozen"]
"""

    def shows_thing(self, *, there: bool) -> None:
        """From now on the thing stands there, or does not."""
        self._camera.manner.jpeg = self._pictures[there]


@contextmanager
def directed_street() -> Iterator[DirectedStreet]:
    """A street on which nothing stands yet."""
    pictures = {}
    for there in (False, True):
        drawn = open_camera(
            "street", Settings.model_validate({"things": [THING] if there else []})
        ).read()
        assert drawn is not None
        _, jpeg = cv2.imencode(".jpg", np.asarray(drawn.bgr()))
        pictures[there] = jpeg.tobytes()
    with NetworkCamera(Manner(jpeg=pictures[False])) as camera:
        yield DirectedStreet(camera, pictures)
