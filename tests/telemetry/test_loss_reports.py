"""Every number is delivered or named as lost: nothing in between, and nobody can forge it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.domain.ids import RandomIds
from agent.identity.jws import NotVerifiedError
from agent.identity.signing_key import FILE, PUBLIC_FILE, Signer, SigningError, open_signer
from agent.protocol.base import MAX_RANGES
from agent.storage import kept_table
from agent.storage.database import Database
from agent.storage.loss_table import joined
from agent.storage.outbox import Outbox
from agent.storage.outbox_queries import Lane, waiting
from agent.telemetry.loss_reports import LossReports
from drivers.testing import FakeClock
from tests.support.drafts import birth, case_opened
from tests.support.outboxes import open_outbox
from tests.support.signatures import verified
from tests.support.topics import DEVICE, TENANT

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
MB = 1_000_000


class Box:
    """An outbox with its losses."""

    def __init__(self, folder: Path, budget_bytes: int | None = None, keep: int = 0) -> None:
        self.clock = FakeClock(NOON)
        self.database = Database(folder / "kerbwatch.db")
        self.outbox: Outbox = open_outbox(
            self.database, budget_bytes=budget_bytes, keep_arrived=keep
        )
        self.signer = Signer(folder / "keys")
        self.losses = LossReports(
            self.database,
            self.outbox,
            self.signer,
            self.clock,
            RandomIds(),
            tenant=TENANT,
            device_id=DEVICE,
        )

    def add(self, lane: Lane, count: int, padding: int = 1500) -> list[int]:
        drafts = [
            birth(self.clock) if lane is Lane.REST else case_opened(self.clock, padding=padding)
            for _ in range(count)
        ]
        return self.database.write(
            lambda connection: [self.outbox.add(connection, draft, lane) for draft in drafts]
        ).result()

    def waiting(self, lane: Lane) -> list[int]:
        with closing(self.database.read()) as connection:
            rows = waiting(connection, lane, limit=10**6, limit_bytes=10**12)
        return [row.key for row in rows]

    def reports(self) -> list[dict[str, Any]]:
        with closing(self.database.read()) as connection:
            rows = connection.execute("SELECT event FROM outbox WHERE type = 'device.loss'")
            return [json.loads(event) for (event,) in rows]

    def named(self) -> list[int]:
        """Every number that the reports name, each checked against its signature."""
        found: list[int] = []
        for report in self.reports():
            assert report["body"].keys() == {"jws"}, "what is lost stands there once"
            signed = verified(report["body"]["jws"], self.signer.public)
            for name in ("tenant", "device_id", "event_id"):
                assert signed[name] == report[name]
            for loss in signed["losses"]:
                for first, last in loss["ranges"]:
                    found += range(first, last + 1)
        return sorted(found)


def test_within_its_budget_the_outbox_loses_the_least_important_first_and_names_it(
    tmp_path: Path,
) -> None:
    box = Box(tmp_path, budget_bytes=3 * MB)
    given: list[int] = []
    for _ in range(25):
        given += box.add(Lane.HEALTH, 60)
        given += box.add(Lane.CASE, 20)
    while box.losses.report():
        pass
    kept = [each for lane in Lane for each in box.waiting(lane)]
    reports = {report["sequence"] for report in box.reports()}
    assert sorted([*(set(kept) - reports), *box.named()]) == given
    assert len(box.waiting(Lane.CASE)) == 25 * 20 + len(reports), "every case is kept"
    assert box.named(), "there was not room for all"
    assert box.waiting(Lane.HEALTH)[-1] > max(box.named()), "the oldest went first"
    assert (tmp_path / "kerbwatch.db").stat().st_size < 5 * MB


def test_cases_go_last_and_the_oldest_first(tmp_path: Path) -> None:
    box = Box(tmp_path, budget_bytes=2 * MB)
    rest, cases = box.add(Lane.REST, 40), box.add(Lane.CASE, 1500)
    box.losses.report()
    assert box.waiting(Lane.REST) == []
    left = [each for each in box.waiting(Lane.CASE) if each in set(cases)]
    assert left == cases[-len(left) :]
    assert set(rest) <= set(box.named())


def test_what_has_arrived_makes_room_before_anything_is_lost(tmp_path: Path) -> None:
    box = Box(tmp_path, budget_bytes=5 * MB, keep=10_000)
    given = box.add(Lane.CASE, 900)
    box.outbox.confirm(given).result()
    later = box.add(Lane.CASE, 900)
    assert box.losses.report() == 0
    assert box.waiting(Lane.CASE) == later


def test_what_the_broker_refuses_is_reported_as_lost_once_it_is_kept_no_more(
    tmp_path: Path,
) -> None:
    box = Box(tmp_path)
    given = box.add(Lane.CASE, 5)
    box.outbox.set_aside([given[1], given[2]], "Packet too large").result()
    assert box.losses.report() == 0, "it may still come"
    box.database.write(lambda c: kept_table.give_up(c, "refused", 2)).result()
    assert box.losses.report() == 2
    [report] = box.reports()
    [loss] = verified(report["body"]["jws"], box.signer.public)["losses"]
    assert (loss["lane"], loss["ranges"]) == ("case", [[3, 4]])
    assert "Packet too large" in loss["reason"]
    assert box.losses.report() == 0, "nothing is reported twice"


def test_a_report_has_an_end_and_the_next_goes_on(tmp_path: Path) -> None:
    box = Box(tmp_path)
    given = box.add(Lane.CASE, 2 * MAX_RANGES + 40, padding=0)
    box.outbox.set_aside(given[::2], "test", damaged=True).result()
    assert box.losses.report() == MAX_RANGES
    assert box.losses.report() == 20
    assert box.named() == given[::2]


def test_a_changed_report_is_found_out(tmp_path: Path) -> None:
    signer = Signer(tmp_path)
    head, _, signature = signer.sign([1, 2]).split(".")
    forged = f"{head}.WzEsM10.{signature}"
    with pytest.raises(NotVerifiedError):
        verified(forged, signer.public)


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first, again = Signer(tmp_path / "keys"), Signer(tmp_path / "keys")
    assert first.public == again.public
    path = tmp_path / "keys" / FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.public != Signer(tmp_path / "others").public
    assert b"PRIVATE" not in first.public.model_dump_json().encode()


def test_what_is_no_key_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not a key")
    with pytest.raises(SigningError, match="signing"):
        Signer(tmp_path).sign([])
    assert (tmp_path / FILE).read_text() == "not a key"


def test_a_device_with_a_damaged_key_gets_another_and_keeps_the_old(tmp_path: Path) -> None:
    first = open_signer(tmp_path, tmp_path / "memory").public
    (tmp_path / FILE).write_text("damaged")
    (tmp_path / PUBLIC_FILE).unlink()
    second = open_signer(tmp_path, tmp_path / "memory")
    assert second.public != first
    assert (tmp_path / "signing.damaged").read_text() == "damaged"
    assert verified(second.sign([1]), second.public) == [1]


def test_the_public_half_is_read_without_the_key_and_found_again_when_it_is_damaged(
    tmp_path: Path,
) -> None:
    public = Signer(tmp_path).public
    (tmp_path / PUBLIC_FILE).write_text("{")
    assert Signer(tmp_path).public == public
    # Read by a process of its own: here the library has long been imported.
    told = (
        "import sys; from pathlib import Path; from agent.identity.signing_key import Signer;"
        "Signer(Path(sys.argv[1])); sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", told, tmp_path], check=False).returncode == 0


def test_ranges_that_touch_are_one() -> None:
    assert joined([(1, 1), (2, 4), (6, 6)]) == [(1, 4), (6, 6)]
