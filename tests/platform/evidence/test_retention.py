"""Pictures are deleted when their time is over, and never by mistake."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner
from kerbwatch_platform import evidence
from kerbwatch_platform.contract import verify_handover
from kerbwatch_platform.evidence import files, holds, hourly, notices, retention
from kerbwatch_platform.evidence.handover import handover
from kerbwatch_platform.evidence.keeping import Own, keep, lock
from kerbwatch_platform.evidence.packets import take_packet
from kerbwatch_platform.evidence.retention import Passed
from kerbwatch_platform.evidence.retention_commands import COMMANDS
from kerbwatch_platform.evidence.sweep import Swept, sweep
from kerbwatch_platform.settings import Retention, Settings

from tests.support.evidence_desk import City, exported, opened
from tests.support.packed_cases import jpeg
from tests.support.waiting import wait_until

PERIODS = Retention(
    open_days=300,
    undecided_days=100,
    false_days=20,
    duplicate_days=50,
    valid_days=200,
    handed_over_days=400,
    others_days=10,
)


@dataclass
class Keeping:
    """A city whose periods are told apart by their length."""

    city: City

    @property
    def settings(self) -> Settings:
        return self.city.settings.model_copy(update={"retention": PERIODS})

    def case(self, *, cleared: bool = True) -> str:
        """A case whose pictures are here, seen by a pass; its id."""
        case_id = self.city.device.packed(cleared=cleared)
        self.city.hears()
        for content in self.city.copies(case_id).values():
            self.city.sends(content)
        self.runs()
        return case_id

    def of(self, case_id: str) -> tuple[str, str, str]:
        return (*self.city.place, case_id)

    def runs(self, *, confirmed: bool = True) -> Passed:
        return retention.run(self.city.connection, self.settings, confirmed=confirmed)

    def after(self, days: float) -> Passed:
        """A pass when so many days more have been lived through."""
        self.city.lives(days=days)
        return self.runs()

    def decides(self, case_id: str, verdict: str) -> None:
        self.city.connection.execute(
            "INSERT INTO verdict (decision_id, tenant, device, case_id, verdict, account)"
            " VALUES (%s, %s, %s, %s, %s, 'li')",
            (uuid4(), *self.of(case_id), verdict),
        )
        self.runs()

    def says(self, case_id: str, what: str, state: str, second: int) -> None:
        """The device says how the case stands."""
        at = f"2026-03-01T12:00:{second:02}+08:00"
        clock = {"boot_id": "boot", "monotonic_s": second, "state": "synchronised"}
        body = {"case_id": case_id, "state": state, "kind": "misparked_bike"}
        told = {"event_id": str(uuid4()), "type": f"case.{what}", "occurred_at": at}
        self.city.stores(told | {"clock": clock, "body": body})
        self.runs()

    def hands_over(self, case_id: str) -> bytes:
        into = io.BytesIO()
        case = self.of(case_id)
        handover(self.city.connection, self.settings, *case, "li", "致交警支队", into)
        self.runs()
        return into.getvalue()

    def holds(self, case_id: str, *, hold: bool = True) -> bool:
        return holds.change(
            self.city.connection, self.of(case_id), hold=hold, by="li", reason="objection 17"
        )

    def here(self, case_id: str) -> int:
        """How many files of the case are on the disk."""
        names = {hashlib.sha256(each).hexdigest() for each in self.city.copies(case_id).values()}
        return len(names & {each.name for each in files.lying(self.settings.evidence_folder)})


@pytest.fixture
def keeping(city: City) -> Keeping:
    city.knows_the_key()
    return Keeping(city)


@pytest.mark.parametrize(
    ("outcome", "days"),
    [("undecided", 100), ("false", 20), ("duplicate", 50), ("valid", 200), ("handed_over", 400)],
)
def test_a_case_s_pictures_go_when_the_period_of_its_outcome_is_over_and_not_before(
    keeping: Keeping, outcome: str, days: int
) -> None:
    case_id = keeping.case()
    if outcome == "handed_over":
        keeping.decides(case_id, "false")
        keeping.hands_over(case_id)
    elif outcome != "undecided":
        keeping.decides(case_id, outcome)
    count = keeping.here(case_id)
    assert count == 4
    assert keeping.after(days - 1) == Passed(living=count, due=0)
    assert keeping.after(1) == Passed(living=count, due=count, deleted=count)
    assert keeping.here(case_id) == 0
    assert set(keeping.city.states(case_id).values()) == {("deleted", None)}
    for sha256, of in keeping.city.rows("SELECT sha256, case_id FROM evidence_deletion"):
        assert of == case_id
        with pytest.raises(LookupError):
            evidence.shown(keeping.city.connection, keeping.settings, sha256)
    [told] = retention.deletions(keeping.city.connection, keeping.of(case_id))
    assert (told.pictures, told.outcome, told.days, told.account) == (count, outcome, days, None)
    assert keeping.runs() == Passed(living=0, due=0)


def test_what_happens_to_a_case_begins_its_time_anew(keeping: Keeping) -> None:
    case_id = keeping.case()
    keeping.after(99)
    keeping.decides(case_id, "valid")
    assert keeping.after(199).due == 0
    keeping.hands_over(case_id)
    keeping.after(399)
    keeping.hands_over(case_id)
    assert keeping.after(399).due == 0
    assert keeping.here(case_id) == 4
    assert keeping.after(1).deleted == 4


def test_an_open_case_is_kept_while_its_device_says_anything_of_it(keeping: Keeping) -> None:
    case_id = keeping.case(cleared=False)
    keeping.says(case_id, "opened", "open", 1)
    keeping.decides(case_id, "false")
    count = keeping.here(case_id)
    assert keeping.after(299).due == 0
    keeping.says(case_id, "persisting", "open", 2)
    assert keeping.after(299).due == 0
    keeping.says(case_id, "cleared", "cleared", 3)
    assert keeping.after(19).due == 0, "its end has begun its time anew"
    assert keeping.after(1).deleted == count


def test_a_case_of_which_nothing_is_heard_any_more_is_not_kept_for_ever(keeping: Keeping) -> None:
    """Its device is gone: nobody will say that the case is over."""
    case_id = keeping.case(cleared=False)
    keeping.says(case_id, "opened", "open", 1)
    assert keeping.after(299).due == 0
    assert keeping.after(1).deleted == 3


def test_a_hold_stops_every_deletion_until_a_week_after_it_was_lifted(keeping: Keeping) -> None:
    case_id = keeping.case()
    keeping.decides(case_id, "false")
    assert keeping.holds(case_id)
    assert not keeping.holds(case_id), "twice is once"
    assert keeping.after(5_000).due == 0
    with pytest.raises(retention.HeldError):
        retention.delete_now(
            keeping.city.connection, keeping.settings, keeping.of(case_id), by="li", reason="x"
        )
    assert keeping.holds(case_id, hold=False)
    assert not keeping.holds(case_id, hold=False)
    assert keeping.after(6).due == 0
    assert keeping.here(case_id) == 4
    assert keeping.after(1).deleted == 4
    told = [
        (each.held, each.reason)
        for each in holds.history(keeping.city.connection, keeping.of(case_id))
    ]
    assert told == [(False, "objection 17"), (True, "objection 17")]


def test_a_hold_that_is_set_while_a_pass_runs_is_heeded(keeping: Keeping) -> None:
    """When a hold stands no deletion is under way that does not know of it."""
    case_id = keeping.case()
    keeping.city.lives(days=100)
    with psycopg.connect(keeping.settings.database) as other:
        other.execute("SELECT pg_advisory_xact_lock_shared(hashtext('evidence folder'), 0)")
        passed: list[Passed] = []
        running = threading.Thread(
            target=lambda: passed.append(_run_alone(keeping.settings)), daemon=True
        )
        running.start()
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        # It has found what is due, and waits to record it.
        wait_until(lambda: keeping.city.rows(waits) != [(0,)])
        assert holds.change(other, keeping.of(case_id), hold=True, by="li", reason="objection")
        other.commit()
    running.join()
    assert passed == [Passed(living=4, due=4, deleted=0)]
    assert keeping.here(case_id) == 4


def _run_alone(settings: Settings) -> Passed:
    with psycopg.connect(settings.database, autocommit=True) as connection:
        return retention.run(connection, settings, confirmed=True)


def test_a_picture_that_another_case_needs_stays_for_both(keeping: Keeping) -> None:
    first, then = keeping.case(), keeping.case()
    shared = hashlib.sha256(keeping.city.copies(first)["begin"]).hexdigest()
    keeping.city.connection.execute(
        "UPDATE evidence_named SET sha256 = %s WHERE case_id = %s AND role = 'begin'",
        (shared, then),
    )
    keeping.decides(first, "false")
    keeping.decides(then, "valid")
    assert keeping.after(20).deleted == 3
    assert keeping.city.states(first)["begin"] == keeping.city.states(then)["begin"]
    assert keeping.city.states(first)["begin"][0] == "verified"
    assert evidence.shown(keeping.city.connection, keeping.settings, shared)
    assert (keeping.settings.evidence_folder / files.path_of(shared)).is_file()
    keeping.after(180)
    assert keeping.city.states(then)["begin"] == ("deleted", None)
    assert keeping.here(first) == 0


def test_the_same_bytes_of_another_device_stay_as_long_as_its_case_needs_them(
    keeping: Keeping,
) -> None:
    case_id = keeping.case()
    content = keeping.city.copies(case_id)["begin"]
    own = Own("another-city", "its-corner", hashlib.sha256(content).hexdigest())
    with keeping.city.connection.transaction():
        lock(keeping.city.connection, [own[:2]])
        keep(keeping.city.connection, keeping.settings, own, content, over="pieces")
    keeping.city.connection.execute(
        "UPDATE evidence_file SET case_id = 'theirs' WHERE tenant = 'another-city'"
    )
    keeping.city.connection.execute(
        "INSERT INTO verdict (decision_id, tenant, device, case_id, verdict, account)"
        " VALUES (%s, 'another-city', 'its-corner', 'theirs', 'valid', 'li')",
        (uuid4(),),
    )
    keeping.runs()
    assert keeping.after(100).deleted == 3
    assert evidence.shown(keeping.city.connection, keeping.settings, own.sha256) == content
    assert keeping.after(100).deleted == 1


def test_what_no_case_names_goes_after_its_own_period(keeping: Keeping) -> None:
    content = jpeg("nobody's", 160, 90)
    keeping.city.sends(content)
    keeping.runs()
    assert keeping.after(9).due == 0
    assert keeping.after(1).deleted == 1
    assert [
        row[1] for row in keeping.city.rows("SELECT case_id, outcome FROM evidence_deletion")
    ] == ["others"]


def test_a_picture_that_comes_late_has_its_whole_time(keeping: Keeping) -> None:
    case_id = keeping.city.device.packed()
    keeping.city.hears()
    copies = keeping.city.copies(case_id)
    late = copies.pop("begin")
    for content in copies.values():
        keeping.city.sends(content)
    keeping.runs()
    keeping.city.lives(days=99)
    keeping.city.sends(late)
    keeping.runs()
    assert keeping.after(1).deleted == 3
    assert keeping.city.states(case_id)["begin"] == ("verified", None)
    assert keeping.after(99).deleted == 1


def test_no_clock_that_is_set_deletes_anything(keeping: Keeping) -> None:
    """The server wakes in 2050, or the database's clock does: neither makes a picture older."""
    case_id = keeping.case()
    keeping.city.connection.execute("UPDATE lived_time SET at = at - interval '9 years'")
    keeping.city.connection.execute(
        "UPDATE evidence_file SET taken_at = taken_at - interval '9 years'"
    )
    keeping.city.connection.execute(
        "UPDATE event SET received_at = received_at - interval '9 years'"
    )
    assert keeping.runs().due == 0
    keeping.city.connection.execute(
        "UPDATE lived_time SET boot_id = 'before', at = at - interval '9 years'"
    )
    assert keeping.runs().due == 0, "a restart with a clock years ahead: seven days at most"
    [(lived_s,)] = keeping.city.rows("SELECT lived_s FROM lived_time")
    assert 7 * 86_400 <= lived_s < 8 * 86_400
    assert keeping.here(case_id) == 4


