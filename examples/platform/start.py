"""The smallest platform that loses nothing: each event once, each number, and receipts after the commit.

    pip install paho-mqtt
    python start.py localhost 1883 platform.db

It believes every device; what a platform on a real network does besides is in the consumer beside it.
"""

import json
import sqlite3
import sys
import zlib
from pathlib import Path

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

HERE = Path(__file__).parent
RECEIPT = (HERE / "receipt.sql").read_text(encoding="utf-8")


def opened(path):
    """The database, with its tables."""
    db = sqlite3.connect(path, check_same_thread=False)
    db.executescript((HERE / "sqlite.sql").read_text(encoding="utf-8"))
    return db


def take(db, topic, payload):
    """Store every event of a message by its id and by its number; gives the receipts that are due."""
    tenant, device = topic.split("/")[-3:-1]
    text = zlib.decompress(payload, wbits=31) if payload.startswith(b"\x1f\x8b") else payload
    epochs = set()
    with db:  # one transaction: all of it, or nothing
        for event in json.loads(text)["events"]:
            own = (tenant, device, event["event_id"])
            row = (*own, event["type"], event.get("test", False), json.dumps(event))
            db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
            number = (tenant, device, event["epoch"], event["sequence"], event["event_id"])
            db.execute("INSERT INTO numbered VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", number)
            epochs.add(event["epoch"])
    for epoch in epochs:
        of = {"tenant": tenant, "device": device, "epoch": epoch}
        (_, through), *ranges = db.execute(RECEIPT, of).fetchall()
        receipt = {"contract": 2, "epoch": epoch, "contiguous_through": through}
        yield json.dumps(receipt | {"ranges": ranges[:1000]})


def run(host, port, path):
    """Take what comes until the process is ended."""
    db = opened(path)
    client = Client(CallbackAPIVersion.VERSION2, "platform-1", protocol=MQTTv5, manual_ack=True)

    def took(_client, _userdata, message):
        for receipt in take(db, message.topic, message.payload):
            to = message.topic.removesuffix("events") + "receipts"
            client.publish(to, receipt, qos=1)
        client.ack(message.mid, message.qos)  # only now may the broker forget it

    client.on_message = took
    client.on_connect = lambda *_: client.subscribe("kerbwatch/v2/+/+/events", qos=1)
    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval = 7 * 24 * 3600  # the broker keeps what comes while it is away
    client.connect(host, int(port), clean_start=False, properties=session)
    client.loop_forever()


if __name__ == "__main__":
    run(*sys.argv[1:])
