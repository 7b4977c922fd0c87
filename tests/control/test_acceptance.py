"""The acceptance: what was checked decides, the device's key signs it, the first night completes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from agent.analysis import reference_image
from agent.config.loading import from_tables
from agent.control.acceptance import Acceptance, Device
from agent.control.acceptance_folder import AcceptanceFolder
from agent.control.errors import RefusedError
from agent.control.first_night import NEEDED_MIN, FirstNight, Sample
from agent.control.messages.configuration import AskApply, AskConfiguration, AskConfirm
from agent.control.messages.service import (
    AskAcceptance,
    AskCommission,
    CheckRow,
    RecordAcceptance,
    State,
    TearOffReply,
)
from agent.control.verbs import Caller
from agent.domain.ids import RandomIds
from agent.identity.jws import verified
from agent.identity.signing_key import Signer
from drivers.cameras import Frame
from drivers.disk import make_folder
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.sites import site_of, zone
from tests.support.state_folder import StateFolder
from tests.support.waiting import wait_until

__all__ = ["corner_at"]
TECHNICIAN = Caller(0, "root", "technician")
ZONE = ZoneInfo("Asia/Shanghai")
GOOD = Sample(good=True, brightness=60.0, profile="night", has_profiles=True)
WELL = (CheckRow(code="disk_space", state="passed"),)
WALKED: dict[str, State] = {"kerb": "passed"}


class Post:
    """A device that is being accepted, whose clock a test moves."""

    def __init__(self, folder: Path) -> None:
        self.state = StateFolder(folder)
        self.samples = {"street": GOOD}
        self.signer = Signer(folder / "keys")
        self.cases: dict[str, TearOffReply] = {}
        site = site_of(scenarios={"misparked_bikes": {}}, zones=[zone()])
        self.configuration = from_tables(site)
        self.begin()

    def begin(self) -> None:
        """Start the agent's part, as after a restart."""
        device = Device(
            lambda: self.configuration,
            "0.2.0",
            self.state.folder,
            self.state.database,
            self.state.outbox,
            self.signer,
            self.state.clock,
            RandomIds(),
            ZONE,
        )
        self.acceptance = Acceptance(device, self._case, lambda: self.samples)

    def _case(self, case_id: str) -> TearOffReply:
        if case_id not in self.cases:
            raise RefusedError("not_found", "there is no such test case")
        return self.cases[case_id]

    def tested(self, **steps: Any) -> str:
        """A test case that came so far; gives its id."""
        at = self.state.clock.now()
        self.cases["case-1"] = TearOffReply(
            case_id="case-1",
            kind="misparked_bike",
            zone_id="kerb",
            stored_at=at,
            connected=True,
            with_receipts=True,
            **steps,
        )
        return "case-1"

    def commission(self) -> None:
        make_folder(self.state.folder / "commissioning")
        luma = np.random.default_rng(3).integers(60, 200, (180, 320), dtype=np.uint8)
        colour = luma[..., None].repeat(3, 2)
        frame = Frame("street", 0, luma, lambda: colour, 0.0, self.state.clock.now())
        reference_image.keep(self.state.folder, frame, ())

    def accept(self, **told: Any) -> Any:
        facts = {"role": "installer", "person_id": "team-7", "checks": WELL, "walked": WALKED}
        return self.acceptance.record(RecordAcceptance(**{**facts, **told}), TECHNICIAN)

    def pass_hours(self, hours: float, sample: Sample = GOOD) -> None:
        """Let the agent look once a minute."""
        self.samples = {"street": sample}
        for _ in range(int(hours * 60)):
            self.state.clock.advance(60)
            self.acceptance.look()

    def sent(self) -> list[dict[str, Any]]:
        with closing(self.state.database.read()) as connection:
            rows = connection.execute(
                "SELECT event FROM outbox WHERE type = 'device.acceptance' ORDER BY sequence"
            )
            return [json.loads(text)["body"] for (text,) in rows]


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path)
    made.commission()
    yield made
    made.state.database.close()