def test_more_than_a_quarter_at_once_waits_for_a_person(keeping: Keeping) -> None:
    """It is more often a mistake in the settings than a quarter that is due."""
    cases = [keeping.case() for _ in range(11)]
    keeping.city.lives(days=100)
    assert keeping.runs(confirmed=False) == Passed(living=44, due=44, stopped=True)
    assert keeping.city.rows("SELECT count(*) FROM evidence_deletion") == [(0,)]
    assert sum(map(keeping.here, cases)) == 44
    [notice] = notices.standing(keeping.city.connection)
    assert "44" in notice.words("en")
    assert "retention --confirm" in notice.words("zh_CN")
    assert "44" in (hourly.delete_what_is_over(keeping.settings) or "")
    assert keeping.runs(confirmed=True).deleted == 44
    assert notices.standing(keeping.city.connection) == []


def test_few_pictures_go_unasked(keeping: Keeping) -> None:
    keeping.case()
    keeping.city.lives(days=100)
    assert keeping.runs(confirmed=False).deleted == 4


def test_a_folder_that_is_away_is_not_cleared(keeping: Keeping) -> None:
    case_id = keeping.case()
    folder = keeping.settings.evidence_folder
    keeping.city.lives(days=100)
    away = folder.rename(folder.with_name("elsewhere"))
    folder.mkdir()
    assert "may not be mounted" in (hourly.delete_what_is_over(keeping.settings) or "")
    assert keeping.city.rows("SELECT count(*) FROM evidence_deletion") == [(0,)]
    folder.rmdir()
    away.rename(folder)
    assert keeping.runs().deleted == 4
    assert keeping.here(case_id) == 0


