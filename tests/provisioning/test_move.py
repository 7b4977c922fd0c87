"""Promises of ``kerbwatch move``: nothing of the old place is told of the new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.control.messages.configuration import AskConfiguration
from agent.storage.paths import COMMISSIONING, DATABASE
from provisioning.page.on_device import STATE, forget_draft
from tests.support.command_line import kerbwatch, refused
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.waiting import wait_until

__all__ = ["corner_at"]


@pytest.mark.slow
@pytest.mark.parametrize("keep_zones", [False, True])
def test_cases_pictures_and_zones_of_the_old_place_are_gone_and_the_agent_starts_anew(
    corner_at: Callable[..., WatchedCorner], keep_zones: bool
) -> None:
    corner = corner_at()
    folder = corner.state_dir / COMMISSIONING
    folder.mkdir(parents=True)
    for name in ("street.png", "street.jpg"):
        (folder / name).write_bytes(b"no picture")
    process = corner.start()
    wait_until(lambda: (status := corner.status()) is not None and status.cases)
    assert kerbwatch("move", corner.folder, typed="n\n").exit_code == 1
    words = ["--keep-zones"] if keep_zones else []
    done = kerbwatch("move", corner.folder, "--yes", *words)
    assert done.exit_code == 0, done.output
    assert "Withdrawn cases: 1." in done.output
    assert process.wait(60) == 0
    assert list(folder.iterdir()) == []
    with closing(sqlite3.connect(corner.state_dir / DATABASE)) as database:
        [told] = database.execute(
            "SELECT count(*) FROM outbox WHERE type = 'case.withdrawn' AND event LIKE '%unit_moved%'"
        ).fetchone()
    assert told == 1
    corner.start()
    with corner.asked() as agent:
        zones = agent.ask(AskConfiguration())[0].shown["zones"]
    assert len(zones) == (1 if keep_zones else 0)
    corner.stop()
    assert "no running agent" in refused(kerbwatch("move", corner.folder, "--yes"), 4)


def test_what_was_drawn_on_the_old_street_is_not_offered_on_the_new_one(tmp_path: Path) -> None:
    draft = tmp_path / STATE / "draft.json"
    forget_draft(tmp_path)  # without a page there is none
    draft.parent.mkdir(parents=True)
    draft.write_text("{}")
    forget_draft(tmp_path)
    assert list(draft.parent.iterdir()) == []
