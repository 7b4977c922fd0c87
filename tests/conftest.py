"""What holds for every test."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, settings

from tests.support.agent_process import start_agent
from tests.support.broker import broker, mosquitto, start_broker
from tests.support.phone import chromium
from tests.support.red_bike_model import red_model

# Tests read English, whatever the machine speaks; those of other languages ask for them.
os.environ["KERBWATCH_LANGUAGE"] = "en"

# Time decides no test: a busy machine is slow, not wrong. Nor does chance: the same tree gives the same answer.
# Other examples each time: pytest --hypothesis-profile=explore
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", _patient)
settings.register_profile("kerbwatch", _patient, derandomize=True)
settings.load_profile("kerbwatch")

_USER = os.geteuid()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that take long: of two workers none is left with one of them at the end."""
    markers = [line.split(":", 1) for line in config.getini("markers")]
    suites = {name for name, told in markers if told.strip().startswith("a suite;")}
    weights: defaultdict[object, int] = defaultdict(int)
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if len(marks & suites) > 1:
            raise pytest.UsageError(
                f"{item.nodeid} is in more than one suite: a run of both has it twice"
            )
        weights[item.path] += 20 * len(marks & suites) + ("slow" in marks)
    items.sort(key=lambda item: -weights[item.path])


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Root's commands give their rights away: where they would, a test runs them in a process of its own."""
    assert os.geteuid() == _USER, f"{item.nodeid} has given this process's rights away"


# One definition: a second session fixture of Playwright in the same process would not start.
__all__ = ["broker", "chromium", "mosquitto", "red_model", "start_agent", "start_broker"]