KILLED = """
import os, signal, sys
from pathlib import Path
import psycopg
from kerbwatch_platform.evidence import files, retention
from kerbwatch_platform.settings import load

settings, after = load(Path(sys.argv[1])), int(sys.argv[2])
unlink = Path.unlink

def dies(path, *rest, **told):
    global after
    if path.parent.parent == settings.evidence_folder and len(path.name) == 64:
        if after == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        after -= 1
    unlink(path, *rest, **told)

Path.unlink = dies
with psycopg.connect(settings.database, autocommit=True) as connection:
    retention.run(connection, settings, confirmed=True)
"""


@pytest.mark.parametrize("after", [0, 1, 3])
def test_whoever_is_killed_leaves_a_record_and_a_repeat_finishes(
    keeping: Keeping, tmp_path: Path, after: int
) -> None:
    case_id = keeping.case()
    keeping.city.lives(days=180)
    path = told_settings(keeping.city.settings, tmp_path)
    words = [sys.executable, "-c", KILLED, str(path), str(after)]
    ended = subprocess.run(words, check=False, env={**os.environ, "PYTHONPATH": "."})
    assert ended.returncode == -signal.SIGKILL
    assert keeping.here(case_id) == 4 - after, "it died in the middle of it"
    assert keeping.city.rows("SELECT count(*) FROM evidence_deletion") == [(4,)]
    assert set(keeping.city.states(case_id).values()) == {("deleted", None)}
    assert keeping.runs() == Passed(living=0, due=0)
    assert keeping.here(case_id) == 0
    gone = "SELECT count(*) FROM evidence_file WHERE gone_at IS NOT NULL"
    assert keeping.city.rows(gone) == [(4,)]
    assert keeping.city.rows("SELECT count(*) FROM evidence_deletion") == [(4,)], "recorded once"


