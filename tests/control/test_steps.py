"""What the light says of the steps of installing, and that a device shows itself when it is asked to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config.loading import from_tables
from agent.control.messages.service import AskTestCase
from agent.control.tear_off import TOLD_S, WAITS_S, TearOffTests
from agent.control.verbs import Caller
from agent.delivery.followed_events import FollowedEvents
from agent.domain.ids import RandomIds
from agent.storage.case_notes import note_ticket
from tests.support.command_line import kerbwatch, refused
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.sites import site_of, zone
from tests.support.state_folder import StateFolder

__all__ = ["corner_at"]
TECHNICIAN = Caller(0, "root", "technician")


def test_a_number_that_is_waited_for_and_one_that_came_are_shown_for_a_while(
    tmp_path: Path,
) -> None:
    state = StateFolder(tmp_path)
    configuration = from_tables(site_of(scenarios={"misparked_bikes": {}}, zones=[zone()]))
    followed = FollowedEvents(state.clock)
    tests = TearOffTests(
        *(lambda: configuration, (), state.database, state.outbox, state.clock, RandomIds()),
        *(followed, None),
    )
    assert tests.phase() is None
    made = tests.start(AskTestCase(), TECHNICIAN)
    assert tests.phase() == "testing"
    state.database.write(
        lambda connection: note_ticket(connection, made.case_id, "TEST-1")
    ).result()
    assert tests.phase() == "tested"
    state.clock.advance(TOLD_S + 1)
    assert tests.phase() is None
    tests.start(AskTestCase(), TECHNICIAN)
    state.clock.advance(WAITS_S + 1)
    assert tests.phase() is None, "nobody waits for ever"
    state.database.close()


@pytest.mark.slow
def test_a_device_shows_itself_if_it_has_a_light(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    dark, lit = corner_at(), corner_at(gpio={"factory": "mock", "led": 17})
    dark.start()
    assert "no light" in refused(kerbwatch("identify", dark.folder, language="en"), 1)
    lit.start()
    done = kerbwatch("identify", lit.folder, "--seconds", "5", language="en")
    assert done.exit_code == 0, done.output
    assert "for 5 s" in done.output
