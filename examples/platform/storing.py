"""What consumer.py stores of a message and what it says of it.

Everything of a message is stored in one transaction of the caller's; the receipts are computed in it, too, and sent
after it. The tables are in ``sqlite.sql``.
"""

import hashlib
import json
import re
import sqlite3
import uuid
from pathlib import Path

import pictures
from kerbwatch_platform.contract.reading import (
    case_in,
    code_against,
    events_in,
    key_in,
    losses_in,
    number_of,
)

HERE = Path(__file__).parent
MODEL = (HERE / "sqlite.sql").read_text(encoding="utf-8")
RECEIPT = (HERE / "receipt.sql").read_text(encoding="utf-8")
MOST = 1000
"""Ranges of one receipt."""
TEST_CASES = uuid.UUID("5f0c5c52-9d9a-4a6b-9c55-0e6b4d7f2a11")
"""Of the command ids below: the same for the same case, so that a case that comes twice is one order."""
_NUMBER = "(tenant, device, epoch, sequence) = (?, ?, ?, ?)"


def opened(path):
    """The database, with its tables; what is committed is on the disk.

    The views are made again each time: what a later version reads better holds for what came before it.
    """
    db = sqlite3.connect(path, timeout=60, isolation_level=None)  # several workers may share it
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
    views = re.findall("^CREATE VIEW IF NOT EXISTS ([a-z_]+)", MODEL, re.MULTILINE)
    dropped = "".join(f"DROP VIEW IF EXISTS {view};" for view in views)
    db.executescript(f"BEGIN IMMEDIATE; {dropped} {MODEL} COMMIT;")
    return db


def insert(db, table, *row):
    """Insert a row unless it is there; whether it was not."""
    places = ", ".join("?" * len(row))
    done = db.execute(f"INSERT INTO {table} VALUES ({places}) ON CONFLICT DO NOTHING", row)
    return done.rowcount > 0


def take(db, topic, payload, tickets=None):
    """Store what one message says, or why not. Gives the epochs that a receipt is due for.

    ``tickets`` grows by the answers to test cases.
    """
    tenant, device = topic.split("/")[-3:-1]
    touched = set()
    try:
        events, unclear = events_in(payload)
    except ValueError as why:
        insert(db, "set_aside", topic, hashlib.sha256(payload).hexdigest(), str(why)[:500], payload)
        return touched
    for event in events:
        raw, number = json.dumps(event), number_of(event)
        if number is None:
            mark = hashlib.sha256(raw.encode()).hexdigest()
            insert(db, "set_aside", topic, mark, "an event without a number", raw.encode())
            continue
        touched.add((tenant, device, number[0]))
        code = "ambiguous_json" if unclear else code_against(event, tenant, device)
        if code:
            insert(db, "refused", tenant, device, *number, code, raw)
        else:
            touched |= store(db, tenant, device, number, event)
            case_id = case_in(event) if event["type"] == "case.opened" else None
            if tickets is not None and event.get("test") is True and case_id:
                tickets.append(test_ticket(topic, case_id))
    return touched


def store(db, tenant, device, number, event):
    """Keep an event once, by its id, and every number that it comes under."""
    event_id, raw = event["event_id"], json.dumps(event, ensure_ascii=False)
    insert(db, "event", tenant, device, event_id, event["type"], event.get("test") is True, raw)
    key = (tenant, device, *number)
    insert(db, "numbered", *key, event_id)
    db.execute(f"DELETE FROM refused WHERE {_NUMBER}", key)  # an older consumer could not read it
    first = db.execute(f"SELECT event_id FROM numbered WHERE {_NUMBER}", key).fetchone()
    if first != (event_id,):
        insert(db, "conflict", *key, event_id)
    key = key_in(event)
    if key and insert(db, "device_key", tenant, device, key):
        return fill(db, tenant, device)
    return fill(db, tenant, device, event_id) if event["type"] == "device.loss" else set()


def fill(db, tenant, device, event_id=None):
    """Fill numbers from a loss report, or from all of a device whose key is known now. Gives their epochs."""
    mine = "tenant = ? AND device = ?"
    key = db.execute(f"SELECT key FROM device_key WHERE {mine}", (tenant, device)).fetchone()
    if key is None:  # the report is looked at again when the device's birth has come
        return set()
    reports = f"SELECT raw FROM event WHERE {mine} AND type = 'device.loss' AND event_id = coalesce(?, event_id)"
    touched = set()
    for (raw,) in db.execute(reports, (tenant, device, event_id)).fetchall():
        report = json.loads(raw)
        for loss in losses_in(report, json.loads(*key)):
            insert(db, "lost", tenant, device, *loss, report["event_id"])
            touched.add((tenant, device, loss[0]))
    return touched


def test_ticket(topic, case_id):
    """The answer to a test case: it gets a number at once, and no clerk sees it.

    A technician stands at the pole and waits for it: that it comes shows that the way works in both directions.
    """
    ticket = "TEST-" + hashlib.sha256(case_id.encode()).hexdigest()[:8].upper()
    told = {"command_id": str(uuid.uuid5(TEST_CASES, case_id)), "command": "ticket"}
    to = topic.removesuffix("events") + "commands"
    return to, {"contract": 2} | told | {"case_id": case_id, "ticket": ticket}


def receipts(db, tenant, device, epoch):
    """What is settled of an epoch. Computed in the transaction, to be sent after it."""
    of = {"tenant": tenant, "device": device, "epoch": epoch}
    (_, through), *ranges = db.execute(RECEIPT, of).fetchall()
    insert(db, "receipted", tenant, device, epoch, through)
    mine = "tenant = :tenant AND device = :device AND epoch = :epoch"
    db.execute(f"UPDATE receipted SET through = :through WHERE {mine}", of | {"through": through})
    newest = f"WHERE {mine} ORDER BY sequence DESC LIMIT {MOST}"
    refused = db.execute(f"SELECT sequence, sequence, code FROM refused {newest}", of).fetchall()
    conflicts = db.execute(f"SELECT sequence, sequence FROM conflicting {newest}", of).fetchall()
    for begin in range(0, max(1, len(ranges)), MOST):
        receipt = {"contract": 2, "epoch": epoch, "contiguous_through": through}
        more = {"ranges": ranges[begin : begin + MOST], "refused": refused, "conflicts": conflicts}
        yield receipt | {name: told for name, told in more.items() if told}


def settled_by(db, messages):
    """Store messages, each as (topic, payload), in one transaction; gives what is due: (topic, receipt or command)."""
    db.execute("BEGIN IMMEDIATE")
    touched, has, tickets = {}, {}, []
    for topic, payload in messages:
        if pictures.is_piece(topic):
            has |= pictures.take(db, topic, payload)
            continue
        place = topic.removesuffix("events") + "receipts"
        touched |= dict.fromkeys(take(db, topic, payload, tickets), place)
    due = [(to, each) for of, to in touched.items() for each in receipts(db, *of)]
    due += pictures.receipts(db, has)
    db.execute("COMMIT")
    return due + tickets
