"""Commissioning pictures of the running agent: nobody is in them, and they hold at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from agent.analysis import reference_image
from agent.analysis.reference_image import ReferenceImage
from agent.control.commissioning import Commissioning, Looked
from agent.control.errors import RefusedError
from agent.control.messages.service import AskCommission
from agent.control.verbs import Caller
from agent.domain.scene import Box, Detection
from drivers.cameras import Frame
from drivers.disk import make_folder
from tests.support.command_line import kerbwatch
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.waiting import wait_until

__all__ = ["corner_at"]
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
ROOT_USER = Caller(0, "root", "technician")
AT_THE_KERB = Box(0.4, 0.4, 0.5, 0.8)


@dataclass
class Street:
    """What a camera shows, and what is seen in it."""

    folder: Path
    seen: list[Detection] = field(default_factory=list)
    silent: bool = False
    dark: bool = False
    held: list[ReferenceImage] = field(default_factory=list)

    def look(self, camera_id: str) -> Looked | None:
        if self.silent:
            return None
        luma = np.random.default_rng(3).integers(60, 200, (180, 320), dtype=np.uint8)
        luma = luma // 20 if self.dark else luma
        frame = Frame(camera_id, 7, luma, lambda: luma[..., None].repeat(3, 2), 1.0, NOON)
        return Looked(frame, self.seen)

    @property
    def commissioning(self) -> Commissioning:
        return Commissioning(
            self.folder,
            lambda: ("street",),
            self.look,
            lambda _, kept: self.held.append(kept),
        )


@pytest.fixture
def street(tmp_path: Path) -> Street:
    make_folder(tmp_path / "commissioning")
    return Street(tmp_path)


@pytest.mark.parametrize("label", ["person", "car"])
def test_a_picture_with_people_or_vehicles_in_it_is_not_taken_unless_it_is_wanted(
    street: Street, label: str
) -> None:
    street.seen = [Detection(label, 0.8, AT_THE_KERB), Detection("bicycle", 0.9, AT_THE_KERB)]
    refused = street.commissioning.take(AskCommission(camera_id="street"), ROOT_USER)
    assert not refused.stored
    assert sum(refused.found.values()) == 1, "a bicycle stands for itself"
    assert reference_image.load(street.folder, "street") is None
    wanted = AskCommission(camera_id="street", anyway=True)
    taken = street.commissioning.take(wanted, ROOT_USER)
    assert taken.stored
    assert taken.found == refused.found, "it is said what is in it all the same"


def test_an_empty_street_is_taken_and_held_against_at_once(street: Street) -> None:
    street.seen = [Detection("person", 0.1, AT_THE_KERB)]  # as foliage is taken for at any time
    taken = street.commissioning.take(AskCommission(camera_id="street"), ROOT_USER)
    kept = reference_image.load(street.folder, "street")
    assert kept is not None
    assert (taken.stored, taken.sha256, taken.taken_at) == (True, kept.sha256, NOON)
    assert [each.sha256 for each in street.held] == [kept.sha256]


def test_a_dark_picture_a_silent_camera_and_a_camera_that_is_not_there_are_refused(
    street: Street,
) -> None:
    street.dark = True
    dark = street.commissioning.take(AskCommission(camera_id="street"), ROOT_USER)
    assert dark.because is not None
    assert "brightness" in dark.because.text
    street.dark = False
    street.silent = True
    with pytest.raises(RefusedError, match="gives no frame"):
        street.commissioning.take(AskCommission(camera_id="street"), ROOT_USER)
    with pytest.raises(RefusedError, match="there are: street"):
        street.commissioning.take(AskCommission(camera_id="attic"), ROOT_USER)


@pytest.mark.slow
def test_the_running_agent_takes_it_and_goes_by_it_without_a_restart(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    agent = corner.start()
    status = corner.status()
    assert status is not None
    view = status.cameras["street"].view
    assert view is not None
    assert not view.commissioned
    done = kerbwatch("commission", corner.folder, language="en")
    assert done.exit_code == 0, done.output
    assert "reference image stored" in done.output

    def is_held_against() -> bool:
        now = corner.status()
        assert now is not None
        view = now.cameras["street"].view
        return view is not None and view.commissioned

    wait_until(is_held_against)
    assert agent.poll() is None
    assert reference_image.load(corner.state_dir, "street") is not None
