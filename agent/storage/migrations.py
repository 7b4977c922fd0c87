"""The schema migrations: each is applied once, in order, and never edited afterwards.

Imported only when a database is new or older than the agent (``agent.storage.database_file.SCHEMA``). One that changes what
older agents rely on raises ``READABLE_FROM`` there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlite_utils

if TYPE_CHECKING:
    import sqlite3

migrations = sqlite_utils.Migrations("kerbwatch")


def apply(connection: sqlite3.Connection) -> None:
    """Apply the migrations that this database has not had."""
    migrations.apply(sqlite_utils.Database(connection, execute_plugins=False))


@migrations()
def create_state(db: sqlite_utils.Database) -> None:
    db.table("state").create({"name": str, "value": str}, pk="name", not_null={"value"})


@migrations()
def create_cases(db: sqlite_utils.Database) -> None:
    db.table("cases").create(
        {"case_id": str, "place_id": str, "kind": str, "state": str, "document": str},
        pk="case_id",
        not_null={"place_id", "kind", "state", "document"},
    )
    db.execute("CREATE UNIQUE INDEX one_open_case ON cases (place_id, kind) WHERE state = 'open'")


@migrations()
def create_outbox(db: sqlite_utils.Database) -> None:
    # AUTOINCREMENT, which sqlite-utils does not offer: a plain rowid would begin at 1 again once
    # the outbox has been drained.
    db.execute("""
        CREATE TABLE outbox (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            event_id TEXT NOT NULL UNIQUE,
            lane INTEGER NOT NULL,
            type TEXT NOT NULL,
            occurred_at REAL NOT NULL,
            boot_id TEXT NOT NULL,
            monotonic_s REAL NOT NULL,
            size_bytes INTEGER NOT NULL,
            event TEXT NOT NULL
        )
    """)
    # Covers the figures, so that they cost no walk through the events themselves.
    db.execute("CREATE INDEX outbox_lanes ON outbox (lane, sequence, occurred_at, size_bytes)")
    db.table("dead_letters").create(
        {
            "sequence": int,
            "event_id": str,
            "lane": int,
            "type": str,
            "occurred_at": float,
            "reason": str,
            "event": str,
        },
        pk="sequence",
    )


@migrations()
def create_traces(db: sqlite_utils.Database) -> None:
    db.table("traces").create(
        {"case_id": str, "opened": str, "last_type": str, "last": str, "trace": str},
        pk="case_id",
        not_null={"last_type", "last", "trace"},
    )


@migrations()
def keep_what_arrived(db: sqlite_utils.Database) -> None:
    """Confirmed events are kept for a while: a platform may have to restore a backup."""
    db.execute("ALTER TABLE outbox ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0")
    db.execute("DROP INDEX outbox_lanes")
    db.execute(
        "CREATE INDEX outbox_lanes ON outbox (lane, sequence, occurred_at, size_bytes)"
        " WHERE arrived = 0"
    )
    db.execute("CREATE INDEX outbox_arrived ON outbox (sequence) WHERE arrived = 1")
    # Numbers begin anew with each epoch, and letters of several epochs may lie here.
    db.execute("ALTER TABLE dead_letters ADD COLUMN epoch TEXT NOT NULL DEFAULT ''")
    db.table("dead_letters").transform(pk=("epoch", "sequence"))


@migrations()
def create_losses(db: sqlite_utils.Database) -> None:
    """Ranges of numbers that will never be delivered; ``reported`` is the report's number."""
    db.execute("""
        CREATE TABLE losses (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            epoch TEXT NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            lane INTEGER NOT NULL,
            reason TEXT NOT NULL,
            at REAL NOT NULL,
            reported INTEGER
        )
    """)
    db.execute("CREATE INDEX losses_to_report ON losses (id) WHERE reported IS NULL")


@migrations()
def create_ageing(db: sqlite_utils.Database) -> None:
    """Since when things with a retention period are kept; see :mod:`agent.retention`."""
    db.execute("""
        CREATE TABLE ageing (
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            since_s REAL NOT NULL,
            PRIMARY KEY (kind, name)
        ) WITHOUT ROWID
    """)


