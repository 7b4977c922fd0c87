"""What a camera's frame does wrong costs the frame, then the camera, never the process.

A fault of the disk, of memory or of the system is nobody's frame's, and passes through.
"""

from __future__ import annotations

import traceback
from collections import Counter
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING

from drivers.cameras import CameraError
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_IN_A_ROW = 5
"""Number of failed frames in a row after which the camera is to blame."""
_PLACES = 3


class FrameError(CameraError):
    """A frame could not be judged. What was known before it is as it was.

    Attributes:
        in_a_row: How many of the camera's last frames could not be, this one included.
        blames_camera: Whether that is enough to open the camera anew.
        blames_memory: Whether opening it anew has not helped: then what is known of its street may
            be what is wrong.
    """

    def __init__(self, camera_id: str, error: Exception, in_a_row: int) -> None:
        super().__init__(
            camera_id, said("a frame cannot be judged: {fault}", fault=fault_of(error))
        )
        self.in_a_row = in_a_row

    @property
    def blames_camera(self) -> bool:
        return self.in_a_row % MAX_IN_A_ROW == 0

    @property
    def blames_memory(self) -> bool:
        return self.in_a_row % (2 * MAX_IN_A_ROW) == 0


class FaultyFrames:
    """Counts, camera by camera, how many frames in a row could not be judged.

    Args:
        camera_ids: All cameras of the device.
    """

    def __init__(self, camera_ids: Iterable[str]) -> None:
        self._camera_ids = frozenset(camera_ids)
        self._in_a_row: Counter[str] = Counter()

    @contextmanager
    def judging(self, camera_id: str) -> Iterator[None]:
        """Judge one frame inside.

        Raises:
            FrameError: It is the camera's fault.
            Exception: It is not, or cannot be: every one of several cameras has it.
        """
        try:
            yield
        except CameraError as error:
            raise self._blamed(camera_id, error) from error
        except (OSError, MemoryError):
            raise
        except Exception as error:
            blamed = self._blamed(camera_id, error)
            if self._is_everybodys():
                raise
            raise blamed from error
        else:
            self._in_a_row.pop(camera_id, None)

    def _blamed(self, camera_id: str, error: Exception) -> FrameError:
        self._in_a_row[camera_id] += 1
        return FrameError(camera_id, error, self._in_a_row[camera_id])

    def _is_everybodys(self) -> bool:
        return len(self._camera_ids) > 1 and all(
            self._in_a_row[camera_id] >= MAX_IN_A_ROW for camera_id in self._camera_ids
        )


def fault_of(error: Exception) -> str:
    """An unexpected error by its type and the places in the code that it came through.

    Its own text is left out: a library may have put an address with a password into it.
    """
    if isinstance(error, CameraError):
        return error.reason
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    places = [f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames]
    return said("{kind} at {places}", kind=type(error).__name__, places=places)
