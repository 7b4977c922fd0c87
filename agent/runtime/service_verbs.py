"""The verbs of a technician's last steps at the pole: test case, commissioning, acceptance, a sign of the light."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.control.messages.service import AskTestCase, AskTestCaseState
from agent.control.tear_off import Link, TearOffTests
from agent.control.verbs import verb

if TYPE_CHECKING:
    from agent.control.verbs import Verb
    from agent.runtime.local_verbs import Running


def service_verbs(running: Running) -> tuple[Verb, ...]:
    """Those of this run."""
    tear_off = _tear_off_tests(running)
    return (
        verb(AskTestCase, tear_off.start, changes=True),
        verb(AskTestCaseState, tear_off.state),
    )


def _tear_off_tests(running: Running) -> TearOffTests:
    uplink, parts = running.uplink, running.parts

    def link() -> Link:
        assert uplink is not None
        figures = uplink.figures
        connected = figures.connected_since is not None
        return Link(connected, figures.last_error, figures.last_error_at)

    return TearOffTests(
        lambda: parts.configuration,
        parts.models,
        parts.database,
        parts.outbox,
        running.clock,
        running.ids,
        running.followed,
        None if uplink is None else link,
    )
