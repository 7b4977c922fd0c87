"""The commissioning picture of each camera: what its view was when the technician left it.

Kept in the state folder for nobody else to read: the small grey picture that the view guard measures
against, and a colour picture for people, with heads and plates blotted out in both.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import cv2

from agent.perception.picture_quality import sharpness
from agent.perception.redaction import blotted
from agent.storage.paths import COMMISSIONING
from drivers import pictures
from drivers.disk import replace_file
from wording.known_errors import words_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.domain.scene import Box
    from drivers.cameras import Frame, Picture

DARK, BRIGHT = 20.0, 235.0
"""Mean brightness below and above which a picture tells nothing."""
FLAT_BELOW = 6.0
"""Standard deviation of the Laplacian of the small grey picture; a street in focus has 15 and more."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReferenceImage:
    """A commissioning picture: luma uint8 (h, w), when it was stored (UTC), and the checksum of its file."""

    luma: Picture
    taken_at: datetime
    picture: Path
    sha256: str


def shortcomings(luma: Picture) -> list[str]:
    """Why a picture is not good enough to hold others against; empty if it is."""
    brightness = float(luma.mean())
    if not DARK <= brightness <= BRIGHT:
        return [said("mean brightness {brightness:.0f} of 255", brightness=brightness)]
    if sharpness(luma) < FLAT_BELOW:
        return [said("the picture has no detail")]
    return []


def keep(state_dir: Path, frame: Frame, sensitive: Sequence[Box]) -> ReferenceImage:
    """Store a frame as its camera's commissioning picture; durable when this returns.

    Args:
        state_dir: The device's state.
        frame: With what nobody may see masked.
        sensitive: Heads and plates in it.

    Raises:
        OSError: The disk did not take it.
    """
    folder = state_dir / COMMISSIONING
    colour = blotted(frame.bgr(), sensitive)
    grey = blotted(frame.luma, sensitive)
    _write(folder / f"{frame.camera_id}.jpg", colour)
    _write(folder / f"{frame.camera_id}.png", grey)  # last: this is what counts
    kept = load(state_dir, frame.camera_id)
    if kept is None:
        raise OSError(said("The pictures cannot be written to {path}.", path=folder))
    return kept


def forget(state_dir: Path, camera_id: str) -> bool:
    """Delete a camera's commissioning picture; gives whether there was one.

    Raises:
        OSError: The disk did not take it.
    """
    files = [state_dir / COMMISSIONING / f"{camera_id}{suffix}" for suffix in (".png", ".jpg")]
    there = files[0].exists()
    for file in files:
        file.unlink(missing_ok=True)
    return there


def load(state_dir: Path, camera_id: str) -> ReferenceImage | None:
    """A camera's commissioning picture; None if there is none that can be read."""
    path = state_dir / COMMISSIONING / f"{camera_id}.png"
    try:
        taken_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        luma = pictures.read(path, cv2.IMREAD_GRAYSCALE)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
    except (OSError, pictures.PictureError) as error:
        _log.error("no reference image of camera %s: %s", camera_id, words_of(error))
        return None
    return ReferenceImage(luma, taken_at, path.with_suffix(".jpg"), sha256)


def _write(path: Path, picture: Picture) -> None:
    done, encoded = cv2.imencode(path.suffix, picture)
    if not done:
        raise OSError(said("The pictures cannot be written to {path}.", path=path))
    replace_file(path, encoded.tobytes())
