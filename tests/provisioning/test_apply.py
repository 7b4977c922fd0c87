"""Promises of ``kerbwatch apply``: what would change is said, and nothing stays that nobody has confirmed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.command_line import kerbwatch, refused
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.sites import write_site, zone

__all__ = ["corner_at"]

BAY = zone(zone_id="bay", kind="bay", polygon=[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]])


def _with_bay(corner: WatchedCorner) -> dict[str, Any]:
    return corner.tables | {"zones": [*corner.tables["zones"], BAY]}


def _findings(corner: WatchedCorner, code: str) -> list[dict[str, Any]]:
    told = json.loads(kerbwatch("check", corner.folder, "--json").stdout)
    return [each for each in told["findings"] if each["code"] == code]


@pytest.mark.slow
def test_what_would_change_is_shown_and_asked_for_and_kept_once_it_is_confirmed(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    corner.start()
    assert "in force already" in kerbwatch("apply", corner.folder).output
    write_site(corner.folder, _with_bay(corner))
    no = kerbwatch("apply", corner.folder, typed="n\n")
    assert no.exit_code == 1
    assert "new: zone bay" in no.output
    assert "on trial" not in no.output
    tried = kerbwatch("apply", corner.folder, "--yes")
    assert tried.exit_code == 0, tried.output
    assert "Configuration 2 is on trial" in tried.output
    [trial] = _findings(corner, "configuration_on_trial")
    assert trial["severity"] == "warning"
    assert not _findings(corner, "agent_configuration")
    write_site(corner.folder, corner.tables)
    assert "is on trial: confirm it" in refused(kerbwatch("apply", corner.folder, "--yes"), 1)
    write_site(corner.folder, _with_bay(corner))
    back = kerbwatch("apply", corner.folder, "--revert")
    assert back.exit_code == 0, back.output
    assert not _findings(corner, "configuration_on_trial")
    kept = kerbwatch("apply", corner.folder, typed="y\ny\n")
    assert kept.exit_code == 0, kept.output
    assert "Configuration 3 is in force." in kept.output
    [finding] = _findings(corner, "configuration_applied")
    assert finding["severity"] == "ok"
    assert "no configuration is on trial" in refused(
        kerbwatch("apply", corner.folder, "--confirm"), 1
    )


@pytest.mark.slow
def test_the_check_says_where_the_files_are_not_what_is_in_force(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    corner.start()
    write_site(corner.folder, _with_bay(corner))
    assert kerbwatch("apply", corner.folder, typed="y\nn\n").exit_code == 0
    [finding] = _findings(
        corner, "configuration_applied"
    )  # the old one holds over the edited files
    assert finding["severity"] == "note"
    assert "zones.bay.kind" in finding["what"]
    corner.stop()
    corner.start()
    [finding] = _findings(corner, "configuration_applied")
    assert finding["severity"] == "note"


@pytest.mark.slow
def test_what_takes_a_restart_is_waited_for(corner_at: Callable[..., WatchedCorner]) -> None:
    corner = corner_at()
    process = corner.start()
    write_site(corner.folder, corner.tables | {"cooling": {"from_c": 61}})

    def restarted() -> None:
        process.wait(60)
        corner.start()

    systemd = threading.Thread(target=restarted)
    systemd.start()
    done = kerbwatch("apply", corner.folder, typed="y\ny\n")
    systemd.join(60)
    assert done.exit_code == 0, done.output
    assert "the agent restarts for: cooling" in done.output
    assert "Configuration 2 is in force." in done.output


def test_no_agent_and_wrong_files_are_said(corner_at: Callable[..., WatchedCorner]) -> None:
    corner = corner_at()
    assert "no running agent" in refused(kerbwatch("apply", corner.folder), 4)
    write_site(corner.folder, corner.tables | {"zones": [zone(kind="lawn"), zone(kind="field")]})
    told = refused(kerbwatch("apply", corner.folder), 3)
    assert "zones.0.kind" in told
    assert "zones.1.kind" in told
    assert (
        "--confirm or --revert" in kerbwatch("apply", corner.folder, "--confirm", "--revert").output
    )
