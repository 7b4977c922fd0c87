"""What the platform notes of its own work comes to an end, the access log not before six months."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from kerbwatch_platform.settings import Retention, SettingsError, load
from kerbwatch_platform.store import ends, lived

PERIODS = Retention(access_log_days=200, notes_days=30)
NOTES = """
INSERT INTO quarantine (kind, topic, sha256, size_bytes, payload, why, done_at) VALUES
  ('raised', 'done', 'a', 1, 'x', 'w', now()), ('raised', 'open', 'b', 1, 'x', 'w', NULL);
INSERT INTO over_limit VALUES ('t', 'd', date_trunc('hour', now()), 1, 1);
INSERT INTO outgoing (order_id, tenant, device, command, by_account, not_after) VALUES
  (gen_random_uuid(), 't', 'd', '{}', 'platform', now()),
  ('00000000-0000-0000-0000-000000000007', 't', 'd', '{}', 'li', now());
INSERT INTO verdict (decision_id, tenant, device, case_id, verdict, account, order_id) VALUES
  (gen_random_uuid(), 't', 'd', 'c', 'valid', 'li', '00000000-0000-0000-0000-000000000007');
INSERT INTO webhook VALUES ('hook', now(), now());
INSERT INTO webhook_delivery (name, tenant, device, event_id, case_id, delivered_at) VALUES
  ('hook', 't', 'd', 'e', 'c', now());
"""


def logs(connection: psycopg.Connection, path: str) -> None:
    connection.execute(
        "INSERT INTO access_log (what, method, path, status, peer) VALUES ('saw', 'GET', %s, 200, 'p')",
        (path,),
    )


def logged(connection: psycopg.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT path FROM access_log ORDER BY number")]


def lives(connection: psycopg.Connection, days: float) -> None:
    lived.advance(connection)
    connection.execute("UPDATE lived_time SET lived_s = lived_s + %s", (days * lived.DAY_S,))


def after(connection: psycopg.Connection, days: float) -> dict[str, int]:
    """An hour's work when so many days more have been lived through; the rows' clock goes on as well."""
    lives(connection, days)
    connection.execute(
        "UPDATE lived_mark SET at = at - make_interval(secs => %s)", (days * lived.DAY_S,)
    )
    for table, column in (
        ("quarantine", "done_at"),
        ("over_limit", "hour"),
        ("outgoing", "not_after"),
        ("webhook_delivery", "delivered_at"),
        ("webhook_delivery", "queued_at"),
    ):
        text = f"UPDATE {table} SET {column} = {column} - make_interval(secs => %s)"
        connection.execute(text.encode(), (days * lived.DAY_S,))
    return ends.end(connection, PERIODS)


def test_notes_end_after_their_period_and_what_a_person_or_a_history_needs_stays(
    connection: psycopg.Connection,
) -> None:
    connection.execute(NOTES)
    assert ends.end(connection, PERIODS) == {}
    assert after(connection, 29) == {}
    assert after(connection, 2) == {
        "quarantine": 1,
        "over_limit": 1,
        "outgoing": 1,
        "webhook_delivery": 1,
    }
    assert connection.execute("SELECT topic FROM quarantine").fetchall() == [("open",)]
    assert connection.execute("SELECT by_account FROM outgoing").fetchall() == [("li",)]
    assert after(connection, 300) == {}


def test_what_a_system_was_told_is_not_told_again(connection: psycopg.Connection) -> None:
    """It was not told anything for long: what it would be told from is as old as what is deleted."""
    connection.execute(NOTES)
    ends.end(connection, PERIODS)
    connection.execute("UPDATE webhook SET reached = reached - interval '40 days'")
    assert "webhook_delivery" not in after(connection, 31)


def test_a_clock_that_was_ahead_for_a_while_makes_no_row_old(
    connection: psycopg.Connection,
) -> None:
    ends.end(connection, PERIODS)
    connection.execute("UPDATE lived_mark SET at = at + interval '9 years'")
    lives(connection, 20)
    ends.end(connection, PERIODS)  # the clock is right again
    connection.execute(NOTES)
    lives(connection, 11)
    assert "quarantine" not in ends.end(connection, PERIODS)
    lives(connection, 31)
    assert ends.end(connection, PERIODS)["quarantine"] == 1


def test_the_access_log_ends_after_its_period_oldest_first(connection: psycopg.Connection) -> None:
    logs(connection, "/old")
    ends.end(connection, PERIODS)
    logs(connection, "/new")
    assert after(connection, 199) == {}
    assert logged(connection) == ["/old", "/new"]
    assert after(connection, 1) == {"access_log": 1}
    assert logged(connection) == ["/new"]


def test_nobody_deletes_a_row_of_the_log_before_six_months(connection: psycopg.Connection) -> None:
    logs(connection, "/old")
    ends.end(connection, PERIODS)
    logs(connection, "/new")
    after(connection, 183)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added to"):
        connection.execute("DELETE FROM access_log WHERE path = '/old'")
    after(connection, 1)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added to"):
        connection.execute("DELETE FROM access_log WHERE path = '/new'")
    connection.execute("DELETE FROM access_log WHERE path = '/old'")
    assert logged(connection) == ["/new"]


def test_settings_cannot_make_the_log_s_period_shorter_than_six_months(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        'database = "dbname=p"\nbroker = "mqtt://localhost"\nevidence_folder = "/e"\n'
        'signing_key_file = "/k"\n[retention]\naccess_log_days = 183\nvalid_days = 0\n'
    )
    with pytest.raises(SettingsError) as caught:
        load(path)
    places = [place for place, _ in caught.value.faults]
    assert sorted(places) == ["retention.access_log_days", "retention.valid_days"]
