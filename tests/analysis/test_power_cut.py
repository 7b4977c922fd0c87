"""Where the power goes around the opening of a case, there is one case afterwards."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.storage.paths import DATABASE
from agent.storage.state_table import ANALYSIS_SNAPSHOT, save_state
from tests.support.assembled_site import camera_of, events_of, parts_of
from tests.support.crossing import camera, crossing

pytestmark = pytest.mark.usefixtures("red_model")
SITE = crossing(camera("east", (2, 60), seconds=40), places=("gate",))


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Path]:
    """What a power cut leaves of a state folder: by the moment at which it came."""
    state, source = tmp_path / "state", camera_of(SITE)
    found: dict[str, Path] = {}
    with closing(parts_of(SITE, state)) as parts:
        while "three seconds after" not in found:
            frame = source.read()
            assert frame is not None
            if frame.monotonic_s == 4:
                parts.analysis.rest()
            if frame.monotonic_s >= 5 and not found:
                before = copied(state, tmp_path / "before")
            if any(change.type == "case.opened" for change in parts.analysis.take(frame)):
                opened_s = frame.monotonic_s
                found["just before"] = before.rename(tmp_path / "just before")
                found["just after"] = copied(state, tmp_path / "just after")
            elif found and frame.monotonic_s >= opened_s + 3:
                parts.analysis.rest()
                found["three seconds after"] = copied(state, tmp_path / "three seconds after")
    return found


def copied(state: Path, to: Path) -> Path:
    """The state folder as the disk has it in this instant, with the journal."""
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(state, to))


def snapshot(image: Path) -> str:
    with closing(sqlite3.connect(image / DATABASE)) as connection:
        query = "SELECT value FROM state WHERE name = ?"
        return str(connection.execute(query, (f"{ANALYSIS_SNAPSHOT}east",)).fetchone()[0])


def cases_after(image: Path, boot_id: str) -> tuple[int, int]:
    """How many cases are open, and how many were told of, once the thing was seen for another while."""
    source = camera_of(SITE)
    with closing(parts_of(SITE, image, boot_id=boot_id)) as parts:
        while (frame := source.read()) is not None:
            if 3 <= frame.monotonic_s < 12:  # it stands there all the time
                parts.analysis.take(frame)
        opened = [each["body"]["case_id"] for each in events_of(parts)]
        return len(parts.analysis.cases.open), len(set(opened))


@pytest.mark.parametrize("boot_id", ["boot", "another"])
@pytest.mark.parametrize("moment", ["just before", "just after", "three seconds after"])
def test_a_thing_that_stands_there_all_the_time_is_one_case(
    images: dict[str, Path], moment: str, boot_id: str
) -> None:
    assert cases_after(images[moment], boot_id) == (1, 1)


@pytest.mark.parametrize("boot_id", ["boot", "another"])
def test_an_older_snapshot_beside_a_newer_case_opens_no_second_one(
    images: dict[str, Path], boot_id: str
) -> None:
    newer, older = images["three seconds after"], snapshot(images["just before"])
    with closing(sqlite3.connect(newer / DATABASE)) as connection, connection:
        save_state(connection, f"{ANALYSIS_SNAPSHOT}east", older)
    assert cases_after(newer, boot_id) == (1, 1)
