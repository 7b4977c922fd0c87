"""A platform's consumer: stores each event once and each of its numbers, and says what it has stored.

It needs paho-mqtt, jsonschema, cryptography and the contract's reader schema, and nothing of the agent. Why each
step is as it is stands in docs/platform/. The tables are in ``sqlite.sql``.

    python consumer.py mqtt://localhost:1883 platform.db
"""

import argparse
import hashlib
import json
import queue
import signal
import sqlite3
import threading
from pathlib import Path

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from reach import EXPECTED, place
from reading import code_against, events_in, key_in, losses_in, number_of

HERE = Path(__file__).parent
RECEIPT = (HERE / "receipt.sql").read_text(encoding="utf-8")
MOST = 1000
"""Ranges of one receipt."""
_NUMBER = "(tenant, device, epoch, sequence) = (?, ?, ?, ?)"


def opened(path):
    """The database, with its tables; what is committed is on the disk."""
    db = sqlite3.connect(path, timeout=60, isolation_level=None)  # several workers may share it
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
    db.executescript((HERE / "sqlite.sql").read_text(encoding="utf-8"))
    return db


def insert(db, table, *row):
    """Insert a row unless it is there; whether it was not."""
    places = ", ".join("?" * len(row))
    done = db.execute(f"INSERT INTO {table} VALUES ({places}) ON CONFLICT DO NOTHING", row)
    return done.rowcount > 0


def take(db, topic, payload):
    """Store what one message says, or why not. Gives the epochs that a receipt is due for."""
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


class Consumer:
    """Takes what a broker has for it, stores it, acknowledges it and sends receipts, until it is stopped."""

    def __init__(self, url, path, topic, name):
        self._topic = topic
        self._came, self._connection = queue.Queue(), 0
        self._client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTv5, manual_ack=True)
        self._place = place(self._client, url, name)
        self._db = opened(path)
        self._client.on_connect = self._connected
        self._client.on_message = lambda *told: self._came.put((self._connection, told[-1]))

    def _connected(self, client, *_):
        self._connection += 1
        client.subscribe(self._topic, qos=1)

    def run(self, stop):
        """Work until ``stop`` is set."""
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval, lasting.ReceiveMaximum = 7 * 24 * 3600, 200
        self._client.connect_async(*self._place, clean_start=False, properties=lasting)
        self._client.reconnect_delay_set(1, 30)
        self._client.loop_start()
        while not stop.is_set():
            self._work()
        self._client.disconnect()
        self._client.loop_stop()

    def _work(self):
        """Store what is there in one transaction; acknowledge and send receipts after it."""
        try:
            batch = [self._came.get(timeout=0.2)]
        except queue.Empty:
            return
        while not self._came.empty() and len(batch) < MOST:
            batch.append(self._came.get())
        self._db.execute("BEGIN IMMEDIATE")
        touched = {}
        for _, message in batch:
            place = message.topic.removesuffix("events") + "receipts"
            touched |= dict.fromkeys(take(self._db, message.topic, message.payload), place)
        due = [(to, each) for of, to in touched.items() for each in receipts(self._db, *of)]
        self._db.execute("COMMIT")
        for connection, message in batch:
            # What an earlier connection brought comes again; its acknowledgement would hit another message.
            if connection == self._connection:
                self._client.ack(message.mid, message.qos)
        for topic, receipt in due:
            self._client.publish(topic, json.dumps(receipt), qos=1)


def main(arguments=None):
    """Run until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("broker", help=EXPECTED)
    parser.add_argument("database", type=Path)
    parser.add_argument("--topic", default="kerbwatch/v2/+/+/events")
    parser.add_argument("--name", default="platform-1", help="client id: its session outlives it")
    told = parser.parse_args(arguments)
    try:
        consumer = Consumer(told.broker, told.database, told.topic, told.name)
    except ValueError as why:
        parser.error(str(why))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    consumer.run(stop)


if __name__ == "__main__":
    main()