def _ticket(post: Post) -> str:
    at = post.state.clock.now() + timedelta(seconds=2)
    return post.tested(acknowledged_at=at, ticket="TEST-1", ticket_at=at)


def test_what_was_accepted_is_signed_kept_and_sent_without_anybodys_name(post: Post) -> None:
    done = post.accept(case_id=_ticket(post))
    assert (done.state, done.result, done.number) == ("provisional", "accepted", 1)
    signed = json.loads(verified(done.jws, post.signer.public))
    [sent] = post.sent()
    record = {**sent, "evidence": sent["evidence"][:-1]}
    assert {key: signed["body"][key] for key in ("result", "by", "checks")} == {
        key: record[key] for key in ("result", "by", "checks")
    }
    assert sent["by"] == {"role": "installer", "id": "team-7"}
    assert sent["provisional"] is True
    assert sent["numbers"] == {"acknowledged_s": 2.0, "ticket_s": 2.0}
    names = {each["name"]: each["sha256"] for each in sent["evidence"]}
    assert names["acceptance-0001.jws"] == done.sha256
    assert "commissioning-street.png" in names
    kept = AcceptanceFolder(post.state.folder).newest()
    assert kept is not None
    assert kept.jws == done.jws


@pytest.mark.parametrize(
    ("told", "result"),
    [
        ({}, "accepted"),
        ({"checks": (CheckRow(code="disk_space", state="remark"),)}, "accepted_with_remarks"),
        ({"checks": (CheckRow(code="disk_space", state="failed"),)}, "refused"),
        ({"walked": {}}, "accepted_with_remarks"),
        ({"walked": {"kerb": "failed"}}, "refused"),
        ({"case_id": None}, "accepted_with_remarks"),
    ],
)
def test_the_checks_decide_and_not_who_asks(post: Post, told: dict[str, Any], result: str) -> None:
    done = post.accept(**{"case_id": _ticket(post), **told})
    assert done.result == result
    assert done.state == ("refused" if result == "refused" else "provisional")


def test_a_test_case_that_only_reached_the_broker_is_a_remark_and_one_that_did_not_a_fault(
    post: Post,
) -> None:
    at = post.state.clock.now()
    assert post.accept(case_id=post.tested(acknowledged_at=at)).result == "accepted_with_remarks"
    assert post.accept(case_id=post.tested()).result == "refused"
    with pytest.raises(RefusedError, match="no such test case"):
        post.accept(case_id="made-up")


def test_without_a_commissioning_picture_nothing_is_accepted(tmp_path: Path) -> None:
    post = Post(tmp_path)
    done = post.accept(case_id=_ticket(post))
    assert done.result == "refused"
    assert done.checks[0] == CheckRow(
        code="commissioning_picture", state="failed", subject="street"
    )
    post.state.database.close()


def test_the_first_night_completes_the_record_over_a_restart(post: Post) -> None:
    """Noon; the night is from ten to five, and three hours of it have to be seen."""
    done = post.accept(case_id=_ticket(post))
    post.pass_hours(11)  # eleven at night
    assert post.acceptance.ask(AskAcceptance(), TECHNICIAN).night_minutes == pytest.approx(
        60, abs=2
    )
    post.begin()
    again = post.acceptance.ask(AskAcceptance(), TECHNICIAN)
    assert (again.state, again.jws) == ("provisional", done.jws)
    assert again.night_minutes >= 50
    post.pass_hours(7)
    complete = post.acceptance.ask(AskAcceptance(), TECHNICIAN)
    assert (complete.state, complete.result, complete.number) == ("complete", "accepted", 2)
    states = {each.code: each.state for each in complete.checks if each.subject == "street"}
    assert {states[f"night_{name}"] for name in ("view", "light", "profile")} == {"passed"}
    first, second = post.sent()
    assert (first["provisional"], second["provisional"]) == (True, False)
    assert second["by"] == first["by"]
    assert second["numbers"]["night_minutes"] >= NEEDED_MIN
    post.pass_hours(24)
    assert len(post.sent()) == 2