def told_settings(settings: Settings, folder: Path) -> Path:
    path = folder / "settings.toml"
    path.write_text(
        f'database = "{settings.database}"\nbroker = "mqtt://localhost"\n'
        f'evidence_folder = "{settings.evidence_folder}"\n'
        f'signing_key_file = "{settings.signing_key_file}"\n'
    )
    return path


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {} SET reason = 'another'",
        "DELETE FROM {} WHERE true",
        "TRUNCATE {}",
    ],
)
@pytest.mark.parametrize("table", ["evidence_deletion", "case_hold"])
def test_the_database_refuses_to_change_what_was_deleted_or_held(
    city: City, change: str, table: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added to"):
        city.connection.execute(change.format(table).encode())


def test_a_deleted_picture_stays_deleted_whoever_brings_it_again(keeping: Keeping) -> None:
    """Its device is told that it arrived, and stops sending; a restored folder is cleared of it again."""
    case_id = keeping.case()
    content = keeping.city.copies(case_id)["begin"]
    sha256 = hashlib.sha256(content).hexdigest()
    keeping.after(100)
    assert keeping.city.sends(content) == [(sha256, len(content))]
    assert keeping.here(case_id) == 0
    files.put(keeping.settings.evidence_folder, content)
    assert sweep(keeping.city.connection, keeping.settings) == Swept(0, 1, 0, 0)
    assert keeping.here(case_id) == 0
    evidence.verify_rest(keeping.city.connection)
    assert keeping.city.states(case_id)["begin"] == ("deleted", None)


def test_a_packet_that_is_brought_later_is_kept_for_a_period_of_its_own(
    keeping: Keeping, tmp_path: Path
) -> None:
    case_id = keeping.case()
    keeping.after(100)
    packet = exported(keeping.city, case_id, tmp_path / "packet.zip")
    assert take_packet(keeping.city.connection, keeping.settings, packet).pictures == 0
    keeping.runs()
    assert keeping.after(99).due == 0
    assert keeping.after(1).deleted == 1
    assert keeping.city.states(case_id)["begin"] == ("deleted", None)


def test_what_was_handed_over_after_a_deletion_says_so_and_verifies(
    keeping: Keeping, tmp_path: Path
) -> None:
    """Signed lists, hashes and signatures stay: what the pictures were can still be proven against a copy."""
    case_id = keeping.case()
    keeping.after(100)
    content = keeping.hands_over(case_id)
    handed = opened(content)
    assert not any(name.startswith("pictures/") for name in handed)
    assert len([name for name in handed if name.startswith("records/")]) == 2
    told = json.loads(handed["report.json"])["pictures"]
    assert {(each["state"], each["deleted_after_days"]) for each in told} == {("deleted", 100.0)}
    assert all(each["deleted_at"] for each in told)
    path = tmp_path / "handed.zip"
    path.write_bytes(content)
    assert list(verify_handover.verify(verify_handover.read(path), {}))


def test_a_person_deletes_one_case_before_its_time_and_nothing_that_another_needs(
    keeping: Keeping,
) -> None:
    first, then = keeping.case(), keeping.case()
    shared = hashlib.sha256(keeping.city.copies(first)["begin"]).hexdigest()
    keeping.city.connection.execute(
        "UPDATE evidence_named SET sha256 = %s WHERE case_id = %s AND role = 'begin'",
        (shared, then),
    )
    told = retention.delete_now(
        keeping.city.connection,
        keeping.settings,
        keeping.of(first),
        by="administrator",
        reason="request 2026-4",
    )
    assert told == (3, 1)
    assert keeping.here(first) == 1
    assert keeping.here(then) == 4
    states = keeping.city.states(first)
    assert states.pop("begin") == ("verified", None)
    assert set(states.values()) == {("deleted", None)}
    [line] = retention.deletions(keeping.city.connection, keeping.of(first))
    assert (line.days, line.account, line.reason) == (None, "administrator", "request 2026-4")


def test_what_was_handed_over_is_deleted_by_nobody_before_its_own_period(keeping: Keeping) -> None:
    case_id = keeping.case()
    keeping.hands_over(case_id)
    of = keeping.of(case_id)
    for days in (0, 399):
        keeping.after(days)
        with pytest.raises(retention.HeldError):
            retention.delete_now(keeping.city.connection, keeping.settings, of, by="li", reason="x")
    assert keeping.here(case_id) == 4


def test_the_commands_hold_and_delete_with_a_reason_and_say_no_in_words(
    keeping: Keeping, tmp_path: Path
) -> None:
    case_id = keeping.case()
    path = told_settings(keeping.city.settings, tmp_path)
    commands = {each.name: each for each in COMMANDS}

    def asked(name: str, *words: str) -> tuple[int, str]:
        done = CliRunner(env={"KERBWATCH_LANGUAGE": "en"}).invoke(
            commands[name], list(words), obj=path
        )
        return done.exit_code, done.output

    of, reason = keeping.of(case_id), ("--reason", "objection 2026-17")
    assert asked("hold", "set", *of, *reason) == (0, "held\n")
    code, told = asked("hold", "list")
    assert (code, case_id in told, "objection 2026-17" in told) == (0, True, True)
    code, told = asked("delete-pictures", *of, *reason)
    assert (code, "is held" in told) == (1, True)
    assert asked("hold", "lift", *of, *reason) == (0, "lifted\n")
    assert asked("hold", "set", *of, "--reason", " ")[0] == 1
    code, told = asked("hold", "set", *of[:2], "no-such-case", *reason)
    assert (code, "no-such-case" in told) == (1, True)
    assert asked("retention", "--dry-run") == (0, "4 files of evidence, 0 due, 0 deleted\n")
    assert asked("delete-pictures", *of, *reason)[0] == 0
    assert keeping.here(case_id) == 0