@migrations()
def know_texts_again(db: sqlite_utils.Database) -> None:
    """A checksum of each text, see :mod:`agent.storage.checksum`."""
    for table in ("outbox", "cases", "state"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER")


@migrations()
def create_days(db: sqlite_utils.Database) -> None:
    """Counters of each local day; see :mod:`agent.storage.day_counters`."""
    db.execute("""
        CREATE TABLE days (
            day TEXT NOT NULL,
            zone_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            value REAL NOT NULL,
            PRIMARY KEY (day, zone_id, kind, name)
        ) WITHOUT ROWID
    """)


@migrations()
def create_orders(db: sqlite_utils.Database) -> None:
    """Answers to the platform's commands; see :mod:`agent.delivery.commands.log`."""
    db.execute("""
        CREATE TABLE orders (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            command_id TEXT NOT NULL UNIQUE,
            digest TEXT NOT NULL,
            answer TEXT NOT NULL
        )
    """)


@migrations()
def create_case_notes(db: sqlite_utils.Database) -> None:
    """What the platform told of a case; see :mod:`agent.storage.case_notes`."""
    db.execute("""
        CREATE TABLE case_notes (
            case_id TEXT PRIMARY KEY,
            ticket TEXT,
            verdict TEXT
        ) WITHOUT ROWID
    """)


@migrations()
def keep_over_epochs(db: sqlite_utils.Database) -> None:
    """What can be sent again outlives its epoch; see :mod:`agent.storage.kept_table`."""
    db.execute("ALTER TABLE outbox ADD COLUMN refused TEXT")
    db.execute("""
        CREATE TABLE kept (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            epoch TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            event_id TEXT NOT NULL,
            lane INTEGER NOT NULL,
            type TEXT NOT NULL,
            occurred_at REAL NOT NULL,
            size_bytes INTEGER NOT NULL,
            event TEXT NOT NULL,
            crc INTEGER,
            standing TEXT NOT NULL,
            refused TEXT,
            reason TEXT NOT NULL DEFAULT '',
            limit_bytes INTEGER,
            lost INTEGER NOT NULL DEFAULT 0,
            waiting INTEGER NOT NULL DEFAULT 0,
            UNIQUE (epoch, sequence)
        )
    """)
    db.execute("CREATE INDEX kept_waiting ON kept (lane, id) WHERE waiting = 1")
    db.execute("CREATE INDEX kept_arrived ON kept (id) WHERE standing = 'arrived' AND waiting = 0")
    db.execute("CREATE INDEX kept_aside ON kept (lane, id) WHERE standing != 'arrived'")
    # Version 0.1.0 called them dead letters and reported each as lost at once. Those that no report names
    # yet are not lost: they are here. The text says what it was refused for.
    db.execute("""
        INSERT INTO kept (epoch, sequence, event_id, lane, type, occurred_at, size_bytes, event,
            standing, reason, limit_bytes, lost)
        SELECT epoch, sequence, event_id, lane, type, occurred_at, length(CAST(event AS BLOB)),
            event, CASE WHEN reason LIKE '%checksum%' THEN 'damaged' ELSE 'set_aside' END, reason,
            CASE WHEN reason LIKE '% bytes; the broker takes %' THEN
                CAST(substr(reason, instr(reason, 'the broker takes ') + 17) AS INTEGER) END,
            reason LIKE '%checksum%' OR EXISTS (SELECT 1 FROM losses WHERE reported IS NOT NULL
                AND losses.epoch = dead_letters.epoch AND sequence BETWEEN first AND last)
        FROM dead_letters ORDER BY rowid
    """)
    db.execute("""
        DELETE FROM losses WHERE reported IS NULL AND EXISTS (SELECT 1 FROM kept
            WHERE kept.epoch = losses.epoch AND sequence BETWEEN first AND last
            AND standing = 'set_aside') AND first = last
    """)
    db.execute("DROP TABLE dead_letters")


@migrations()
def create_epochs(db: sqlite_utils.Database) -> None:
    """Which epochs there were, and why each began; see :mod:`agent.storage.epoch`."""
    db.execute("""
        CREATE TABLE epochs (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            epoch TEXT NOT NULL UNIQUE,
            because TEXT NOT NULL,
            predecessor TEXT,
            last_sequence INTEGER,
            carried INTEGER NOT NULL
        )
    """)


@migrations()
def refuse_older_agents(db: sqlite_utils.Database) -> None:
    """Version 0.1.0 does not look at the version of the tables, and would write into them.

    The first that it writes is this state: it ends there, with this text, before it has changed anything.
    """
    db.execute("""
        CREATE TRIGGER no_older_agent BEFORE INSERT ON state WHEN NEW.name = 'storage.proved'
        BEGIN SELECT RAISE(ABORT,
            'this database is of version 0.2.0 or newer; an older agent must not write to it');
        END
    """)
    db.execute("DELETE FROM state WHERE name = 'storage.proved'")


@migrations()
def create_picture_queue(db: sqlite_utils.Database) -> None:
    """Pictures on their way to the platform; see :mod:`agent.storage.picture_table`."""
    db.execute("""
        CREATE TABLE picture_queue (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            sha256 TEXT NOT NULL UNIQUE,
            case_id TEXT,
            file TEXT NOT NULL,
            size_bytes INTEGER NOT NULL,
            sent_bytes INTEGER NOT NULL DEFAULT 0,
            tries INTEGER NOT NULL DEFAULT 0,
            command_id TEXT,
            put_url TEXT,
            put_until REAL,
            queued_at REAL NOT NULL
        )
    """)


@migrations()
def create_evidence_chain(db: sqlite_utils.Database) -> None:
    """The chain of signed manifests and tombstones; see :mod:`agent.storage.evidence_chain`."""
    db.execute("""
        CREATE TABLE evidence_chain (
            number INTEGER PRIMARY KEY,
            case_id TEXT NOT NULL,
            stage TEXT NOT NULL,
            digest TEXT NOT NULL,
            link TEXT NOT NULL,
            key_x TEXT NOT NULL,
            jws TEXT
        )
    """)
    db.execute("CREATE UNIQUE INDEX evidence_chain_stages ON evidence_chain (case_id, stage)")
    db.execute("""
        CREATE TABLE evidence_deletions (
            case_id TEXT PRIMARY KEY,
            why TEXT NOT NULL,
            at REAL,
            files INTEGER NOT NULL,
            size_bytes INTEGER NOT NULL,
            told INTEGER
        )
    """)


@migrations()
def create_verdicts(db: sqlite_utils.Database) -> None:
    """The last verdict on each of the newest cases; see :mod:`agent.storage.verdict_table`."""
    db.execute("""
        CREATE TABLE verdicts (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            case_id TEXT NOT NULL UNIQUE,
            verdict TEXT NOT NULL,
            place TEXT NOT NULL
        )
    """)
    db.execute("CREATE INDEX verdicts_by_place ON verdicts (place, verdict)")


@migrations()
def create_held_back(db: sqlite_utils.Database) -> None:
    """Places and looks of false alarms; see :mod:`agent.storage.held_back_table`."""
    db.execute("""
        CREATE TABLE held_back (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            case_id TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            place TEXT NOT NULL
        )
    """)


@migrations()
def create_evidence_jobs(db: sqlite_utils.Database) -> None:
    """Stages whose packet is not made yet; see :mod:`agent.storage.evidence_job_table`."""
    db.execute("""
        CREATE TABLE evidence_job (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            case_id TEXT NOT NULL,
            stage TEXT NOT NULL,
            event TEXT NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0,
            UNIQUE (case_id, stage)
        )
    """)


@migrations()
def create_minutes(db: sqlite_utils.Database) -> None:
    """What was made of each zone in each minute; see :mod:`agent.storage.minute_table`."""
    db.execute("""
        CREATE TABLE minutes (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            zone_id TEXT NOT NULL,
            at REAL NOT NULL,
            told TEXT NOT NULL
        )
    """)
    db.execute("CREATE INDEX minutes_by_zone ON minutes (zone_id, at)")