def test_a_bad_night_is_a_remark_and_one_that_was_hardly_seen_is_none(post: Post) -> None:
    post.accept(case_id=_ticket(post))
    post.pass_hours(10 + 1.5)
    post.state.clock.advance(6 * 3600)  # off until the morning
    post.pass_hours(1)
    assert post.acceptance.ask(AskAcceptance(), TECHNICIAN).state == "provisional"
    black = replace_sample(GOOD, brightness=3.0, profile=None)
    post.pass_hours(24, black)
    complete = post.acceptance.ask(AskAcceptance(), TECHNICIAN)
    assert (complete.state, complete.result) == ("complete", "accepted_with_remarks")
    states = {each.code: each.state for each in complete.checks}
    assert (states["night_view"], states["night_light"]) == ("passed", "failed")


def replace_sample(sample: Sample, **changes: Any) -> Sample:
    return sample.model_copy(update=changes)


def test_another_configuration_is_another_thing(post: Post) -> None:
    assert post.accept(case_id=_ticket(post)).as_configured
    tables = site_of(scenarios={"misparked_bikes": {"allowed_s": 77}}, zones=[zone()])
    post.configuration = from_tables(tables)
    assert not post.acceptance.ask(AskAcceptance(), TECHNICIAN).as_configured
    assert not post.acceptance.status().as_configured


def test_a_record_that_was_damaged_is_none_and_the_one_before_counts(post: Post) -> None:
    first = post.accept(case_id=_ticket(post))
    post.accept(case_id=_ticket(post), walked={})
    (post.state.folder / "acceptance" / "0002.jws").write_text("torn", encoding="ascii")
    post.begin()
    assert post.acceptance.ask(AskAcceptance(), TECHNICIAN).jws == first.jws


def test_after_a_move_nobody_has_accepted_it_and_no_number_is_given_twice(post: Post) -> None:
    folder = AcceptanceFolder(post.state.folder)
    folder.withdraw()  # of a device that nobody ever accepted
    post.accept(case_id=_ticket(post))
    folder.withdraw()
    post.begin()
    assert post.acceptance.ask(AskAcceptance(), TECHNICIAN).state == "none"
    again = post.accept(case_id=_ticket(post))
    assert (again.state, again.number) == ("provisional", 2)
    assert (post.state.folder / "acceptance" / "0001.jws").exists()


def test_by_day_nothing_is_taken_for_a_night() -> None:
    night = FirstNight()
    for hour in range(5, 22):
        night.add(hour, {"street": GOOD})
    assert night.minutes == 0
    assert not night.is_over(12)


@pytest.mark.slow
def test_nothing_is_accepted_that_the_device_may_leave_by_itself(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    corner.start()
    accepted = RecordAcceptance(role="inspector", checks=WELL, walked=WALKED)
    with corner.asked() as agent:
        told = json.loads(agent.ask(AskConfiguration())[0].zones)
        told["zones"][0]["name"] = {"zh": "路口", "en": "corner"}
        new, _ = agent.ask(AskApply(zones=json.dumps(told)))
        with pytest.raises(RefusedError, match="is on trial"):
            agent.ask(accepted)
        agent.ask(AskConfirm(number=new.number))
        assert agent.ask(accepted)[0].number == 1


@pytest.mark.slow
def test_a_running_agent_is_accepted_and_says_so_in_its_status(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    corner.start()
    with corner.asked() as agent:
        assert agent.ask(AskAcceptance())[0].state == "none"
        assert agent.ask(AskCommission(camera_id="street"), timeout_s=90)[0].stored
        done, _ = agent.ask(RecordAcceptance(role="inspector", checks=WELL, walked=WALKED))
    assert (done.state, done.result) == ("provisional", "accepted_with_remarks")

    def is_told() -> bool:
        status = corner.status()
        return (
            status is not None
            and status.acceptance is not None
            and (status.acceptance.state == "provisional")
        )

    wait_until(is_told)
